#include "config/load.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace parley::config {
namespace {

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string error_of(std::string_view text) {
  const auto config = load_text(text, "p.yaml");
  return config ? "(accepted)" : config.error();
}

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

TEST(Load, AnEmptyTextGivesTheDefaults) {
  EXPECT_EQ(load_text("", "p.yaml").value(), Config{});
  EXPECT_EQ(load_text("# only a comment\n", "p.yaml").value(), Config{});
  EXPECT_EQ(load_text("log:\nrooms:\n", "p.yaml").value(), Config{});
}

TEST(Load, TheDocumentedFileHoldsExactlyTheDefaults) {
  const auto config = load_file(PARLEY_SOURCE_DIR "/config/parley.yaml");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(*config, Config{});
}

TEST(Load, AStoreNeedsABucketAndAKey) {
  const std::string store = "recording:\n  upload: {endpoint: 'http://127.0.0.1:9000', ";
  const auto config = load_text(
      store + "bucket: calls, access_key_id: a, secret_access_key: b, prefix: 'x/'}\n", "p.yaml");
  ASSERT_TRUE(config) << config.error();
  EXPECT_TRUE(config->recording.upload.enabled());
  EXPECT_FALSE(Config{}.recording.upload.enabled());
  const auto refused = [&](const std::string& rest) { return error_of(store + rest + "}\n"); };
  EXPECT_EQ(refused("region: eu-1"),
            "p.yaml:2:11: recording.upload.bucket: missing: where to put recordings");
  EXPECT_EQ(refused("bucket: calls, access_key_id: a"),
            "p.yaml:2:11: recording.upload.access_key_id: missing: access_key_id and "
            "secret_access_key, each also with _file or _env");
  const std::string whole = "bucket: calls, access_key_id: a, secret_access_key: b, ";
  for (const char* wrong : {"prefix: /x", "prefix: 'a?b'", "encryption: AES128", "part_bytes: 1000",
                            "retry_after_ms: 10"}) {
    EXPECT_NE(refused(whole + wrong), "(accepted)") << wrong;
  }
}

TEST(Load, ReadsEveryKindOfValue) {
  const auto config = load_text(
      "log: {level: debug, format: json}\n"
      "control:\n  listen: ['0.0.0.0:80']\n  demo_page: false\n"
      "ice:\n  port_base: 50000\n  announced_addresses: [203.0.113.7]\n"
      "recording:\n  min_free_bytes: 5000000000\n",
      "p.yaml");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->log.level, LogLevel::Debug);
  EXPECT_EQ(config->log.format, LogFormat::Json);
  EXPECT_EQ(config->control.listen, std::vector<std::string>{"0.0.0.0:80"});
  EXPECT_FALSE(config->control.demo_page);
  EXPECT_EQ(config->ice.port_base, 50'000);
  EXPECT_EQ(config->ice.announced_addresses, std::vector<std::string>{"203.0.113.7"});
  EXPECT_EQ(config->recording.min_free_bytes, 5'000'000'000U);
}

struct Refusal {
  const char* text;
  const char* error;
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithTheKeyTheLineAndTheReason) {
  EXPECT_EQ(error_of(GetParam().text), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Load, Refused,
    testing::Values(
        Refusal{"lgo:\n  level: info\n",
                "p.yaml:1:1: lgo: unknown key; known here: auth, chat, control, egress, ice, "
                "ice_servers, ingress, log, media, recording, rooms, srtp, store, timers, workers"},
        Refusal{"log:\n  levle: info\n",
                "p.yaml:2:3: log.levle: unknown key; known here: format, level, queue_lines"},
        Refusal{"workers:\n  count: 2\n  count: 3\n", "p.yaml:3:3: workers.count: given twice"},
        Refusal{"workers:\n  count: many\n",
                "p.yaml:2:10: workers.count: expected a whole number, found \"many\""},
        Refusal{"workers:\n  count: \"2\"\n",
                "p.yaml:2:10: workers.count: expected a whole number, found \"2\""},
        Refusal{"workers:\n  count: 2.5\n",
                "p.yaml:2:10: workers.count: expected a whole number, found \"2.5\""},
        Refusal{"workers:\n  count: -1\n",
                "p.yaml:2:10: workers.count: expected a whole number, found \"-1\""},
        Refusal{"workers:\n  count: [1]\n",
                "p.yaml:2:10: workers.count: expected a whole number, found a list"},
        Refusal{"ice:\n  port_base: 65536\n",
                "p.yaml:2:14: ice.port_base: 65536 is out of range, 1 to 65535 are allowed"},
        Refusal{"ice:\n  port_base: 99999999999999999999\n",
                "p.yaml:2:14: ice.port_base: 99999999999999999999 is out of range, 1 to 65535 are "
                "allowed"},
        Refusal{"control:\n  demo_page: yes\n",
                "p.yaml:2:14: control.demo_page: expected true or false, found \"yes\""},
        Refusal{"control:\n  listen: 127.0.0.1:80\n",
                "p.yaml:2:11: control.listen: expected a list, found \"127.0.0.1:80\""},
        Refusal{"control:\n  listen: []\n",
                "p.yaml:2:11: control.listen: empty: parley would have no way in"},
        Refusal{"log:\n  level: loud\n",
                "p.yaml:2:10: log.level: \"loud\" is none of debug, info, warn, error"},
        Refusal{"log: 5\n", "p.yaml:1:6: log: expected a section, found \"5\""},
        Refusal{"auth:\n  api_keys:\n    - id: a\n",
                "p.yaml:3:7: auth.api_keys[0].secrets: give exactly one of secrets, secrets_file "
                "and secrets_env"},
        Refusal{"auth:\n  api_keys:\n    - {id: a, secrets: [short]}\n",
                "p.yaml:3:7: auth.api_keys[0].secrets: shorter than 32 bytes; make one with: "
                "openssl rand -hex 32"},
        Refusal{"control:\n  tls: {certificate_file: a.pem}\n",
                "p.yaml:2:8: control.tls.key_file: missing: TLS needs both certificate_file and "
                "key_file"},
        Refusal{"a: 1\n---\nb: 2\n",
                "p.yaml:2:1: document: only one document is allowed in a file"},
        // In this yaml-cpp sees documents without end.
        Refusal{",o)", "p.yaml:1:1: document: only one document is allowed in a file"}));

TEST(Load, NamesTheLineOfASyntaxError) {
  EXPECT_EQ(error_of("log:\n  level: [\n").rfind("p.yaml:", 0), 0U);
  EXPECT_NE(error_of("log:\n  level: [\n").find("syntax:"), std::string::npos);
}

TEST(Load, RefusesWorkersWhosePortsWouldPassTheLast) {
  EXPECT_NE(error_of("workers: {count: 100}\nice: {port_base: 65500}\n").find("ice.port_base"),
            std::string::npos);
}

TEST(Load, RefusesTwoKeysOfOneName) {
  const std::string text = std::string("auth:\n  api_keys:\n    - {id: a, secrets: [") + kSecret +
                           "]}\n    - {id: a, secrets: [" + kSecret + "]}\n";
  EXPECT_NE(error_of(text).find("\"a\" is taken already"), std::string::npos);
}

TEST(Load, TakesSecretsFromAFileOrTheEnvironment) {
  const auto file = std::filesystem::temp_directory_path() / "parley_load_test.secret";
  std::ofstream(file) << kSecret << "\n" << kSecret << "next\n";
  ::setenv("PARLEY_LOAD_TEST", kSecret, 1);
  const auto config = load_text("auth:\n  api_keys:\n    - {id: f, secrets_file: " + file.string() +
                                    "}\n    - {id: e, secrets_env: PARLEY_LOAD_TEST}\n",
                                "p.yaml");
  std::filesystem::remove(file);
  ASSERT_TRUE(config) << config.error();
  ASSERT_EQ(config->auth.api_keys[0].secrets.size(), 2U);
  EXPECT_EQ(config->auth.api_keys[0].secrets[1], std::string(kSecret) + "next");
  EXPECT_EQ(config->auth.api_keys[1].secrets, std::vector<std::string>{kSecret});
}

TEST(Load, ReadsIceServersWithSecretsFromAnywhere) {
  const auto file = std::filesystem::temp_directory_path() / "parley_load_test.turn";
  std::ofstream(file) << "shared with coturn\n";
  ::setenv("PARLEY_LOAD_TEST_TURN", "the same", 1);
  const auto config = load_text(
      "ice_servers:\n"
      "  - {urls: [\"turn:a.example.org\"], secret_file: " +
          file.string() +
          ", ttl: 2h}\n"
          "  - {urls: [\"turns:b.example.org:443?transport=tcp\"], username: u,"
          " credential_env: PARLEY_LOAD_TEST_TURN}\n"
          "  - {urls: [\"stun:c.example.org\", \"stun:[2001:db8::1]:3478\"]}\n"
          "  - {urls: [\"turn:d.example.org\"], secret: s}\n",
      "p.yaml");
  std::filesystem::remove(file);
  ASSERT_TRUE(config) << config.error();
  const auto& servers = config->ice_servers;
  ASSERT_EQ(servers.size(), 4U);
  EXPECT_EQ(servers[0].secret, "shared with coturn");
  EXPECT_EQ(servers[0].ttl_ms, 7'200'000U);
  EXPECT_EQ(servers[1].username, "u");
  EXPECT_EQ(servers[1].credential, "the same");
  EXPECT_EQ(servers[2].urls.size(), 2U);
  EXPECT_EQ(servers[3].secret, "s");
  EXPECT_EQ(servers[3].ttl_ms, 3'600'000U);
}

TEST(Load, RefusesIceServersThatNoBrowserWouldTake) {
  const auto refused = [](const std::string& server, std::string_view why) {
    const std::string error = error_of("ice_servers:\n  - " + server + "\n");
    EXPECT_NE(error.find(why), std::string::npos) << server << ": " << error;
    EXPECT_EQ(error.find("hush"), std::string::npos) << "a mistake must not tell the secret";
  };
  refused("{secret: hush}", "ice_servers[0].urls: missing");
  refused("{urls: [\"http://x\"]}", "ice_servers[0].urls: \"http://x\" is none as stun:host");
  refused("{urls: [\"turn:\"], secret: hush}", "ice_servers[0].urls");
  refused("{urls: [\"turn://x\"], secret: hush}", "ice_servers[0].urls");
  refused("{urls: [\"turn:x\"]}", "ice_servers[0].secret: a server of TURN needs");
  refused("{urls: [\"stun:x\"], secret: hush}", "ice_servers[0].secret: a server of TURN needs");
  refused("{urls: [\"turn:x\"], secret: hush, username: u, credential: hush}",
          "ice_servers[0].secret: a server of TURN needs");
  refused("{urls: [\"turn:x\"], username: u}", "username and credential come together");
  refused("{urls: [\"turn:x\"], secret: hush, secret_env: HOME}", "give only one of secret");
  refused("{urls: [\"turn:x\"], secret_env: PARLEY_UNSET}", "PARLEY_UNSET is not set");
  refused("{urls: [\"turn:x\"], secret_file: /nowhere}", "cannot read /nowhere");
  refused("{urls: [\"turn:x\"], secret_file: /dev/null}", "/dev/null");
  refused("{urls: [\"turn:x\"], secret: hush, ttl: 5s}", "ice_servers[0].ttl: shorter than 10s");
  refused("{urls: [\"turn:x\"], secret: hush, ttl: 60}", "expected a duration as 500ms");
}

TEST(Load, SurvivesEveryTruncationOfTheDocumentedFile) {
  const std::string text = read(PARLEY_SOURCE_DIR "/config/parley.yaml");
  for (std::size_t size = 0; size < text.size(); size += 3) {
    static_cast<void>(load_text(text.substr(0, size), "p.yaml"));
  }
}

TEST(Load, RefusesDeepNestingAndHugeFiles) {
  EXPECT_NE(error_of(std::string(100'000, '[')), "(accepted)");
  EXPECT_NE(error_of(std::string(kMaxFileBytes + 1, '#')), "(accepted)");
  EXPECT_EQ(load_file("/does/not/exist").error(), "/does/not/exist: cannot be read");
}

}  // namespace
}  // namespace parley::config
