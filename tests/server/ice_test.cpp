#include "server/ice.h"

#include <functional>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "tests/server/hex.h"

namespace parley::server {
namespace {

using rtp::ConstBytes;
using rtp::Duration;
using rtp::Time;
using namespace std::chrono_literals;

const IceCredentials kServer{"srvU", "server-password-22-chars!"};
const IceCredentials kPeer{"cliU", "client-password-22-chars!"};

Path path_from(const char* remote, int socket = 0) {
  return {*TransportAddress::parse("203.0.113.1:40000"), *TransportAddress::parse(remote), socket};
}
const Path kHome = path_from("192.0.2.1:5000");
const Path kMoved = path_from("192.0.2.1:6000");  // another port of the same NAT
const Path kStranger = path_from("198.51.100.9:80");

struct Request {
  IceCredentials local = kServer;
  IceCredentials remote = kPeer;
  bool nominate = false;
  bool priority = true;
  std::function<void(StunWriter&)> more = [](StunWriter&) {};
};

std::vector<std::uint8_t> make(const Request& r) {
  static std::uint8_t counter = 0;
  std::array<std::uint8_t, 800> out{};
  StunWriter writer(out, StunClass::Request, {++counter});
  writer.username(r.local.ufrag, r.remote.ufrag);
  if (r.priority) writer.priority(1);
  if (r.nominate) writer.use_candidate();
  r.more(writer);
  const ConstBytes bytes = writer.finish(StunKey(r.local.pwd));
  return {bytes.begin(), bytes.end()};
}
std::vector<std::uint8_t> check(bool nominate = false) {
  Request r;
  r.nominate = nominate;
  r.more = [](StunWriter& w) { w.ice_controlling(5); };
  return make(r);
}

class IceLiteTest : public ::testing::Test {
 protected:
  IceResult stun(const Path& path, ConstBytes datagram) { return ice.on_stun(now, path, datagram); }
  // Answers the own checks that are due, from the path they went to or from another.
  bool answer_own_check(std::optional<Path> from = std::nullopt, const char* password = nullptr) {
    const auto sent = ice.poll_transmit(now);
    if (!sent) return false;
    const auto request = StunMessage::parse(sent->datagram);
    EXPECT_TRUE(request && request->verify(StunKey(kPeer.pwd)));
    EXPECT_EQ(request->username, "cliU:srvU");
    EXPECT_TRUE(request->ice_controlled);
    std::array<std::uint8_t, 200> out{};
    StunWriter writer(out, StunClass::Success, request->transaction);
    const ConstBytes reply = writer.xor_mapped_address(sent->path.local)
                                 .finish(StunKey(password ? password : kPeer.pwd));
    const IceResult result = stun(from.value_or(sent->path), reply);
    last_change = result.selected_changed;
    return result.authenticated;
  }
  void settle() {
    (void)stun(kHome, check(true));
    ASSERT_TRUE(answer_own_check());
  }

  IceLite ice{kServer, kPeer, seeded_random(1)};
  Time now{10s};
  bool last_change = false;
};

TEST_F(IceLiteTest, FindsTheLocalUfragOfARequest) {
  const auto request = check();
  EXPECT_EQ(local_ufrag_of(request), "srvU");
  for (std::size_t size = 0; size < request.size(); ++size) {
    const std::vector<std::uint8_t> cut(request.begin(),
                                        request.begin() + static_cast<std::ptrdiff_t>(size));
    const auto found = local_ufrag_of(cut);
    EXPECT_TRUE(!found || *found == "srvU") << size;
  }
  EXPECT_FALSE(local_ufrag_of(test::hex("0001 0000 2112a442 b7e7a701bc34d686fa87dfae")));
}

TEST_F(IceLiteTest, AnswersAValidCheckAndTakesDtlsBeforeNomination) {
  EXPECT_FALSE(ice.passed(kHome));
  const IceResult result = stun(kHome, check());
  EXPECT_TRUE(result.authenticated);
  EXPECT_TRUE(result.path_added);
  EXPECT_TRUE(result.selected_changed);
  const auto reply = StunMessage::parse(result.reply);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->cls, StunClass::Success);
  EXPECT_EQ(reply->xor_mapped_address, kHome.remote);
  EXPECT_TRUE(reply->verify(StunKey(kServer.pwd)));
  EXPECT_TRUE(ice.passed(kHome));
  EXPECT_EQ(ice.selected(), kHome);
  EXPECT_EQ(ice.last_consent(), now);
}

TEST_F(IceLiteTest, KeepsNothingAndSaysNothingWithoutIntegrity) {
  Request wrong_password;
  wrong_password.local.pwd = "another-password-22-chars";
  Request wrong_peer;
  wrong_peer.remote.ufrag = "evil";
  Request wrong_server;
  wrong_server.local.ufrag = "evil";
  auto no_fingerprint = check();
  no_fingerprint.erase(no_fingerprint.end() - 8, no_fingerprint.end());
  rtp::store16(no_fingerprint, 2, static_cast<std::uint16_t>(no_fingerprint.size() - 20));
  const auto indication = test::hex("0011 0000 2112a442 b7e7a701bc34d686fa87dfae");

  const auto refused = [&](ConstBytes datagram) {
    const IceResult result = stun(kHome, datagram);
    EXPECT_TRUE(result.reply.empty());
    EXPECT_FALSE(result.authenticated);
    return result.drop;
  };
  EXPECT_EQ(refused(make(wrong_password)), IceDrop::WrongIntegrity);
  EXPECT_EQ(refused(make(wrong_peer)), IceDrop::WrongUsername);
  EXPECT_EQ(refused(make(wrong_server)), IceDrop::WrongUsername);
  EXPECT_EQ(refused(no_fingerprint), IceDrop::Malformed);
  EXPECT_EQ(refused(indication), IceDrop::Malformed);
  EXPECT_TRUE(ice.paths().empty());
  EXPECT_FALSE(ice.last_consent());
  EXPECT_FALSE(ice.may_send(kHome, 1));
}

TEST_F(IceLiteTest, RefusesAuthenticatedNonsenseByItsCode) {
  const auto code = [&](const Request& r) {
    const auto datagram = make(r);
    const IceResult result = stun(kHome, datagram);
    EXPECT_FALSE(result.authenticated);
    const auto reply = StunMessage::parse(result.reply);
    EXPECT_TRUE(reply && reply->verify(StunKey(kServer.pwd)));
    return reply ? reply->error_code.value_or(0) : 0;
  };
  Request unknown;
  unknown.more = [](StunWriter& w) { w.attribute(0x7777, {}); };
  EXPECT_EQ(code(unknown), 420);
  Request no_priority;
  no_priority.priority = false;
  EXPECT_EQ(code(no_priority), 400);
  Request both_controlled;  // a lite agent never controls, whatever the tie-breaker
  both_controlled.more = [](StunWriter& w) { w.ice_controlled(0); };
  EXPECT_EQ(code(both_controlled), 487);
  EXPECT_TRUE(ice.paths().empty());
}

TEST_F(IceLiteTest, SendsAtMostThreeTimesWhatItGotToAnUnprovenPath) {
  const auto request = check();
  const IceResult result = stun(kHome, request);
  const std::size_t budget = 3 * request.size() - result.reply.size();
  EXPECT_TRUE(ice.may_send(kHome, budget));
  EXPECT_FALSE(ice.may_send(kHome, 1));
  ice.on_received(kHome, 100);
  EXPECT_TRUE(ice.may_send(kHome, 300));
  EXPECT_FALSE(ice.may_send(kHome, 1));
  EXPECT_FALSE(ice.on_verified(kHome));  // the handshake finished: the limit is gone
  EXPECT_TRUE(ice.may_send(kHome, 1'000'000));
}

TEST_F(IceLiteTest, MovesAfterItsOwnCheckOfTheNominatedPathIsAnswered) {
  settle();
  now += 5s;
  IceResult result = stun(kStranger, check(true));
  EXPECT_FALSE(result.selected_changed);
  EXPECT_EQ(ice.selected(), kHome);
  EXPECT_TRUE(answer_own_check());
  EXPECT_TRUE(last_change);
  EXPECT_EQ(ice.selected(), kStranger);
  // And back at once: both are proven now.
  result = stun(kHome, check(true));
  EXPECT_TRUE(result.selected_changed);
}

TEST_F(IceLiteTest, NeverMovesToAnAddressThatDoesNotAnswer) {
  settle();
  std::size_t received = 0;
  std::size_t sent = 0;
  for (int i = 0; i < 50; ++i) {
    now += 200ms;
    const auto spoofed = check(true);
    received += spoofed.size();
    const IceResult result = stun(kStranger, spoofed);
    sent += result.reply.size();
    EXPECT_FALSE(result.selected_changed);
    while (const auto own = ice.poll_transmit(now)) {
      if (own->path == kStranger) sent += own->datagram.size();
    }
  }
  EXPECT_EQ(ice.selected(), kHome);
  EXPECT_LE(sent, 3 * received);
}

TEST_F(IceLiteTest, BelievesOnlyAnAnswerFromWhereTheCheckWent) {
  settle();
  (void)stun(kMoved, check(true));
  (void)stun(kStranger, check());
  ice.on_received(kMoved, 1'000);  // leave for three checks
  EXPECT_FALSE(answer_own_check(kStranger));
  EXPECT_FALSE(ice.verified(kMoved));
  now += 100ms;
  EXPECT_FALSE(answer_own_check(kMoved, "another-password-22-chars"));
  now += 200ms;
  EXPECT_TRUE(answer_own_check());
  EXPECT_EQ(ice.selected(), kMoved);
}

TEST_F(IceLiteTest, RepeatsItsOwnCheckWithLongerPausesAndGivesUp) {
  (void)stun(kHome, check(true));
  ice.on_received(kHome, 10'000);
  std::vector<Duration> at;
  const Time start = now;
  while (const auto next = ice.next_deadline()) {
    now = *next;
    if (ice.poll_transmit(now)) at.push_back(now - start);
  }
  EXPECT_EQ(at, (std::vector<Duration>{0ms, 100ms, 300ms, 700ms, 1500ms, 3100ms, 4700ms}));
  (void)stun(kHome, check(true));
  EXPECT_TRUE(answer_own_check());  // a new check from there starts over
}

TEST_F(IceLiteTest, FollowsANatThatChangedThePortThoughNobodyNominatesAgain) {
  settle();
  now += 2s;  // the old path has been silent
  (void)stun(kMoved, check(false));
  EXPECT_TRUE(answer_own_check());
  EXPECT_EQ(ice.selected(), kMoved);
}

// Its check came when the old path was not silent yet, and the next one takes seconds.
TEST_F(IceLiteTest, FollowsMediaToAPortThatIsKnownAlready) {
  settle();
  ice.on_heard(now, kHome);
  (void)stun(kMoved, check(false));
  while (answer_own_check()) {
  }
  EXPECT_EQ(ice.selected(), kHome);
  now += IceLite::kSilentMedia - 1ms;
  EXPECT_FALSE(ice.on_heard(now, kMoved)) << "the old path may still be the peer's";
  now += 1ms;
  EXPECT_TRUE(ice.on_heard(now, kMoved));
  EXPECT_EQ(ice.selected(), kHome) << "not before he has answered there";
  EXPECT_TRUE(answer_own_check());
  EXPECT_EQ(ice.selected(), kMoved);
}

TEST_F(IceLiteTest, FollowsNoMediaToAnotherIp) {
  settle();
  (void)stun(kStranger, check(false));
  now += 1s;
  EXPECT_FALSE(ice.on_heard(now, kStranger));
  EXPECT_FALSE(ice.next_deadline());
}

TEST_F(IceLiteTest, DoesNotLeaveALivingPathForASpareOne) {
  settle();
  for (int i = 0; i < 20; ++i) {
    now += 500ms;
    ice.on_heard(now, kHome);
    (void)stun(kMoved, check(false));
    (void)stun(kStranger, check(false));
    while (answer_own_check()) {
    }
  }
  EXPECT_EQ(ice.selected(), kHome);
}

TEST_F(IceLiteTest, KeepsEightPathsAndDropsTheOldestUnprovenOne) {
  settle();
  for (int i = 0; i < 1'000; ++i) {
    now += 1ms;
    const Path path = path_from(("10.0.0.1:" + std::to_string(1'000 + i)).c_str());
    const IceResult result = stun(path, check());
    EXPECT_TRUE(result.path_added);
    EXPECT_EQ(result.evicted.has_value(), i >= 7);
    if (i >= 7) {
      EXPECT_EQ(result.evicted->remote.port(), 1'000 + i - 7);
    }
  }
  EXPECT_EQ(ice.paths().size(), IceLite::kMaxPaths);
  EXPECT_EQ(ice.selected(), kHome);
  EXPECT_TRUE(ice.passed(kHome));
}

TEST_F(IceLiteTest, TakesOldAndNewCredentialsDuringARestart) {
  settle();
  const IceCredentials new_server{"srv2", "second-server-password!!"};
  const IceCredentials new_peer{"cli2", "second-client-password!!"};
  ice.restart(new_server, new_peer);
  EXPECT_EQ(ice.local_ufrag(), "srv2");
  EXPECT_EQ(ice.previous_local_ufrag(), "srvU");
  EXPECT_TRUE(stun(kHome, check(true)).authenticated);

  Request fresh{new_server, new_peer, false, true, [](StunWriter&) {}};
  EXPECT_FALSE(stun(kHome, make(fresh)).restart_finished);
  EXPECT_TRUE(stun(kHome, check()).authenticated);
  fresh.nominate = true;
  const IceResult result = stun(kHome, make(fresh));
  EXPECT_TRUE(result.restart_finished);
  EXPECT_TRUE(StunMessage::parse(result.reply)->verify(StunKey(new_server.pwd)));
  EXPECT_EQ(stun(kHome, check()).drop, IceDrop::WrongUsername);
  EXPECT_FALSE(ice.previous_local_ufrag());
  EXPECT_EQ(ice.selected(), kHome);  // media never stopped
}

TEST_F(IceLiteTest, TheSameCredentialsAgainAreNoRestart) {
  ice.restart(kServer, kPeer);
  EXPECT_FALSE(ice.previous_local_ufrag());
}

TEST_F(IceLiteTest, RenewsConsentByChecksButNotByMedia) {
  settle();
  const Time last = now;
  now += 10s;
  ice.on_heard(now, kHome);
  EXPECT_EQ(ice.last_consent(), last);
  (void)stun(kHome, check());
  EXPECT_EQ(ice.last_consent(), now);
}

TEST_F(IceLiteTest, MovesToTheVerifiedPathThatWasHeardLastWhenItsOwnIsClosed) {
  settle();
  for (const Path& path : {kStranger, kMoved}) {
    now += 1s;
    (void)stun(path, check(true));
    EXPECT_TRUE(answer_own_check());
  }
  ASSERT_EQ(ice.selected(), kMoved);
  EXPECT_FALSE(ice.remove(path_from("192.0.2.99:1"))) << "never heard of";
  EXPECT_TRUE(ice.remove(kMoved));
  EXPECT_EQ(ice.selected(), kStranger);
  EXPECT_FALSE(ice.passed(kMoved));
  EXPECT_FALSE(ice.may_send(kMoved, 1));
  EXPECT_FALSE(ice.remove(kHome)) << "nothing changes for media";
  EXPECT_EQ(ice.selected(), kStranger);
}

TEST_F(IceLiteTest, WithoutAnotherPathTheNextCheckIsFollowedAtOnce) {
  settle();
  (void)stun(kStranger, check());  // passed, but nobody has proven to receive there
  EXPECT_TRUE(ice.remove(kHome));
  EXPECT_EQ(ice.selected(), std::nullopt);
  const IceResult result = stun(kMoved, check(false));
  EXPECT_TRUE(result.selected_changed);
  EXPECT_EQ(ice.selected(), kMoved);
  EXPECT_FALSE(ice.verified(kMoved));
  EXPECT_FALSE(ice.may_send(kMoved, 100'000)) << "three times what came, until it has answered";
  EXPECT_TRUE(answer_own_check());
  EXPECT_TRUE(ice.may_send(kMoved, 100'000));
}

TEST_F(IceLiteTest, ANominationOfAPathThatWasClosedIsVoid) {
  settle();
  (void)stun(kMoved, check(true));  // wanted, our own check is under way
  EXPECT_FALSE(ice.remove(kMoved));
  EXPECT_FALSE(ice.poll_transmit(now));
  EXPECT_EQ(ice.selected(), kHome);
}

TEST_F(IceLiteTest, DropsAnswersToNothing) {
  std::array<std::uint8_t, 200> out{};
  StunWriter writer(out, StunClass::Success, {9, 9, 9});
  const ConstBytes reply = writer.finish(StunKey(kPeer.pwd));
  EXPECT_EQ(stun(kHome, reply).drop, IceDrop::UnknownResponse);
}

}  // namespace
}  // namespace parley::server
