#include "config/load.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "config/section.h"

namespace parley::config {
namespace {

constexpr std::size_t kMinSecretBytes = 32;

constexpr std::uint64_t kMaxMs = 86'400'000;
constexpr std::uint64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();

void read_log(Section& s, Log& log) {
  s.choice<LogLevel>("level", log.level,
                     {{"debug", LogLevel::Debug},
                      {"info", LogLevel::Info},
                      {"warn", LogLevel::Warn},
                      {"error", LogLevel::Error}})
      .choice<LogFormat>("format", log.format,
                         {{"text", LogFormat::Text}, {"json", LogFormat::Json}})
      .number("queue_lines", log.queue_lines, 64, 1'048'576);
}

void read_tls(Section& s, Tls& tls) {
  s.text("certificate_file", tls.certificate_file).text("key_file", tls.key_file);
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    fail(s.node(), s.name(tls.key_file.empty() ? "key_file" : "certificate_file"),
         "missing: TLS needs both certificate_file and key_file");
  }
}

void read_control(Section& s, Control& control) {
  s.texts("listen", control.listen)
      .text("socket_file", control.socket_file)
      .section("tls", [&](Section& child) { read_tls(child, control.tls); })
      .flag("allow_plain_public", control.allow_plain_public)
      .text("public_url", control.public_url)
      .number("max_connections", control.max_connections, 1, 1'000'000)
      .number("max_connections_per_address", control.max_connections_per_address, 1, 1'000'000)
      .number("max_message_bytes", control.max_message_bytes, 4'096, 16'777'216)
      .number("max_inflight", control.max_inflight, 1, 65'536)
      .number("max_send_queue_bytes", control.max_send_queue_bytes, 65'536, 1'073'741'824)
      .number("handshake_timeout_ms", control.handshake_timeout_ms, 10, kMaxMs)
      .number("ping_interval_ms", control.ping_interval_ms, 10, kMaxMs)
      .number("heartbeat_interval_ms", control.heartbeat_interval_ms, 10, kMaxMs)
      .number("consumer_lag_ms", control.consumer_lag_ms, 10, kMaxMs)
      .number("idle_timeout_ms", control.idle_timeout_ms, 20, kMaxMs)
      .texts("cors_origins", control.cors_origins)
      .flag("demo_page", control.demo_page);
  if (control.listen.empty()) {
    fail(s.at("listen"), s.name("listen"), "empty: parley would have no way in");
  }
  if (control.idle_timeout_ms <= control.ping_interval_ms) {
    fail(s.at("idle_timeout_ms"), s.name("idle_timeout_ms"),
         "must be longer than ping_interval_ms, or every quiet connection is cut");
  }
}

// One secret a line; for EdDSA the PEM blocks of public keys.
std::vector<std::string> split_secrets(const std::string& text, KeyAlgorithm algorithm) {
  std::vector<std::string> secrets;
  const bool pem = algorithm == KeyAlgorithm::EdDsa;
  const std::string_view stop = pem ? "-----END PUBLIC KEY-----" : "\n";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t found = text.find(stop, at);
    const std::size_t end =
        found == std::string::npos ? text.size() : found + (pem ? stop.size() : 0);
    std::string one = text.substr(at, end - at);
    std::erase(one, '\r');
    const std::size_t first = one.find_first_not_of("\n ");
    if (first != std::string::npos) secrets.push_back(one.substr(first));
    at = end + 1;
  }
  return secrets;
}

std::string read_secrets_file(const YAML::Node& at, const std::string& key,
                              const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(at, key, "cannot read " + path);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.size() > kMaxFileBytes) fail(at, key, path + " is larger than 1 MiB");
  return text;
}

void read_api_key(Section& s, ApiKey& key) {
  std::string file;
  std::string env;
  s.text("id", key.id)
      .choice<KeyAlgorithm>("algorithm", key.algorithm,
                            {{"HS256", KeyAlgorithm::Hs256}, {"EdDSA", KeyAlgorithm::EdDsa}})
      .texts("secrets", key.secrets)
      .text("secrets_file", file)
      .text("secrets_env", env)
      .choice<KeyRole>("role", key.role,
                       {{"admin", KeyRole::Admin},
                        {"operator", KeyRole::Operator},
                        {"tenant", KeyRole::Tenant},
                        {"observer", KeyRole::Observer}})
      .texts("tenants", key.tenants)
      .texts("methods", key.methods)
      .texts("cidrs", key.cidrs)
      .number("reads_per_s", key.reads_per_s, 0, 1'000'000)
      .number("writes_per_s", key.writes_per_s, 0, 1'000'000);
  if (key.id.empty()) fail(s.node(), s.name("id"), "missing: an API key needs an id");
  const int sources =
      (key.secrets.empty() ? 0 : 1) + (file.empty() ? 0 : 1) + (env.empty() ? 0 : 1);
  if (sources != 1) {
    fail(s.node(), s.name("secrets"), "give exactly one of secrets, secrets_file and secrets_env");
  }
  if (!file.empty()) {
    const YAML::Node at = s.at("secrets_file");
    key.secrets = split_secrets(read_secrets_file(at, s.name("secrets_file"), file), key.algorithm);
  }
  if (!env.empty()) {
    const char* value = std::getenv(env.c_str());
    if (value == nullptr) fail(s.at("secrets_env"), s.name("secrets_env"), env + " is not set");
    key.secrets = split_secrets(value, key.algorithm);
  }
  if (key.secrets.empty() || key.secrets.size() > 2) {
    fail(s.node(), s.name("secrets"), "one or two are allowed, the current and the next");
  }
  const bool weak = std::any_of(key.secrets.begin(), key.secrets.end(), [](const std::string& one) {
    return one.size() < kMinSecretBytes;
  });
  if (weak) {
    fail(s.node(), s.name("secrets"), "shorter than 32 bytes; make one with: openssl rand -hex 32");
  }
}

void read_auth(Section& s, Auth& auth) {
  s.number("reads_per_s", auth.reads_per_s, 0, 1'000'000)
      .number("writes_per_s", auth.writes_per_s, 0, 1'000'000);
  s.sections("api_keys",
             [&](Section& child) {
               ApiKey key;
               key.reads_per_s = auth.reads_per_s;
               key.writes_per_s = auth.writes_per_s;
               read_api_key(child, key);
               const bool taken =
                   std::any_of(auth.api_keys.begin(), auth.api_keys.end(),
                               [&](const ApiKey& other) { return other.id == key.id; });
               if (taken)
                 fail(child.at("id"), child.name("id"), "\"" + key.id + "\" is taken already");
               auth.api_keys.push_back(std::move(key));
             })
      .number("max_key_token_ttl_s", auth.max_key_token_ttl_s, 1, 86'400)
      .number("max_join_token_ttl_s", auth.max_join_token_ttl_s, 1, kMaxU32)
      .number("leeway_s", auth.leeway_s, 0, 300);
}

void read_ice_tcp(Section& s, IceTcp& tcp) {
  s.flag("enabled", tcp.enabled)
      .number("max_connections", tcp.max_connections, 1, 1'000'000)
      .number("max_connections_per_address", tcp.max_connections_per_address, 1, 1'000'000)
      .number("max_accepts_per_s", tcp.max_accepts_per_s, 1, 1'000'000)
      .number("check_timeout_ms", tcp.check_timeout_ms, 100, 60'000)
      .number("max_queue_bytes", tcp.max_queue_bytes, 32'768, 16'777'216);
}

void read_ice(Section& s, Ice& ice) {
  s.number("port_base", ice.port_base, 1, 65'535)
      .texts("bind", ice.bind)
      .texts("announced_addresses", ice.announced_addresses)
      .number("consent_timeout_ms", ice.consent_timeout_ms, 100, kMaxMs)
      .number("away_after_ms", ice.away_after_ms, 100, kMaxMs)
      .number("connect_timeout_ms", ice.connect_timeout_ms, 100, kMaxMs)
      .number("max_addresses_per_peer", ice.max_addresses_per_peer, 1, 64)
      .section("tcp", [&](Section& child) { read_ice_tcp(child, ice.tcp); });
  if (ice.bind.empty()) fail(s.at("bind"), s.name("bind"), "empty: media could not come in");
}

// A secret from the file itself, from `KEY_file` or from `KEY_env`; empty when none is named.
// Blanks and line ends around it are not part of it.
std::string read_secret(Section& s, const std::string& key) {
  std::string value;
  std::string file;
  std::string env;
  s.text(key.c_str(), value).text((key + "_file").c_str(), file).text((key + "_env").c_str(), env);
  if ((value.empty() ? 0 : 1) + (file.empty() ? 0 : 1) + (env.empty() ? 0 : 1) > 1) {
    fail(s.node(), s.name(key),
         "give only one of " + key + ", " + key + "_file and " + key + "_env");
  }
  if (!file.empty()) {
    value = read_secrets_file(s.at(key + "_file"), s.name(key + "_file"), file);
  } else if (!env.empty()) {
    const char* set = std::getenv(env.c_str());
    if (set == nullptr) fail(s.at(key + "_env"), s.name(key + "_env"), env + " is not set");
    value = set;
  }
  constexpr std::string_view kBlanks = " \r\n\t";
  const std::size_t first = value.find_first_not_of(kBlanks);
  const bool named = !file.empty() || !env.empty();
  if (first == std::string::npos) {
    if (named) fail(s.node(), s.name(key), (file.empty() ? env : file) + " is empty");
    return {};
  }
  return value.substr(first, value.find_last_not_of(kBlanks) + 1 - first);
}

// RFC 7064 and RFC 7065. Browsers refuse all servers for one URL that they cannot read.
void check_ice_url(const Section& s, const std::string& url) {
  const std::size_t colon = url.find(':');
  const std::string scheme = url.substr(0, colon);
  const bool known = scheme == "stun" || scheme == "stuns" || scheme == "turn" || scheme == "turns";
  const bool odd = std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c == '/'; });
  if (!known || colon + 1 >= url.size() || odd) {
    fail(s.at("urls"), s.name("urls"),
         "\"" + url + "\" is none as stun:host:port, turn:host:port?transport=tcp or turns:host");
  }
}

void read_ice_server(Section& s, IceServer& server) {
  constexpr std::uint32_t kMinTtlMs = 10'000;
  s.texts("urls", server.urls).text("username", server.username).duration("ttl", server.ttl_ms);
  server.secret = read_secret(s, "secret");
  server.credential = read_secret(s, "credential");
  if (server.urls.empty()) fail(s.node(), s.name("urls"), "missing: a server needs one at least");
  for (const std::string& url : server.urls) check_ice_url(s, url);
  const bool turns = std::any_of(server.urls.begin(), server.urls.end(),
                                 [](const std::string& url) { return url[0] == 't'; });
  if (server.username.empty() != server.credential.empty()) {
    fail(s.node(), s.name("username"), "username and credential come together");
  }
  if (turns == (server.secret.empty() && server.username.empty()) ||
      (!server.secret.empty() && !server.username.empty())) {
    fail(s.node(), s.name("secret"),
         "a server of TURN needs either a secret or username and credential, one of STUN nothing");
  }
  if (server.ttl_ms < kMinTtlMs) fail(s.at("ttl"), s.name("ttl"), "shorter than 10s");
}

void read_media(Section& s, Media& media) {
  s.number("pool_packets", media.pool_packets, 1'024, 16'777'216)
      .number("history_packets", media.history_packets, 16, 16'384)
      .number("key_frame_interval_ms", media.key_frame_interval_ms, 20, 60'000)
      .number("feedback_interval_ms", media.feedback_interval_ms, 10, 1'000)
      .number("max_ssrcs_per_peer", media.max_ssrcs_per_peer, 2, 1'024)
      .number("max_tracks_per_peer", media.max_tracks_per_peer, 1, 64)
      .number("max_slots_per_peer", media.max_slots_per_peer, 1, 64)
      .number("max_publish_bitrate_kbps", media.max_publish_bitrate_kbps, 0, 1'000'000);
}

void read_chat(Section& s, Chat& chat) {
  s.number("max_message_bytes", chat.max_message_bytes, 1, 16'384)
      .number("keep_per_room", chat.keep_per_room, 1, 100'000)
      .number("max_messages", chat.max_messages, 1, 10'000'000)
      .number("keep_days", chat.keep_days, 0, 36'500);
}

void read_rooms(Section& s, Rooms& rooms) {
  s.number("max_rooms", rooms.max_rooms, 1, 10'000'000)
      .number("max_participants", rooms.max_participants, 1, 10'000)
      .number("empty_timeout_s", rooms.empty_timeout_s, 0, kMaxU32)
      .number("departure_timeout_s", rooms.departure_timeout_s, 0, kMaxU32)
      .number("reconnect_window_s", rooms.reconnect_window_s, 0, 3'600)
      .number("roster_limit", rooms.roster_limit, 20, 10'000)
      .number("last_n", rooms.last_n, 0, 1'000)
      .number("loudest", rooms.loudest, 0, 1'000)
      .texts("codecs", rooms.codecs)
      .flag("enable_chat", rooms.enable_chat)
      .flag("enable_data", rooms.enable_data);
}

void read_upload(Section& s, Upload& upload) {
  s.text("endpoint", upload.endpoint)
      .text("region", upload.region)
      .text("bucket", upload.bucket)
      .text("prefix", upload.prefix)
      .flag("virtual_host", upload.virtual_host)
      .flag("keep_local", upload.keep_local)
      .number("at_once", upload.at_once, 1, 64)
      .number("part_bytes", upload.part_bytes, 5'242'880, 1'073'741'824)
      .number("timeout_ms", upload.timeout_ms, 1'000, 3'600'000)
      .number("retry_after_ms", upload.retry_after_ms, 100, 600'000)
      .number("max_kbps", upload.max_kbps, 0, 100'000'000)
      .text("encryption", upload.encryption)
      .text("kms_key_id", upload.kms_key_id)
      .text("storage_class", upload.storage_class)
      .text("ca_file", upload.ca_file)
      .text("program", upload.program);
  upload.access_key_id = read_secret(s, "access_key_id");
  upload.secret_access_key = read_secret(s, "secret_access_key");
  if (!upload.enabled()) return;
  if (upload.bucket.empty()) fail(s.node(), s.name("bucket"), "missing: where to put recordings");
  if (upload.access_key_id.empty() || upload.secret_access_key.empty()) {
    fail(s.node(), s.name("access_key_id"),
         "missing: access_key_id and secret_access_key, each also with _file or _env");
  }
  const bool odd = std::any_of(upload.prefix.begin(), upload.prefix.end(), [](char c) {
    return c <= ' ' || c > '~' || c == '?' || c == '#' || c == '%';
  });
  if (odd || upload.prefix.starts_with('/')) {
    fail(s.at("prefix"), s.name("prefix"), "letters, digits and - _ . /, not beginning with /");
  }
  if (!upload.encryption.empty() && upload.encryption != "AES256" &&
      upload.encryption != "aws:kms") {
    fail(s.at("encryption"), s.name("encryption"), "AES256, aws:kms or nothing");
  }
}

void read_recording(Section& s, Recording& recording) {
  s.flag("enabled", recording.enabled)
      .text("directory", recording.directory)
      .text("encryption_key_file", recording.encryption_key_file)
      .number("tap_bytes", recording.tap_bytes, 65'536, 1'073'741'824)
      .number("queue_bytes", recording.queue_bytes, 1'048'576, 2'147'483'648)
      .number("sync_interval_ms", recording.sync_interval_ms, 10, 600'000)
      .number("min_free_bytes", recording.min_free_bytes, 0, std::uint64_t{1} << 60)
      .number("key_frames_every_s", recording.key_frames_every_s, 0, 3'600)
      .number("max_link_ttl_s", recording.max_link_ttl_s, 1, kMaxU32)
      .number("compose_at_once", recording.compose_at_once, 1, 64)
      .number("compose_live_at_once", recording.compose_live_at_once, 1, 64)
      .text("compose_program", recording.compose_program)
      .number("keep_days", recording.keep_days, 0, 36'500)
      .section("upload", [&](Section& u) { read_upload(u, recording.upload); });
}

void read_srtp(Section& s, Srtp& srtp) {
  s.choice<SrtpEngine>("engine", srtp.engine,
                       {{"auto", SrtpEngine::Auto},
                        {"ipsec_mb", SrtpEngine::IpsecMb},
                        {"openssl", SrtpEngine::OpenSsl},
                        {"libsrtp", SrtpEngine::LibSrtp}});
}

void read_store(Section& s, Store& store) {
  s.text("file", store.file)
      .number("event_retention_bytes", store.event_retention_bytes, 1'048'576,
              std::uint64_t{1} << 50)
      .number("event_retention_s", store.event_retention_s, 1, kMaxU32);
}

Config read_config(const YAML::Node& root) {
  Config config;
  Section s(root, "");
  s.section("log", [&](Section& c) { read_log(c, config.log); })
      .section("control", [&](Section& c) { read_control(c, config.control); })
      .section("auth", [&](Section& c) { read_auth(c, config.auth); })
      .section("workers",
               [&](Section& c) {
                 c.number("count", config.workers.count, 0, 1'024)
                     .number("max_room_peers", config.workers.max_room_peers, 1, 100'000);
               })
      .section("ice", [&](Section& c) { read_ice(c, config.ice); })
      .sections("ice_servers",
                [&](Section& c) { read_ice_server(c, config.ice_servers.emplace_back()); })
      .section("srtp", [&](Section& c) { read_srtp(c, config.srtp); })
      .section("ingress", [&](Section& c) { c.flag("merging", config.ingress.merging); })
      .section("egress",
               [&](Section& c) {
                 c.flag("segmentation", config.egress.segmentation)
                     .number("max_padding_bytes", config.egress.max_padding_bytes, 0, 4)
                     .number("coalesce_ms", config.egress.coalesce_ms, 0, 5);
               })
      .section("media", [&](Section& c) { read_media(c, config.media); })
      .section("rooms", [&](Section& c) { read_rooms(c, config.rooms); })
      .section("chat", [&](Section& c) { read_chat(c, config.chat); })
      .section("recording", [&](Section& c) { read_recording(c, config.recording); })
      .section("store", [&](Section& c) { read_store(c, config.store); })
      .durations("timers", config.timers);
  s.finish();
  if (config.ice.port_base + std::max(config.workers.count, 1U) > 65'536) {
    fail(root, "ice.port_base", "too high: each of the workers needs a port of its own");
  }
  return config;
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return text;
}

std::string at_mark(std::string_view name, const YAML::Mark& mark, const std::string& what) {
  // yaml-cpp counts from 0 and says -1 where it does not know.
  return std::string(name) + ":" + std::to_string(std::max(0, mark.line) + 1) + ":" +
         std::to_string(std::max(0, mark.column) + 1) + ": " + one_line(what);
}

// Notes where documents begin and looks at nothing in them.
class DocumentStarts final : public YAML::EventHandler {
 public:
  std::vector<YAML::Mark> marks;

  void OnDocumentStart(const YAML::Mark& mark) override { marks.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// yaml-cpp finds documents without end in a text that begins with a comma, so it is never asked for
// all of them.
std::optional<YAML::Mark> second_document(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStarts starts;
  if (parser.HandleNextDocument(starts)) parser.HandleNextDocument(starts);
  if (starts.marks.size() < 2) return std::nullopt;
  return starts.marks[1];
}

}  // namespace

tl::expected<Config, std::string> load_text(std::string_view text, std::string_view name) {
  if (text.size() > kMaxFileBytes) {
    return tl::unexpected(std::string(name) + ": larger than 1 MiB");
  }
  try {
    const std::string copy(text);
    if (const auto second = second_document(copy)) {
      throw Mistake{*second, "document: only one document is allowed in a file"};
    }
    const YAML::Node document = YAML::Load(copy);
    return document.IsNull() ? Config{} : read_config(document);
  } catch (const Mistake& mistake) {
    return tl::unexpected(at_mark(name, mistake.mark, mistake.text));
  } catch (const YAML::Exception& error) {
    return tl::unexpected(at_mark(name, error.mark, "syntax: " + error.msg));
  }
}

tl::expected<Config, std::string> load_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return tl::unexpected(path + ": cannot be read");
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof())) return tl::unexpected(path + ": cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return load_text(text, path);
}

}  // namespace parley::config
