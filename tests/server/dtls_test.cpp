#include "server/dtls.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "rtp/bytes.h"
#include "server/srtp.h"
#include "tests/server/bare_dtls_client.h"
#include "tests/server/dtls_pair.h"
#include "tests/server/hex.h"

#ifdef PARLEY_SANITIZED
// GCC brings the function but, in Debian, not its header.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace parley::server {
namespace {

using rtp::ConstBytes;
using rtp::Duration;
using rtp::Time;
using test::BareClient;
using test::client_identity;
using test::drain;
using test::DtlsPair;
using test::server_identity;
using namespace std::chrono_literals;

using Datagram = std::vector<std::uint8_t>;
using State = Dtls::State;
using Failure = Dtls::Failure;

const Time kStart{1s};

Datagram client_hello() {
  Dtls client(client_identity().context, DtlsRole::Client, {});
  client.start(kStart);
  return drain(client).at(0);
}

// Cuts the one handshake message of a datagram into fragments [from, to), each a datagram with a
// record number of its own.
std::vector<Datagram> fragments(const Datagram& hello,
                                const std::vector<std::pair<std::size_t, std::size_t>>& cuts) {
  constexpr std::size_t kRecord = 13;
  constexpr std::size_t kHandshake = 12;
  std::vector<Datagram> out;
  std::uint8_t number = 1;
  for (const auto& [from, to] : cuts) {
    Datagram d(hello.begin(), hello.begin() + kRecord + kHandshake);
    const auto* const body = hello.data() + kRecord + kHandshake;
    d.insert(d.end(), body + from, body + to);
    d[10] = number++;
    rtp::store16(d, 11, static_cast<std::uint16_t>(kHandshake + to - from));
    rtp::store16(d, kRecord + 7, static_cast<std::uint16_t>(from));  // low bytes of 24
    rtp::store16(d, kRecord + 10, static_cast<std::uint16_t>(to - from));
    out.push_back(std::move(d));
  }
  return out;
}
std::size_t body_size(const Datagram& hello) { return hello.size() - 25; }

std::size_t heap_bytes() {
#ifdef PARLEY_SANITIZED
  return __sanitizer_get_current_allocated_bytes();
#else
  return mallinfo2().uordblks;
#endif
}

TEST(Dtls, AgreesOnGcmAndGivesBothEndsTheSameKeys) {
  DtlsPair pair;
  ASSERT_TRUE(pair.run(1s));
  const auto server = pair.server.take_keys();
  const auto client = pair.client.take_keys();
  ASSERT_TRUE(server && client);
  EXPECT_FALSE(pair.server.take_keys());  // once
  EXPECT_EQ(server->profile, SrtpProfile::AeadAes128Gcm);
  EXPECT_EQ(client->profile, SrtpProfile::AeadAes128Gcm);
  const auto same = [](ConstBytes a, ConstBytes b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  };
  EXPECT_TRUE(same(server->send.key(), client->receive.key()));
  EXPECT_TRUE(same(server->send.salt(), client->receive.salt()));
  EXPECT_TRUE(same(server->receive.key(), client->send.key()));
  EXPECT_TRUE(same(server->receive.salt(), client->send.salt()));
  EXPECT_FALSE(same(server->send.key(), server->receive.key()));
  EXPECT_EQ(server->send.key().size(), 16U);
  EXPECT_EQ(server->send.salt().size(), 12U);
}

TEST(Dtls, CarriesDataWhereItIsExpectedAndDropsItElsewhere) {
  for (const bool expected : {true, false}) {
    SCOPED_TRACE(expected);
    DtlsPair pair;
    if (expected) pair.server.expect_data();
    pair.client.expect_data();
    EXPECT_FALSE(pair.client.send(Datagram(10))) << "before the handshake";
    ASSERT_TRUE(pair.run(1s));
    pair.server.release();
    EXPECT_EQ(pair.server.released(), !expected);
    const Datagram data(Dtls::kMaxData, 7);
    EXPECT_FALSE(pair.client.send(Datagram(Dtls::kMaxData + 1)));
    ASSERT_TRUE(pair.client.send(data));
    const auto sealed = pair.client.poll_data();
    ASSERT_TRUE(sealed);
    EXPECT_LE(sealed->size(), Dtls::kMtu);
    Datagram spoilt(sealed->begin(), sealed->end());
    spoilt.back() ^= 1;
    EXPECT_EQ(pair.server.on_datagram(pair.now, spoilt), State::Connected);
    EXPECT_TRUE(pair.server.take_data().empty());
    pair.server.on_datagram(pair.now, *sealed);
    const auto came = pair.server.take_data();
    ASSERT_EQ(came.size(), expected ? 1U : 0U);
    for (const auto& one : came) EXPECT_EQ(one, data);
    pair.server.on_datagram(pair.now, *sealed);
    EXPECT_TRUE(pair.server.take_data().empty()) << "a replay";
    EXPECT_EQ(pair.server.send(data), expected);
  }
}

TEST(Dtls, PutsTheServersFlightIntoOneDatagram) {
  Dtls server(server_identity().context, DtlsRole::Server, {});
  server.on_datagram(kStart, client_hello());
  const auto flight = drain(server);
  ASSERT_EQ(flight.size(), 1U);
  EXPECT_LE(flight[0].size(), 700U);
}

TEST(Dtls, FinishesWithinThreeSecondsThoughAThirdIsLostEachWay) {
  constexpr int kSeeds = 200;
  int in_time = 0;
  int in_the_end = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const test::LossyLink::Options up{seed, 0.3, 0.02, 10ms, 5ms};
    const test::LossyLink::Options down{seed + 1'000'000, 0.3, 0.02, 10ms, 5ms};
    DtlsPair pair(up, down);
    const bool done = pair.run(3s);
    in_time += done ? 1 : 0;
    in_the_end += done || pair.run(12s) ? 1 : 0;
    EXPECT_NE(pair.server.state(), State::Failed) << "seed " << seed;
    EXPECT_NE(pair.client.state(), State::Failed) << "seed " << seed;
  }
  EXPECT_GE(in_time, kSeeds * 99 / 100);
  EXPECT_EQ(in_the_end, kSeeds);
}

TEST(Dtls, ResendsItsFlightWithLongerAndLongerPauses) {
  Dtls client(client_identity().context, DtlsRole::Client, {});
  client.start(kStart);
  const auto hello = drain(client);
  std::vector<Duration> at;
  while (at.size() < 7) {
    const Time now = client.next_deadline().value();
    client.tick(now - 1ms);
    EXPECT_TRUE(drain(client).empty());
    client.tick(now);
    auto again = drain(client);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0][10], at.size() + 1);  // a new record number, or it would be a replay
    again[0][10] = hello[0][10];
    EXPECT_EQ(again, hello);
    at.push_back(now - kStart);
  }
  EXPECT_EQ(at, (std::vector<Duration>{100ms, 300ms, 700ms, 1500ms, 2500ms, 3500ms, 4500ms}));
}

TEST(Dtls, AssemblesAHelloFromFragmentsInAnyOrder) {
  const Datagram hello = client_hello();
  const std::size_t n = body_size(hello);
  using Cuts = std::vector<std::pair<std::size_t, std::size_t>>;
  const std::vector<std::pair<const char*, Cuts>> cases = {
      {"two", {{0, n / 2}, {n / 2, n}}},
      {"reordered", {{n / 2, n}, {0, n / 2}}},
      {"doubled", {{0, 50}, {0, 50}, {50, n}, {50, n}}},
      {"overlapping", {{0, 80}, {40, 110}, {100, n}}},
      {"an empty one between", {{0, 50}, {50, 50}, {50, n}}},
      {"many, backwards", {{100, n}, {70, 100}, {40, 70}, {0, 40}}},
  };
  for (const auto& [name, cuts] : cases) {
    Dtls server(server_identity().context, DtlsRole::Server, {});
    for (const Datagram& datagram : fragments(hello, cuts)) server.on_datagram(kStart, datagram);
    EXPECT_EQ(drain(server).size(), 1U) << name;
    EXPECT_EQ(server.state(), State::Handshaking) << name;
  }
  Dtls server(server_identity().context, DtlsRole::Server, {});
  for (const Datagram& d : fragments(hello, {{0, 50}, {60, n}})) server.on_datagram(kStart, d);
  EXPECT_TRUE(drain(server).empty()) << "a fragment is missing";
}

TEST(Dtls, FinishesWithAHelloAsLongAsTodaysBrowsersSendIt) {
  BareClient browser([](SSL_CTX* context) {
    SSL_CTX_set_tlsext_use_srtp(context, "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM");
    std::vector<std::uint8_t> protocols;  // stands for the key share of X25519MLKEM768
    for (int i = 0; i < 5; ++i) {
      protocols.push_back(240);
      protocols.insert(protocols.end(), 240, static_cast<std::uint8_t>('a' + i));
    }
    SSL_CTX_set_alpn_protos(context, protocols.data(), static_cast<unsigned>(protocols.size()));
  });
  Dtls server(server_identity().context, DtlsRole::Server,
              {client_identity().certificate.fingerprint()});
  browser.meet(server);
  EXPECT_EQ(server.state(), State::Connected);
  EXPECT_EQ(server.take_keys()->profile, SrtpProfile::AeadAes128Gcm);  // our order, not theirs
}

TEST(Dtls, AServerRefusesACertificateThatWasNotAnnounced) {
  DtlsPair pair({}, {}, {server_identity().certificate.fingerprint()});
  EXPECT_FALSE(pair.run(1s));
  EXPECT_EQ(pair.server.state(), State::Failed);
  EXPECT_EQ(pair.server.failure(), Failure::FingerprintMismatch);
  EXPECT_FALSE(pair.server.take_keys());
}

TEST(Dtls, AClientRefusesACertificateThatWasNotAnnounced) {
  DtlsPair pair({}, {}, {client_identity().certificate.fingerprint()},
                {client_identity().certificate.fingerprint()});
  EXPECT_FALSE(pair.run(1s));
  EXPECT_EQ(pair.client.state(), State::Failed);
  EXPECT_EQ(pair.client.failure(), Failure::FingerprintMismatch);
  EXPECT_FALSE(pair.client.take_keys());
  EXPECT_NE(pair.server.state(), State::Connected);  // it heard close_notify
}

TEST(Dtls, ComparesEveryKindOfFingerprintAndNeedsOneThatFits) {
  const auto digest = [](const EVP_MD* md) {
    std::vector<std::uint8_t> out(static_cast<std::size_t>(EVP_MD_get_size(md)));
    unsigned int size = 0;
    X509_digest(client_identity().certificate.x509(), md, out.data(), &size);
    return out;
  };
  const Fingerprint sha256{HashAlgorithm::Sha256, digest(EVP_sha256())};
  const Fingerprint sha384{HashAlgorithm::Sha384, digest(EVP_sha384())};
  const Fingerprint sha512{HashAlgorithm::Sha512, digest(EVP_sha512())};
  Fingerprint wrong = sha256;
  wrong.digest[31] ^= 1;
  const Fingerprint mislabelled{HashAlgorithm::Sha512, sha256.digest};
  Fingerprint prefix = sha256;
  prefix.digest.erase(prefix.digest.begin() + 16, prefix.digest.end());
  const Fingerprint empty{HashAlgorithm::Sha256, {}};

  const auto connects = [](std::vector<Fingerprint> expected) {
    DtlsPair pair({}, {}, std::move(expected));
    return pair.run(1s);
  };
  EXPECT_TRUE(connects({sha256}));
  EXPECT_TRUE(connects({sha384}));
  EXPECT_TRUE(connects({sha512}));
  EXPECT_TRUE(connects({wrong, sha384}));
  EXPECT_FALSE(connects({}));
  EXPECT_FALSE(connects({wrong}));
  EXPECT_FALSE(connects({mislabelled}));
  EXPECT_FALSE(connects({prefix}));
  EXPECT_FALSE(connects({empty}));
}

TEST(Dtls, RefusesAPeerWithoutSrtpOrWithoutOneOfOurProfiles) {
  for (const char* profiles : {"", "SRTP_AES128_CM_SHA1_32"}) {
    BareClient client([&](SSL_CTX* context) {
      if (*profiles != 0) SSL_CTX_set_tlsext_use_srtp(context, profiles);
    });
    Dtls server(server_identity().context, DtlsRole::Server,
                {client_identity().certificate.fingerprint()});
    client.meet(server);
    EXPECT_EQ(server.state(), State::Failed);
    EXPECT_EQ(server.failure(), Failure::NoSrtpProfile);
    EXPECT_FALSE(server.take_keys());
  }
}

TEST(Dtls, TakesEachOfTheThreeProfiles) {
  const std::vector<std::pair<const char*, SrtpProfile>> cases = {
      {"SRTP_AEAD_AES_128_GCM", SrtpProfile::AeadAes128Gcm},
      {"SRTP_AEAD_AES_256_GCM", SrtpProfile::AeadAes256Gcm},
      {"SRTP_AES128_CM_SHA1_80", SrtpProfile::AesCm128HmacSha1_80},
  };
  for (const auto& [name, profile] : cases) {
    BareClient client(
        [&, profiles = name](SSL_CTX* c) { SSL_CTX_set_tlsext_use_srtp(c, profiles); });
    Dtls server(server_identity().context, DtlsRole::Server,
                {client_identity().certificate.fingerprint()});
    client.meet(server);
    ASSERT_EQ(server.state(), State::Connected) << name;
    const auto keys = server.take_keys();
    EXPECT_EQ(keys->profile, profile);
    EXPECT_TRUE(SrtpSession::create(*keys));
  }
}

TEST(Dtls, RefusesOldVersionsAndWeakCiphersButNotTheNextClient) {
  const auto use_srtp = [](SSL_CTX* c) { SSL_CTX_set_tlsext_use_srtp(c, "SRTP_AEAD_AES_128_GCM"); };
  BareClient old([&](SSL_CTX* c) {
    use_srtp(c);
    SSL_CTX_set_min_proto_version(c, DTLS1_VERSION);
    SSL_CTX_set_max_proto_version(c, DTLS1_VERSION);
  });
  BareClient cbc([&](SSL_CTX* c) {
    use_srtp(c);
    SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0");
  });
  BareClient null_cipher([&](SSL_CTX* c) {
    use_srtp(c);
    SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0");
  });
  DtlsPair pair;
  for (BareClient* client : {&old, &cbc, &null_cipher}) {
    client->meet(pair.server);
    EXPECT_EQ(pair.server.state(), State::Handshaking);
    EXPECT_EQ(pair.server.failure(), Failure::DtlsFailed);  // what a deadline would report
  }
  EXPECT_TRUE(pair.run(2s));
  EXPECT_EQ(pair.server.failure(), Failure::None);
}

TEST(Dtls, GivesUpAfterManyFailedAttempts) {
  Dtls server(server_identity().context, DtlsRole::Server, {});
  for (int i = 0; i < Dtls::kMaxAttempts; ++i) {
    BareClient cbc(
        [](SSL_CTX* c) { SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"); });
    cbc.meet(server);
  }
  EXPECT_EQ(server.state(), State::Failed);
  EXPECT_EQ(server.failure(), Failure::DtlsFailed);
}

TEST(Dtls, OutlivesNoiseBeforeAndAfterTheHandshake) {
  DtlsPair pair;
  Datagram hello = client_hello();
  Datagram broken = hello;
  broken[59] = 0xFF;  // a session id longer than the hello
  Datagram half(hello.begin(), hello.begin() + static_cast<std::ptrdiff_t>(hello.size() / 2));
  const auto alert = test::hex("15 fefd 0000 000000000009 0002 0228");
  const auto future = test::hex("16 fefd 0002 000000000000 0004 00000000");
  const std::vector<Datagram> noise = {
      broken, half, alert, future, {22}, Datagram(1'500, 22), fragments(hello, {{0, 60}})[0]};
  for (const Datagram& datagram : noise) pair.server.on_datagram(pair.now, datagram);
  EXPECT_TRUE(drain(pair.server).empty());
  ASSERT_TRUE(pair.run(2s));

  drain(pair.server);
  pair.now += 1s;
  for (const Datagram& datagram : noise) pair.server.on_datagram(pair.now, datagram);
  pair.server.on_datagram(pair.now, hello);
  EXPECT_EQ(pair.server.state(), State::Connected);
  EXPECT_TRUE(drain(pair.server).empty());
}

TEST(Dtls, AForgedRecordNumberShutsNobodyOut) {
  DtlsPair pair;
  for (const char* number : {"000000000000", "000000000001", "ffffffffffff"}) {
    auto forged = test::hex(std::string("16 fefd 0000") + number + "0010");
    const auto fragment = test::hex("01 000100 0000 000000 000004 fefd0000");
    forged.insert(forged.end(), fragment.begin(), fragment.end());
    pair.server.on_datagram(pair.now, forged);
  }
  EXPECT_TRUE(pair.run(1s));
}

TEST(Dtls, AnswersANewHelloWhenNobodyGoesOnWithTheOneBefore) {
  DtlsPair pair;
  pair.server.on_datagram(pair.now, client_hello());
  EXPECT_EQ(drain(pair.server).size(), 1U);
  pair.server.on_datagram(pair.now + 100ms, client_hello());  // too soon
  EXPECT_TRUE(drain(pair.server).empty());
  pair.now += 600ms;
  EXPECT_TRUE(pair.run(1s));
}

TEST(Dtls, SaysItsLastFlightAgainWhenTheClientDoes) {
  DtlsPair pair;
  pair.down.set_loss(0);
  pair.client.start(pair.now);
  pair.flush();
  while (pair.server.state() != State::Connected) {
    pair.step();
    if (pair.server.state() == State::Connected) pair.down.set_loss(1);
  }
  // The client's timer brings its Finished again, and the server's answer follows at once.
  pair.down = test::LossyLink({});
  EXPECT_EQ(pair.client.state(), State::Handshaking);
  EXPECT_TRUE(pair.run(1s));
}

TEST(Dtls, HoldsAllItsLimits) {
  Dtls server(server_identity().context, DtlsRole::Server, {});
  const Datagram hello = client_hello();
  const auto half = fragments(hello, {{0, 50}})[0];
  for (std::size_t i = 0; i < Dtls::kMaxHandshakeDatagrams; ++i) server.on_datagram(kStart, half);
  EXPECT_EQ(server.dropped(), 0U);
  server.on_datagram(kStart, hello);
  EXPECT_EQ(server.dropped(), 1U);
  EXPECT_TRUE(drain(server).empty());

  Dtls other(server_identity().context, DtlsRole::Server, {});
  Datagram early = test::hex("16 fefd 0001 000000000000 0028");
  early.resize(early.size() + 0x28);
  for (std::size_t i = 0; i < Dtls::kMaxEarlyRecords + 10; ++i) {
    early[10] = static_cast<std::uint8_t>(i);
    other.on_datagram(kStart, early);
  }
  EXPECT_EQ(other.dropped(), 10U);
  other.on_datagram(kStart, Datagram(Dtls::kMaxDatagram + 1, 22));
  EXPECT_EQ(other.dropped(), 11U);
  EXPECT_EQ(other.state(), State::Handshaking);
}

TEST(Dtls, RefusesEveryTruncationOfAHello) {
  const Datagram hello = client_hello();
  for (std::size_t size = 0; size < hello.size(); ++size) {
    Dtls server(server_identity().context, DtlsRole::Server, {});
    server.on_datagram(kStart, ConstBytes(hello).first(size));
    EXPECT_TRUE(drain(server).empty()) << size;
    EXPECT_EQ(server.state(), State::Handshaking);
  }
}

TEST(Dtls, HearsCloseNotifyUntilItIsReleased) {
  DtlsPair pair;
  ASSERT_TRUE(pair.run(1s));
  pair.client.close();
  EXPECT_EQ(pair.client.state(), State::Closed);
  pair.flush();
  pair.step();
  pair.step();
  EXPECT_EQ(pair.server.state(), State::Closed);

  DtlsPair released;
  ASSERT_TRUE(released.run(1s));
  released.server.release();
  EXPECT_TRUE(released.server.released());
  released.client.close();
  released.flush();
  released.step();
  released.step();
  EXPECT_EQ(released.server.state(), State::Connected);
}

TEST(Dtls, AnUnfinishedHandshakeCannotBeReleased) {
  Dtls server(server_identity().context, DtlsRole::Server, {});
  server.release();
  EXPECT_FALSE(server.released());
}

TEST(Dtls, ReleaseGivesTheMemoryBack) {
  constexpr std::size_t kPeers = 30;
  std::vector<std::unique_ptr<DtlsPair>> pairs;
  for (std::size_t i = 0; i < kPeers; ++i) {
    pairs.push_back(std::make_unique<DtlsPair>());
    ASSERT_TRUE(pairs.back()->run(1s));
  }
  const std::size_t before = heap_bytes();
  for (auto& pair : pairs) pair->server.release();
  const std::size_t after = heap_bytes();
  EXPECT_GE(before, after + kPeers * 40'000);
  RecordProperty("released_bytes_per_peer", static_cast<int>((before - after) / kPeers));
}

}  // namespace
}  // namespace parley::server
