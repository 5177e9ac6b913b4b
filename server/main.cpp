// parleyd: wires configuration, media server and control half together, and ends them in order.

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "config/load.h"
#include "control/auth.h"
#include "control/daemon.h"
#include "control/random_id.h"
#include "control/tls.h"
#include "recorder/encryption.h"
#include "server/log.h"
#include "server/loop.h"
#include "server/metrics.h"
#include "server/server.h"
#include "server/srtp.h"

namespace {

using namespace parley;

constexpr int kBadConfig = 2;
constexpr std::string_view kDemoKey = "demo";

struct Options {
  std::string config_file;
  bool check_config = false;
  bool demo = false;
  std::string public_address;
  std::string data_dir;
  std::uint16_t port = 0;
};

int fail(int code, const std::string& message) {
  std::fprintf(stderr, "parleyd: %s\n", message.c_str());
  return code;
}

// Owner-only from the first byte on, and all or nothing.
bool write_private_file(const std::filesystem::path& path, const std::string& content) {
  const std::string temporary = path.string() + ".new";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool written =
      write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  const bool kept = fsync(file) == 0;
  close(file);
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  return written && kept && !error;
}

std::string host_part(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

// https for other machines: a certificate of our own, kept so that the browser's exception lasts.
tl::expected<void, std::string> make_public(const Options& options, std::uint16_t port,
                                            config::Config& config) {
  const std::filesystem::path directory = std::filesystem::path(config.store.file).parent_path();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  std::string name = options.public_address;
  for (char& c : name) c = c == ':' || c == '/' ? '_' : c;
  const auto certificate = directory / ("tls-" + name + ".crt");
  const auto key = directory / ("tls-" + name + ".key");
  constexpr auto kRenewAfter = std::chrono::hours(24 * 390);  // they are valid for 397 days
  const auto written = std::filesystem::last_write_time(certificate, error);
  const bool fresh = !error && std::filesystem::exists(key, error) &&
                     std::filesystem::file_time_type::clock::now() - written < kRenewAfter;
  if (!fresh) {
    const auto made = control::make_self_signed(options.public_address, server::Loop::wall_ms());
    if (!made) return tl::unexpected("--public: " + made.error());
    if (!write_private_file(key, made->key_pem) ||
        !write_private_file(certificate, made->cert_pem)) {
      return tl::unexpected("--public: cannot write " + certificate.string());
    }
  }
  config.control.tls = {certificate.string(), key.string()};
  config.control.listen = {"0.0.0.0:" + std::to_string(port), "[::]:" + std::to_string(port)};
  config.control.public_url =
      "https://" + host_part(options.public_address) + ":" + std::to_string(port);
  config.ice.announced_addresses = {options.public_address};
  return {};
}

tl::expected<config::Config, std::string> read_config(const Options& options) {
  config::Config config;
  if (!options.config_file.empty()) {
    auto loaded = config::load_file(options.config_file);
    if (!loaded) return loaded;
    config = std::move(*loaded);
  }
  if (!options.data_dir.empty()) {
    config.store.file = options.data_dir + "/parley.db";
    config.recording.directory = options.data_dir + "/recordings";
  }
  if (options.port != 0) {
    for (std::string& address : config.control.listen) {
      address = address.substr(0, address.rfind(':') + 1) + std::to_string(options.port);
    }
  }
  if (!options.public_address.empty()) {
    const std::uint16_t port = options.port != 0 ? options.port : 7080;
    if (auto ok = make_public(options, port, config); !ok) return tl::unexpected(ok.error());
  }
  if (options.demo) {
    config::ApiKey key;
    key.id = std::string(kDemoKey);
    key.secrets = {control::random_secret()};
    config.auth.api_keys.push_back(std::move(key));
  }
  if (auto keys = control::Keyring::from_config(config.auth); !keys) {
    return tl::unexpected(keys.error());
  }
  return config;
}

// The demo's key is made at each start, and stays what it was then.
tl::expected<config::Config, std::string> read_config_again(const Options& options,
                                                            const config::Config& at_start) {
  auto config = read_config(options);
  if (config && options.demo) config->auth.api_keys.back() = at_start.auth.api_keys.back();
  return config;
}

// This thread answers whoever joins and the backend; on a machine whose cores are all busy, it
// waits for media rather than media for it. It is the last to be started, so the others are not
// meant.
void yield_to_media() {
  constexpr int kNice = 10;
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice) != 0) {
    server::log::warn("priority_unchanged", {{"error", std::strerror(errno)}});
  }
}

// Calls back on the loop: to end (SIGTERM, SIGINT), and to read the configuration again (SIGHUP).
class Signals {
 public:
  Signals(server::Loop& loop, std::function<void()> on_end, std::function<void()> on_reload)
      : on_end_(std::move(on_end)), on_reload_(std::move(on_reload)) {
    const int numbers[kCount] = {SIGTERM, SIGINT, SIGHUP};
    for (std::size_t i = 0; i < kCount; ++i) {
      uv_signal_init(loop.uv(), &handles_[i]);
      handles_[i].data = this;
      uv_signal_start(
          &handles_[i],
          [](uv_signal_t* handle, int number) {
            const auto* self = static_cast<Signals*>(handle->data);
            (number == SIGHUP ? self->on_reload_ : self->on_end_)();
          },
          numbers[i]);
      uv_unref(reinterpret_cast<uv_handle_t*>(&handles_[i]));
    }
  }
  // While the loop still exists; uv_close needs a turn of it, which Loop's destructor gives.
  ~Signals() {
    for (uv_signal_t& handle : handles_) {
      uv_signal_stop(&handle);
      uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
    }
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  static constexpr std::size_t kCount = 3;
  std::function<void()> on_end_;
  std::function<void()> on_reload_;
  uv_signal_t handles_[kCount] = {};
};

// The permanent demo room and its two links.
class Demo {
 public:
  Demo(control::Daemon& daemon, const config::Config& config, const std::filesystem::path& program)
      : daemon_(daemon), parleyctl_(program.parent_path() / "parleyctl") {
    base_ = config.control.public_url;
    if (base_.empty()) {
      base_ = daemon.urls().front();
      if (const auto at = base_.find("127.0.0.1"); at != std::string::npos) {
        base_.replace(at, 9, "localhost");
      }
    }
    const auto secret = std::filesystem::path(config.store.file).parent_path() / "demo.secret";
    if (write_private_file(secret, config.auth.api_keys.back().secrets.front() + "\n")) {
      secret_file_ = secret.string();
    }
  }

  void print_links() {
    const auto room = control::Json::object({{"tenant", "demo"}, {"name", "demo"}});
    daemon_.call(kDemoKey, "room.create", room, [this](const control::Json& result) {
      if (result.find("error") != nullptr) return say("the demo room: " + result.dump());
      say("");
      link("host", "Host", "Open this link in one tab (host):     ");
      link("participant", "Guest", "and this one in another (guest):      ");
    });
  }

 private:
  void link(std::string role, const std::string& name, std::string label) {
    // One identity per link: a second tab with the same link replaces the first.
    const auto params = control::Json::object({{"tenant", "demo"},
                                               {"room", "demo"},
                                               {"identity", role},
                                               {"name", name},
                                               {"role", role},
                                               {"ttl_s", 86'400}});
    daemon_.call(kDemoKey, "token.create", params,
                 [this, role, label = std::move(label)](const control::Json& result) {
                   const control::Json* token = result.find("token");
                   if (token == nullptr) return say("the demo link: " + result.dump());
                   say(label + base_ + "/#token=" + *token->as_string());
                   if (role != "host") print_api();
                 });
  }

  void print_api() const {
    const bool https = base_.starts_with("https");
    if (https) say("\nThe certificate is self-signed: the browser asks once whether to trust it.");
    if (!secret_file_.empty()) {
      say("\nThe API: " + parleyctl_ + " rpc room.list --url " + base_ +
          (https ? " --insecure" : "") + " --key-id demo --secret-file " + secret_file_);
    }
    say("Ctrl-C ends the server.\n");
  }
  static void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }

  control::Daemon& daemon_;
  std::string base_;
  std::string parleyctl_;  // as it is called from here
  std::string secret_file_;
};

int run(const config::Config& config, const Options& options, const char* program) {
  server::Loop loop;
  server::Metrics metrics;
  control::Daemon* daemon_seen = nullptr;  // for callbacks made before it exists
  auto media = server::Server::start(
      config, loop, metrics, [&daemon_seen](std::size_t worker, std::vector<server::Event> events) {
        if (daemon_seen != nullptr) daemon_seen->on_worker_events(worker, events);
      });
  if (!media) return fail(1, media.error());
  server::Server& media_server = **media;
  auto daemon =
      control::Daemon::open({loop,
                             config,
                             {[&media_server](std::size_t worker, server::Command command) {
                                return media_server.post(worker, std::move(command));
                              },
                              media_server.workers(), media_server.fingerprint()},
                             PARLEY_VERSION,
                             metrics,
                             [&] { return read_config_again(options, config); }});
  if (!daemon) return fail(1, daemon.error());
  daemon_seen = daemon->get();
  // Before anybody is told that we are here: a signal that comes then must find its receiver.
  std::optional<Signals> signals;
  signals.emplace(
      loop,
      [&] {
        server::log::info("shutting_down");
        (*daemon)->shut_down([&loop] { loop.stop(); });
      },
      [&] {
        const auto reloaded = (*daemon)->reload();
        if (!reloaded) server::log::error("reload_refused", {{"why", reloaded.error()}});
      });
  for (const std::string& url : (*daemon)->urls()) server::log::info("listening", {{"url", url}});
  std::optional<Demo> demo;
  if (options.demo) {
    demo.emplace(**daemon, config, program);
    demo->print_links();
  } else if (config.auth.api_keys.empty()) {
    server::log::warn("no_api_keys", {{"hint", "auth.api_keys is empty; nobody can log in"}});
  }
  yield_to_media();
  loop.run();
  signals.reset();
  media_server.stop();
  daemon_seen = nullptr;
  daemon->reset();
  return 0;
}

// Each connection is a descriptor, and a crowd at one door must not leave none for the others. The
// soft limit is often 1,024, for the sake of programs that use select().
void raise_descriptor_limit() {
  constexpr rlim_t kEnough = 1'048'576;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kEnough));
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("parleyd: a media server for calls in browsers, recorded");
  app.add_option("--config", options.config_file, "YAML file; without it, the built-in defaults");
  app.add_flag("--check-config", options.check_config, "read the configuration, then exit");
  app.add_flag("--demo", options.demo, "make a demo room and print two links to it");
  app.add_option("--public", options.public_address,
                 "serve other machines: https with a self-signed certificate for this address");
  app.add_option("--data-dir", options.data_dir, "where the store and the recordings live");
  app.add_option("--port", options.port, "TCP port of the HTTP and WebSocket listener");
  app.set_version_flag("--version", [] {
    const auto engine = server::available(config::SrtpEngine::Auto);
    return std::string("parleyd " PARLEY_VERSION "\nsrtp engine: ") +
           std::string(server::name_of(engine));
  });
  CLI11_PARSE(app, argc, argv);

  const auto config = read_config(options);
  if (!config) return fail(kBadConfig, config.error());
  if (const std::string& file = config->recording.encryption_key_file; !file.empty()) {
    if (auto key = recorder::EncryptionKey::read(file); !key) return fail(kBadConfig, key.error());
  }
  if (options.check_config) {
    std::puts("the configuration is in order");
    return 0;
  }
  umask(0077);  // store, recordings and secrets are for this user alone
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);  // until there is somebody to reload
  server::log::start(config->log);
  const int code = run(*config, options, argv[0]);
  server::log::stop();
  return code;
}
