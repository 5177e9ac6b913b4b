#include "server/client/client.h"

#include <functional>

#include <gtest/gtest.h>

#include "rtp/bytes.h"
#include "server/ice.h"
#include "tests/server/dtls_pair.h"

namespace parley::client {
namespace {

using rtp::ConstBytes;
using rtp::Time;
using server::Dtls;
using server::IceCredentials;
using server::Path;
using server::SrtpKind;
using server::TransportAddress;
using test::LossyLink;
using namespace std::chrono_literals;

const TransportAddress kServerAddress = *TransportAddress::parse("203.0.113.1:40000");
const IceCredentials kServerSecrets{"srvU", "server-password-22-chars!"};
const IceCredentials kClientSecrets{"cliU", "client-password-22-chars!"};

std::vector<std::uint8_t> rtp_packet(std::uint16_t seq) {
  std::vector<std::uint8_t> packet(100);
  packet[0] = 0x80;
  packet[1] = 96;
  rtp::store16(packet, 2, seq);
  rtp::store32(packet, 8, 0xABCD);
  return packet;
}
const std::vector<std::uint8_t> kReport = {0x80, 201, 0, 1, 0, 0, 0, 1};

// A server of one peer from the parts of this folder, and a client, with a network between.
class ClientTest : public ::testing::Test {
 protected:
  void make(IceClient::Nomination nomination, LossyLink::Options up_options = {},
            LossyLink::Options down_options = {}) {
    ice.emplace(kServerSecrets, kClientSecrets, server::seeded_random(1));
    dtls = std::make_unique<Dtls>(test::server_identity().context, server::DtlsRole::Server,
                                  std::vector{test::client_identity().certificate.fingerprint()});
    ClientParams params;
    params.local = kClientSecrets;
    params.remote = kServerSecrets;
    params.fingerprints = {test::server_identity().certificate.fingerprint()};
    params.server = kServerAddress;
    params.nomination = nomination;
    client.emplace(test::client_identity().context, params, server::seeded_random(2));
    up = LossyLink(up_options);
    down = LossyLink(down_options);
    client->start(now);
    flush();
  }
  [[nodiscard]] Path path() const { return {kServerAddress, client_address, 0}; }

  void to_client(const Path& to, ConstBytes datagram) {
    if (to.remote == client_address) down.send(now, datagram);
  }
  void on_server(ConstBytes datagram) {
    if (datagram[0] <= 3) {
      const auto result = ice->on_stun(now, path(), datagram);
      if (!result.reply.empty()) to_client(path(), result.reply);
    } else if (!ice->passed(path())) {
      ++from_nowhere;
    } else if (datagram[0] <= 63) {
      ice->on_received(path(), datagram.size());
      dtls->on_datagram(now, datagram);
      if (auto keys = dtls->take_keys()) {
        srtp = server::SrtpSession::create(*keys);
        ice->on_verified(path());
      }
    } else if (srtp) {
      std::vector<std::uint8_t> packet(datagram.begin(), datagram.end());
      const auto kind = packet[1] == 201 ? SrtpKind::Rtcp : SrtpKind::Rtp;
      if (server::Opener().open(*srtp, packet, kind)) {
        dtls->release();
        ++(kind == SrtpKind::Rtp ? server_rtp : server_rtcp);
      }
    }
  }
  void flush() {
    while (const auto datagram = client->poll_transmit()) up.send(now, *datagram);
    dtls->tick(now);
    while (const auto datagram = dtls->poll_transmit()) {
      if (ice->selected() && ice->may_send(*ice->selected(), datagram->size())) {
        to_client(*ice->selected(), *datagram);
      }
    }
    while (const auto check = ice->poll_transmit(now)) to_client(check->path, check->datagram);
  }
  void step() {
    now += 5ms;
    while (const auto datagram = up.poll(now)) on_server(*datagram);
    while (const auto datagram = down.poll(now)) {
      const auto received = client->on_datagram(now, *datagram);
      if (received.kind == Client::Received::Kind::Rtp)
        last_rtp.assign(received.packet.begin(), received.packet.end());
    }
    client->tick(now);
    flush();
  }
  bool run_until(const std::function<bool()>& done, rtp::Duration limit) {
    for (const Time end = now + limit; now < end && !done();) step();
    return done();
  }
  bool connect(rtp::Duration limit) {
    return run_until([&] { return client->connected() && srtp.has_value(); }, limit);
  }
  void send_from_server(std::vector<std::uint8_t> packet, SrtpKind kind) {
    const std::size_t size = packet.size();
    packet.resize(size + server::Sealer::kOverhead);
    server::SealItem item{&*srtp, packet, size, kind};
    ASSERT_EQ(server::Sealer().seal({&item, 1}), 1U);
    to_client(*ice->selected(), ConstBytes(packet).first(item.size));
  }

  Time now{1s};
  TransportAddress client_address = *TransportAddress::parse("192.0.2.7:5555");
  std::optional<server::IceLite> ice;
  std::unique_ptr<Dtls> dtls;
  std::optional<server::SrtpSession> srtp;
  std::optional<Client> client;
  LossyLink up{{}};
  LossyLink down{{}};
  int server_rtp = 0;
  int server_rtcp = 0;
  int from_nowhere = 0;
  std::vector<std::uint8_t> last_rtp;
};

TEST_F(ClientTest, ConnectsInFourRoundTripsAndSendsMediaBothWays) {
  for (const auto nomination :
       {IceClient::Nomination::AtOnce, IceClient::Nomination::AfterAnswer}) {
    srtp.reset();
    server_rtp = server_rtcp = 0;
    make(nomination);
    EXPECT_FALSE(client->send_rtp(rtp_packet(1)));
    ASSERT_TRUE(connect(60ms));
    EXPECT_TRUE(client->ice().nominated());
    EXPECT_EQ(client->ice().mapped(), client_address);
    EXPECT_EQ(client->profile(), server::SrtpProfile::AeadAes128Gcm);
    EXPECT_TRUE(client->send_rtp(rtp_packet(1)));
    EXPECT_TRUE(client->send_rtcp(kReport));
    send_from_server(rtp_packet(9), SrtpKind::Rtp);
    send_from_server(kReport, SrtpKind::Rtcp);
    flush();
    run_until([] { return false; }, 50ms);
    EXPECT_EQ(server_rtp, 1);
    EXPECT_EQ(server_rtcp, 1);
    EXPECT_EQ(client->counters().rtp_received, 1U);
    EXPECT_EQ(client->counters().rtcp_received, 1U);
    EXPECT_EQ(last_rtp, rtp_packet(9));
    EXPECT_TRUE(dtls->released());
    EXPECT_EQ(from_nowhere, 0);
  }
}

TEST_F(ClientTest, ConnectsThroughHeavyLoss) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    srtp.reset();
    make(IceClient::Nomination::AfterAnswer, {seed, 0.3, 0.05, 10ms, 20ms},
         {seed + 500, 0.3, 0.05, 10ms, 20ms});
    ASSERT_TRUE(connect(10s)) << "seed " << seed;
    ASSERT_TRUE(client->send_rtp(rtp_packet(1)));
  }
}

TEST_F(ClientTest, FollowsTheClientToANewAddressWithoutSignalling) {
  make(IceClient::Nomination::AfterAnswer);
  ASSERT_TRUE(connect(1s));
  run_until([] { return false; }, 3s);
  const Time before = now;
  client_address = *TransportAddress::parse("192.0.2.7:6666");
  ASSERT_TRUE(run_until([&] { return ice->selected()->remote == client_address; }, 5s));
  EXPECT_LE(now - before, 3s);  // the next consent check comes within 2.5 s
  EXPECT_TRUE(ice->verified(path()));
  send_from_server(rtp_packet(10), SrtpKind::Rtp);
  run_until([] { return false; }, 50ms);
  EXPECT_EQ(last_rtp, rtp_packet(10));
}

TEST_F(ClientTest, RestartsIceWhileMediaGoesOn) {
  make(IceClient::Nomination::AfterAnswer);
  ASSERT_TRUE(connect(1s));
  const IceCredentials new_server{"srv2", "second-server-password!!"};
  const IceCredentials new_client{"cli2", "second-client-password!!"};
  ice->restart(new_server, new_client);
  client->restart_ice(now, new_client, new_server);
  client->tick(now);
  flush();
  send_from_server(rtp_packet(11), SrtpKind::Rtp);
  ASSERT_TRUE(run_until([&] { return !ice->previous_local_ufrag(); }, 500ms));
  run_until([] { return false; }, 50ms);
  EXPECT_TRUE(client->ice().nominated());
  EXPECT_EQ(last_rtp, rtp_packet(11));
}

TEST_F(ClientTest, RenewsConsentAllTheTimeAndStopsWhenItDies) {
  make(IceClient::Nomination::AfterAnswer);
  ASSERT_TRUE(connect(1s));
  for (int i = 0; i < 20; ++i) {
    run_until([] { return false; }, 1s);
    EXPECT_LE(now - ice->last_consent().value(), 3s);
  }
  client->ice().stop();
  run_until([] { return false; }, 30s);
  EXPECT_GE(now - ice->last_consent().value(), 27s);
}

TEST_F(ClientTest, SaysGoodbye) {
  make(IceClient::Nomination::AtOnce);
  ASSERT_TRUE(connect(1s));
  client->close();
  flush();
  run_until([] { return false; }, 20ms);
  EXPECT_EQ(dtls->state(), Dtls::State::Closed);
  EXPECT_EQ(client->state(), Client::State::Closed);
}

TEST_F(ClientTest, RefusesAServerWithAnotherCertificate) {
  make(IceClient::Nomination::AtOnce);
  ClientParams params;
  params.local = kClientSecrets;
  params.remote = kServerSecrets;
  params.fingerprints = {test::client_identity().certificate.fingerprint()};
  params.server = kServerAddress;
  client.emplace(test::client_identity().context, params, server::seeded_random(3));
  client->start(now);
  EXPECT_FALSE(connect(1s));
  EXPECT_EQ(client->state(), Client::State::Failed);
  EXPECT_EQ(client->failure(), Dtls::Failure::FingerprintMismatch);
}

TEST_F(ClientTest, DropsNoiseAndReplays) {
  make(IceClient::Nomination::AtOnce);
  ASSERT_TRUE(connect(1s));
  for (int first = 0; first < 256; ++first) {
    for (const std::size_t size : {0U, 1U, 2U, 11U, 12U, 64U, 1'499U, 1'500U}) {
      const std::vector<std::uint8_t> noise(size, static_cast<std::uint8_t>(first));
      (void)client->on_datagram(now, noise);
    }
  }
  EXPECT_TRUE(client->connected());
  EXPECT_EQ(client->counters().rtp_received, 0U);
  EXPECT_GT(client->counters().unknown, 0U);
  EXPECT_GT(client->counters().open_failures, 0U);
}

TEST_F(ClientTest, BoundsWhatNobodyPolls) {
  make(IceClient::Nomination::AtOnce);
  ASSERT_TRUE(connect(1s));
  std::uint16_t seq = 1;
  while (client->send_rtp(rtp_packet(seq))) ++seq;
  EXPECT_EQ(client->counters().rtp_sent, Client::kMaxQueued);
  EXPECT_EQ(client->counters().queue_overflows, 1U);
  std::size_t polled = 0;
  while (const auto datagram = client->poll_transmit()) {
    EXPECT_EQ(datagram->size(), 116U);
    ++polled;
  }
  EXPECT_EQ(polled, Client::kMaxQueued);
}

}  // namespace
}  // namespace parley::client
