// api_load: what the control API of a real parleyd carries, and how fast. See --help.

#include <chrono>
#include <cstdio>
#include <ctime>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load/latency.h"
#include "bench/load/process.h"
#include "bench/load/web_socket.h"
#include "control/json.h"
#include "control/jwt.h"
#include "server/loop.h"

namespace {

using namespace parley;
using bench::LatencyHistogram;
using bench::Nanoseconds;
using bench::WebSocket;
using control::integer_member;
using control::Json;
using std::chrono::seconds;

constexpr std::uint16_t kPort = 17'081;
constexpr const char* kSecret = "a secret of the API's benchmark, long enough";
constexpr std::size_t kRooms = 64;

struct Options {
  std::string server = "build/release/bin/parleyd";
  int run_s = 5;
  std::size_t idle_sockets = 5'000;
  std::size_t reconnects = 500;
};

std::string token() {
  const auto now_s = server::Loop::wall_ms() / 1'000;
  return *control::sign_jwt(
      Json::object(
          {{"iss", "bench"}, {"aud", "parley-control"}, {"jti", "bench"}, {"exp", now_s + 250}}),
      *control::JwtKey::hs256(kSecret));
}

// A backend's socket that has so many requests under way.
class Backend {
 public:
  explicit Backend(const std::string& access)
      : socket_(kPort, "/v1/control?access_token=" + access, "parley.control.v1") {}

  void wait_open() {
    while (!socket_.open()) socket_.wait();
  }
  void ask(const std::string& method, Json params) {
    asked_.push_back(server::Loop::now());
    socket_.send(Json::object({{"jsonrpc", "2.0"},
                               {"id", ++last_id_},
                               {"method", method},
                               {"params", std::move(params)}}));
  }
  // Takes what has come. Answers come in order here, because all methods asked are of one kind.
  void take(const std::function<void(const Json&)>& event, LatencyHistogram* latency) {
    while (const auto message = socket_.take()) {
      if (message->find("id") == nullptr) {
        event(*message);
        continue;
      }
      if (message->find("result") == nullptr) throw std::runtime_error(message->dump());
      const auto took = server::Loop::now() - asked_.front();
      asked_.pop_front();
      if (latency != nullptr) {
        latency->add(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count());
      }
    }
  }
  [[nodiscard]] std::size_t under_way() const { return asked_.size(); }
  // One request and its answer.
  void ask_and_wait(const std::string& method, Json params) {
    ask(method, std::move(params));
    while (under_way() > 0) {
      socket_.wait();
      take([](const Json&) {}, nullptr);
    }
  }

 private:
  WebSocket socket_;
  std::int64_t last_id_ = 0;
  std::deque<rtp::Time> asked_;
};

class ApiLoad {
 public:
  explicit ApiLoad(const Options& options)
      : options_(options),
        folder_(std::filesystem::temp_directory_path() /
                ("parley-api-load-" + std::to_string(getpid()))),
        server_(configure(), 0, "listening") {
    Backend backend(token());
    backend.wait_open();
    for (std::size_t i = 0; i < kRooms; ++i) {
      backend.ask_and_wait("room.create", Json::object({{"tenant", "bench"}, {"name", name(i)}}));
    }
  }
  ~ApiLoad() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void run() {
    requests("read", 8, 16, [](std::size_t i) { return std::pair{"room.get", room(i)}; });
    requests("write", 8, 16, [this](std::size_t i) { return std::pair{"room.update", change(i)}; });
    requests("commit", 1, 1, [this](std::size_t i) { return std::pair{"room.update", change(i)}; });
    fan_out(20);
    idle();
  }

 private:
  using Request = std::function<std::pair<const char*, Json>(std::size_t i)>;

  std::vector<std::string> configure() const {
    std::filesystem::create_directories(folder_);
    const auto file = folder_ / "parley.yaml";
    std::ofstream(file) << "control: {listen: [\"127.0.0.1:" << kPort
                        << "\"], max_connections: 20000, max_connections_per_address: 20000}\n"
                        << "workers: {count: 1}\n"
                        << "ice: {port_base: 41100, bind: [\"127.0.0.1\"]}\n"
                        << "store: {file: \"" << (folder_ / "parley.db").string() << "\"}\n"
                        << "auth: {reads_per_s: 0, writes_per_s: 0, api_keys: [{id: bench, "
                        << "secrets: [\"" << kSecret << "\"]}]}\n";
    return {options_.server, "--config", file.string()};
  }
  static std::string name(std::size_t i) { return "room-" + std::to_string(i % kRooms); }
  static Json room(std::size_t i) { return Json::object({{"tenant", "bench"}, {"room", name(i)}}); }
  // Never the same twice, so that each one is a row and an event.
  Json change(std::size_t i) {
    Json params = room(i);
    params.set("attributes", Json::object({{"n", ++changes_}}));
    return params;
  }

  void requests(const char* what, std::size_t sockets, std::size_t under_way,
                const Request& request) {
    std::vector<std::unique_ptr<Backend>> backends;
    for (std::size_t i = 0; i < sockets; ++i) {
      backends.push_back(std::make_unique<Backend>(token()));
      backends.back()->wait_open();
    }
    LatencyHistogram latency;
    std::size_t asked = 0;
    const Nanoseconds cpu = server_.cpu();
    const rtp::Time began = server::Loop::now();
    const auto goes_on = [&] { return server::Loop::now() - began < seconds(options_.run_s); };
    while (goes_on()) {
      for (const auto& backend : backends) {
        backend->take([](const Json&) {}, &latency);
        while (backend->under_way() < under_way) {
          auto [method, params] = request(asked++);
          backend->ask(method, std::move(params));
        }
      }
    }
    const double took = std::chrono::duration<double>(server::Loop::now() - began).count();
    const auto count = static_cast<double>(latency.count());
    std::printf(
        "{\"api\":\"%s\",\"sockets\":%zu,\"under_way\":%zu,\"requests_per_s\":%.0f,"
        "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"server_cpu_us_per_request\":%.1f}\n",
        what, sockets, under_way, count / took, latency.quantile_us(0.5) / 1e3,
        latency.quantile_us(0.99) / 1e3, static_cast<double>(server_.cpu() - cpu) / 1e3 / count);
    std::fflush(stdout);
  }

  // Changes of rooms, each told to so many consumers that acknowledge.
  void fan_out(std::size_t consumers) {
    struct Consumer {
      std::string name;
      std::unique_ptr<Backend> backend;
      std::int64_t seen = 0;
      std::size_t since_ack = 0;
    };
    std::vector<Consumer> all;
    for (std::size_t i = 0; i < consumers; ++i) {
      all.push_back({"consumer-" + std::to_string(i), std::make_unique<Backend>(token())});
      all.back().backend->wait_open();
      all.back().backend->ask_and_wait(
          "events.subscribe",
          Json::object({{"consumer", all.back().name}, {"window", 1'000}, {"from", "latest"}}));
    }
    Backend writer(token());
    writer.wait_open();
    std::size_t delivered = 0;
    const Nanoseconds cpu = server_.cpu();
    const rtp::Time began = server::Loop::now();
    while (server::Loop::now() - began < seconds(options_.run_s)) {
      writer.take([](const Json&) {}, nullptr);
      while (writer.under_way() < 64) writer.ask("room.update", change(changes_));
      for (Consumer& one : all) {
        const auto on_event = [&](const Json& message) {
          one.seen = integer_member(*message.find("params"), "seq");
          ++one.since_ack;
          ++delivered;
        };
        one.backend->take(on_event, nullptr);
        if (one.since_ack < 100) continue;
        one.since_ack = 0;
        one.backend->ask("events.ack", Json::object({{"consumer", one.name}, {"seq", one.seen}}));
      }
    }
    const double took = std::chrono::duration<double>(server::Loop::now() - began).count();
    const auto count = static_cast<double>(delivered);
    std::printf(
        "{\"api\":\"fanout\",\"consumers\":%zu,\"events_per_s\":%.0f,"
        "\"server_cpu_us_per_event\":%.2f}\n",
        consumers, count / took, static_cast<double>(server_.cpu() - cpu) / 1e3 / count);
    std::fflush(stdout);
  }

  // Sockets that say nothing, then a part of them again at once.
  void idle() {
    const std::uint64_t before = server_.resident_bytes();
    const std::string access = token();
    std::vector<std::unique_ptr<Backend>> sockets;
    const double opened_s = timed([&] { open(sockets, options_.idle_sockets, access); });
    const std::uint64_t after = server_.resident_bytes();
    const Nanoseconds cpu = server_.cpu();
    const rtp::Time began = server::Loop::now();
    while (server::Loop::now() - began < seconds(options_.run_s)) {
      for (const auto& socket : sockets) socket->take([](const Json&) {}, nullptr);
      usleep(10'000);  // pings are answered; nothing is measured here
    }
    const double idle_share =
        static_cast<double>(server_.cpu() - cpu) / (static_cast<double>(options_.run_s) * 1e9);
    sockets.resize(sockets.size() - options_.reconnects);
    LatencyHistogram hello;
    const double again_s = timed([&] {
      open(sockets, options_.reconnects, access);
      for (std::size_t i = options_.idle_sockets - options_.reconnects; i < sockets.size(); ++i) {
        const rtp::Time asked = server::Loop::now();
        sockets[i]->ask_and_wait("hello", Json::object({{"events", false}}));
        hello.add(std::chrono::duration_cast<std::chrono::nanoseconds>(server::Loop::now() - asked)
                      .count());
      }
    });
    std::printf(
        "{\"api\":\"idle\",\"sockets\":%zu,\"opened_s\":%.2f,\"kib_per_socket\":%.1f,"
        "\"core_share\":%.4f,\"reconnected\":%zu,\"reconnected_s\":%.2f,"
        "\"hello_p99_ms\":%.2f}\n",
        options_.idle_sockets, opened_s,
        static_cast<double>(after - before) / 1024 / static_cast<double>(options_.idle_sockets),
        idle_share, options_.reconnects, again_s, hello.quantile_us(0.99) / 1e3);
  }
  static void open(std::vector<std::unique_ptr<Backend>>& sockets, std::size_t count,
                   const std::string& access) {
    const std::size_t first = sockets.size();
    for (std::size_t i = 0; i < count; ++i) sockets.push_back(std::make_unique<Backend>(access));
    for (std::size_t i = first; i < sockets.size(); ++i) sockets[i]->wait_open();
  }
  static double timed(const std::function<void()>& work) {
    const rtp::Time began = server::Loop::now();
    work();
    return std::chrono::duration<double>(server::Loop::now() - began).count();
  }

  const Options& options_;
  std::filesystem::path folder_;
  bench::ServerProcess server_;
  std::uint64_t changes_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "api_load: requests, commits, events and idle sockets against a real parleyd on core 0, one "
      "line of JSON for each");
  app.add_option("--server", options.server, "the daemon to start");
  app.add_option("--seconds", options.run_s, "of each measurement");
  app.add_option("--idle", options.idle_sockets, "sockets that say nothing");
  app.add_option("--reconnects", options.reconnects, "of them that come again at once");
  CLI11_PARSE(app, argc, argv);
  try {
    const rlimit files{65'536, 65'536};
    setrlimit(RLIMIT_NOFILE, &files);
    bench::pin_to(1);
    ApiLoad(options).run();
  } catch (const std::exception& error) {
    std::cerr << "api_load: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
