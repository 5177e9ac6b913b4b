#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

// Every knob of parley with its default and its unit in the name. Plain data: load.h fills it from
// YAML, and an empty file gives exactly these values. Each struct is one section of the file.
namespace parley::config {

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Text, Json };
enum class KeyRole : std::uint8_t { Admin, Operator, Tenant, Observer };
enum class KeyAlgorithm : std::uint8_t { Hs256, EdDsa };
enum class SrtpEngine : std::uint8_t { Auto, IpsecMb, OpenSsl, LibSrtp };

struct Log {
  LogLevel level = LogLevel::Info;
  LogFormat format = LogFormat::Text;
  std::uint32_t queue_lines = 8'192;  // more are dropped and counted
  friend bool operator==(const Log&, const Log&) = default;
};

struct Tls {
  std::string certificate_file;  // PEM; empty together with key_file: plain HTTP
  std::string key_file;
  friend bool operator==(const Tls&, const Tls&) = default;
};

struct Control {
  std::vector<std::string> listen = {"127.0.0.1:7080", "[::1]:7080"};
  std::string socket_file;  // a Unix socket besides, for programs of this user; empty: none
  Tls tls;
  bool allow_plain_public = false;  // plain HTTP on other than loopback, e.g. behind a proxy
  std::string public_url;           // what links start with; empty: from the listener
  std::uint32_t max_connections = 10'000;
  std::uint32_t max_connections_per_address = 1'000;
  std::uint32_t max_message_bytes = 262'144;
  std::uint32_t max_inflight = 256;                // requests per connection
  std::uint32_t max_send_queue_bytes = 4'194'304;  // per connection, then it is closed
  std::uint32_t handshake_timeout_ms = 5'000;      // TLS and HTTP header
  std::uint32_t ping_interval_ms = 15'000;
  std::uint32_t idle_timeout_ms = 45'000;
  std::uint32_t heartbeat_interval_ms = 15'000;  // server.heartbeat to whoever listens to events
  std::uint32_t consumer_lag_ms = 30'000;        // consumer.lagging, when an event waits so long
  std::vector<std::string> cors_origins;         // pages that may call /v1/rpc from a browser; none
  bool demo_page = true;
  friend bool operator==(const Control&, const Control&) = default;
};

struct ApiKey {
  std::string id;
  KeyAlgorithm algorithm = KeyAlgorithm::Hs256;
  // HS256: at least 32 bytes each, current first; EdDSA: PEM public keys. From `secrets`, or
  // from `secrets_file` (one a line; PEM blocks for EdDSA) or `secrets_env`.
  std::vector<std::string> secrets;
  KeyRole role = KeyRole::Admin;
  std::vector<std::string> tenants = {"*"};  // patterns, `*` matches any run of characters
  std::vector<std::string> methods;          // empty: all its role allows
  std::vector<std::string> cidrs;            // where it may come from; empty: anywhere
  std::uint32_t reads_per_s = 200;           // 0: no limit; those of Auth unless named
  std::uint32_t writes_per_s = 50;
  friend bool operator==(const ApiKey&, const ApiKey&) = default;
};

struct Auth {
  std::vector<ApiKey> api_keys;
  std::uint32_t max_key_token_ttl_s = 300;  // API-key JWTs
  std::uint32_t max_join_token_ttl_s = 2'678'400;
  std::uint32_t leeway_s = 5;
  std::uint32_t reads_per_s = 200;  // of a tenant by all keys, and of a key that names none; 0: any
  std::uint32_t writes_per_s = 50;  // likewise; twice as many at once
  friend bool operator==(const Auth&, const Auth&) = default;
};

struct Workers {
  std::uint32_t count = 0;             // 0: one per core
  std::uint32_t max_room_peers = 200;  // of one room on one worker, before the next one gets some
  friend bool operator==(const Workers&, const Workers&) = default;
};

struct IceTcp {
  bool enabled = true;                              // on the same addresses and ports as UDP
  std::uint32_t max_connections = 1'000;            // of a worker
  std::uint32_t max_connections_per_address = 500;  // IPv6: per /64
  std::uint32_t max_accepts_per_s = 200;            // of a worker
  std::uint32_t check_timeout_ms = 5'000;           // until the first valid check
  std::uint32_t max_queue_bytes = 262'144;          // for a slow receiver; what is more is dropped
  friend bool operator==(const IceTcp&, const IceTcp&) = default;
};

struct Ice {
  std::uint16_t port_base = 40'000;  // worker i listens on port_base + i
  std::vector<std::string> bind = {"0.0.0.0", "::"};
  std::vector<std::string> announced_addresses;  // 1:1 NAT: what candidates say instead
  std::uint32_t consent_timeout_ms = 30'000;     // RFC 7675
  std::uint32_t away_after_ms = 8'000;
  std::uint32_t connect_timeout_ms = 15'000;  // first check and DTLS handshake
  std::uint32_t max_addresses_per_peer = 8;
  IceTcp tcp;
  friend bool operator==(const Ice&, const Ice&) = default;
};

struct Srtp {
  SrtpEngine engine = SrtpEngine::Auto;  // the fastest that the processor can run
  friend bool operator==(const Srtp&, const Srtp&) = default;
};

struct Ingress {
  bool merging = false;  // equal datagrams of one sender arrive as one message (UDP GRO)
  friend bool operator==(const Ingress&, const Ingress&) = default;
};

struct Egress {
  bool segmentation = true;             // runs of datagrams as one message (UDP GSO)
  std::uint32_t max_padding_bytes = 4;  // RTP padding that makes packets of a run equal
  std::uint32_t coalesce_ms = 0;        // a busy worker waits so long for more to come together
  friend bool operator==(const Egress&, const Egress&) = default;
};

struct Media {
  std::uint32_t pool_packets = 32'768;        // per worker, 1.7 KB each, touched as used
  std::uint32_t history_packets = 512;        // per stream, for retransmission
  std::uint32_t key_frame_interval_ms = 500;  // at most one request per stream and interval
  std::uint32_t feedback_interval_ms = 100;   // transport-cc
  std::uint32_t max_ssrcs_per_peer = 32;
  std::uint32_t max_tracks_per_peer = 16;
  std::uint32_t max_slots_per_peer = 64;
  std::uint32_t max_publish_bitrate_kbps = 0;  // per peer, 0: no limit announced
  friend bool operator==(const Media&, const Media&) = default;
};

struct Rooms {
  std::uint32_t max_rooms = 10'000;
  std::uint32_t max_participants = 500;    // default of a room; a room may ask for less
  std::uint32_t empty_timeout_s = 300;     // nobody ever came
  std::uint32_t departure_timeout_s = 20;  // everybody left
  std::uint32_t reconnect_window_s = 15;
  // Whom all know by name, at least; the others of a larger room are counted
  // (docs/control-protocol.md)
  std::uint32_t roster_limit = 100;
  std::uint32_t last_n = 0;   // cameras that go to each at most, unless the room says; 0: no limit
  std::uint32_t loudest = 5;  // microphones, where there are more than 20 people; 0: no limit
  std::vector<std::string> codecs;  // of video, the best first; empty: all, as publishers like
  bool enable_chat = true;  // people may write to each other, unless the room says otherwise
  bool enable_data = true;  // and their applications send data; likewise
  friend bool operator==(const Rooms&, const Rooms&) = default;
};

// What people write to each other. Rooms keep it over their sessions.
struct Chat {
  std::uint32_t max_message_bytes = 4'096;
  std::uint32_t keep_per_room = 1'000;   // messages, then the oldest go
  std::uint32_t max_messages = 200'000;  // of all rooms; some 500 bytes of memory each
  std::uint32_t keep_days = 90;          // 0: for as long as there is room for them
  friend bool operator==(const Chat&, const Chat&) = default;
};

// An S3-compatible object store into which finished recordings are copied.
struct Upload {
  std::string endpoint;  // http(s)://HOST[:PORT]; empty: recordings stay on this machine
  std::string region = "us-east-1";
  std::string bucket;
  std::string prefix = "recordings/";  // of keys: PREFIX + TENANT/RECORDING/FILE
  bool virtual_host = false;           // the bucket in the host instead of the path
  std::string access_key_id;           // or from access_key_id_file, access_key_id_env
  std::string secret_access_key;       // or from secret_access_key_file, secret_access_key_env
  bool keep_local = false;             // do not remove what the store has
  std::uint32_t at_once = 2;           // processes
  std::uint64_t part_bytes = 16'777'216;
  std::uint32_t timeout_ms = 30'000;      // without a byte coming or going
  std::uint32_t retry_after_ms = 30'000;  // then twice as long, ten minutes at most
  std::uint32_t max_kbps = 0;             // of each process; 0: as fast as it goes
  std::string encryption;                 // by the store: AES256 or aws:kms
  std::string kms_key_id;
  std::string storage_class;
  std::string ca_file;  // PEM; empty: the system's authorities
  std::string program;  // empty: parley-upload beside parleyd
  [[nodiscard]] bool enabled() const noexcept { return !endpoint.empty(); }
  friend bool operator==(const Upload&, const Upload&) = default;
};

struct Recording {
  bool enabled = true;
  std::string directory = "parley-data/recordings";
  std::string encryption_key_file;             // of the directory, by the kernel; empty: not
  std::uint32_t tap_bytes = 2'097'152;         // ring from worker to recorder, per track
  std::uint32_t queue_bytes = 33'554'432;      // recorder to writer, per recording
  std::uint32_t sync_interval_ms = 2'000;      // fdatasync
  std::uint64_t min_free_bytes = 268'435'456;  // stop before the disk is full
  std::uint32_t key_frames_every_s = 10;       // asked for, as players seek to them; 0: not
  std::uint32_t max_link_ttl_s = 604'800;
  std::uint32_t compose_at_once = 1;       // processes that make one picture of a recording
  std::uint32_t compose_live_at_once = 2;  // of those that do while it runs
  std::string compose_program;             // empty: parley-compose beside parleyd
  std::uint32_t keep_days = 0;             // then it is deleted; 0: kept until somebody deletes it
  Upload upload;
  friend bool operator==(const Recording&, const Recording&) = default;
};

struct Store {
  std::string file = "parley-data/parley.db";
  std::uint64_t event_retention_bytes = 2'147'483'648;
  std::uint32_t event_retention_s = 604'800;
  friend bool operator==(const Store&, const Store&) = default;
};

// A server that helps browsers through their networks: STUN, TURN.
struct IceServer {
  std::vector<std::string> urls;     // as in RTCIceServer: "turn:turn.example.org:3478"
  std::string secret;                // shared with the TURN server; or from secret_file, secret_env
  std::uint32_t ttl_ms = 3'600'000;  // of credentials made of it
  std::string username;              // fixed ones, instead of a secret
  std::string credential;            // or from credential_file, credential_env
  friend bool operator==(const IceServer&, const IceServer&) = default;
};

struct Config {
  std::map<std::string, std::uint32_t> timers;  // milliseconds of each countdown a host may start
  Log log;
  Control control;
  Auth auth;
  Workers workers;
  Ice ice;
  std::vector<IceServer> ice_servers;  // handed out to participants
  Srtp srtp;
  Ingress ingress;
  Egress egress;
  Media media;
  Rooms rooms;
  Chat chat;
  Recording recording;
  Store store;
  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace parley::config
