#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/json.h"
#include "control/jwt.h"
#include "control/schema.h"
#include "tests/control/raw_client.h"

namespace parley::acceptance {

using control::Json;
using control::test::RawClient;

inline constexpr const char* kSecret = "a secret of more than thirty-two bytes";
inline constexpr const char* kOtherSecret = "another secret of more than thirty-two";

inline std::int64_t now_s() { return static_cast<std::int64_t>(time(nullptr)); }

inline std::string sign(const Json& claims, const std::string& secret = kSecret) {
  return *control::sign_jwt(claims, *control::JwtKey::hs256(secret));
}

inline std::string api_token(const std::string& key = "crm", const std::string& secret = kSecret) {
  return sign(
      Json::object({{"iss", key}, {"aud", "parley-control"}, {"exp", now_s() + 60}, {"jti", "j"}}),
      secret);
}

// A port that was free a moment ago.
inline std::uint16_t free_udp_port() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

// A parleyd of this build with a folder of its own, on free ports of 127.0.0.1.
class Daemon {
 public:
  // `more_control` goes into the mapping of `control`, as ", key: value".
  explicit Daemon(std::filesystem::path folder, std::string more_config = "",
                  std::string more_control = "", std::string more_store = "")
      : folder_(std::move(folder)),
        more_config_(std::move(more_config)),
        more_control_(std::move(more_control)),
        more_store_(more_store.empty() ? "" : ", " + more_store) {
    std::filesystem::create_directories(folder_);
  }
  ~Daemon() {
    if (pid_ > 0) stop(SIGKILL);
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Runs it, or another program of this build, with these options; gives its exit code and what it
  // said.
  static std::pair<int, std::string> run_once(const std::vector<std::string>& options,
                                              const std::string& program = "parleyd") {
    Daemon daemon(testing::TempDir());
    daemon.spawn(options, program);
    std::string said;
    for (std::string line; daemon.read_line(line);) said += line + "\n";
    int status = 0;
    waitpid(std::exchange(daemon.pid_, -1), &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
  }

  void start() {
    std::ofstream(folder_ / "parley.yaml")
        << "control: {listen: [\"127.0.0.1:0\"]" << more_control_ << "}\n"
        << "workers: {count: 1}\n"
        << "ice: {port_base: " << free_udp_port() << ", bind: [\"127.0.0.1\"]}\n"
        << "recording: {directory: \"" << (folder_ / "recordings").string()
        << "\", min_free_bytes: 1048576}\n"
        << "store: {file: \"" << (folder_ / "parley.db").string() << "\"" << more_store_
        << "}\n"
        // Tests ask again and again until something is so; `slow` is for the limits.
        << "auth: {reads_per_s: 0, writes_per_s: 0, api_keys: [{id: crm, secrets: [\"" << kSecret
        << "\"], role: admin, tenants: [\"seller-*\"]}, {id: blue, secrets: [\"" << kOtherSecret
        << "\"], role: tenant, tenants: [\"blue-*\"]}, {id: ops, secrets: [\"" << kSecret
        << "\"], role: operator}, {id: slow, secrets: [\"" << kSecret
        << "\"], role: admin, reads_per_s: 20, writes_per_s: 5}]}\n"
        << more_config_;
    spawn({"--config", (folder_ / "parley.yaml").string()});
    constexpr std::string_view kHost = "://127.0.0.1:";
    for (std::string line; read_line(line);) {
      const std::size_t at = line.find(kHost);
      if (at == std::string::npos || line.find("url=http") == std::string::npos) continue;
      port_ = static_cast<std::uint16_t>(std::stoi(line.substr(at + kHost.size())));
      return;
    }
    FAIL() << "parleyd did not start:\n" << log_;
  }
  // Sends the signal and waits for the end; gives the exit code, or -signal.
  int stop(int signal_number) {
    kill(pid_, signal_number);
    for (std::string line; read_line(line);) {
    }
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    close(std::exchange(output_, -1));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  void send_signal(int signal_number) const { kill(pid_, signal_number); }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] const std::string& log() const { return log_; }

  // POST /v1/rpc with a body as it is.
  [[nodiscard]] control::test::Answer post(const std::string& body,
                                           const std::string& token) const {
    RawClient client(port_);
    client.send("POST /v1/rpc HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer " + token +
                "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.answer().value_or(control::test::Answer{});
  }
  // The body of a page.
  [[nodiscard]] std::string get(const std::string& path) const {
    RawClient client(port_);
    client.send("GET " + path + " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    return client.answer().value_or(control::test::Answer{}).body;
  }
  // The whole answer to one API request. Whoever asks for what: results and events are as their
  // schemas say.
  [[nodiscard]] Json call(const std::string& method, Json params = Json(Json::Object{}),
                          const std::string& token = api_token()) const {
    const Json request = Json::object(
        {{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", std::move(params)}});
    Json answer = Json::parse(post(request.dump(), token).body).value_or(Json());
    if (const Json* result = answer.find("result")) expect_described(method, *result);
    return answer;
  }
  static void expect_described(const std::string& method, const Json& result) {
    const auto& schemas = control::SchemaSet::of_api();
    const auto described = schemas.backend_methods().find(method);
    ASSERT_NE(described, schemas.backend_methods().end()) << method;
    const auto mistake = schemas.check(*described->second.result, result);
    EXPECT_FALSE(mistake) << method << ": " << mistake->message << "\n" << result.dump();
    if (method != "events.list") return;
    const Json* known = schemas.file("events.json")->find("$defs")->find("events");
    for (const Json& event : *result.find("events")->as_array()) {
      const Json* shape = known->find(*event.find("type")->as_string());
      ASSERT_NE(shape, nullptr) << event.dump();
      const auto wrong = schemas.check(*shape, *event.find("data"));
      EXPECT_FALSE(wrong) << wrong->message << "\n" << event.dump();
    }
  }
  Json result(const std::string& method, Json params = Json(Json::Object{})) const {
    const Json answer = call(method, std::move(params));
    const Json* found = answer.find("result");
    EXPECT_NE(found, nullptr) << answer.dump();
    return found == nullptr ? Json() : *found;
  }
  [[nodiscard]] std::vector<Json> events() const {
    const Json page = result("events.list", Json::object({{"limit", 1'000}}));
    const Json* list = page.find("events");
    return list == nullptr ? std::vector<Json>{} : *list->as_array();
  }
  // The data of all events of one type, oldest first.
  [[nodiscard]] std::vector<Json> events_of(std::string_view type) const {
    std::vector<Json> found;
    for (const Json& event : events()) {
      if (*event.find("type") == Json(type)) found.push_back(*event.find("data"));
    }
    return found;
  }
  // Asks until there are so many, for half a minute at most.
  [[nodiscard]] std::vector<Json> wait_for(std::string_view type, std::size_t count) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::vector<Json> found = events_of(type);
    while (found.size() < count && std::chrono::steady_clock::now() < end) {
      found = events_of(type);
    }
    return found;
  }

 private:
  void spawn(const std::vector<std::string>& options, const std::string& name = "parleyd") {
    int pipe_ends[2] = {};
    ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    const std::string program = std::string(PARLEY_BIN_DIR) + "/" + name;
    std::vector<char*> arguments;
    for (const std::string& option : options)
      arguments.push_back(const_cast<char*>(option.c_str()));
    arguments.insert(arguments.begin(), const_cast<char*>(program.c_str()));
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(pipe_ends[1], 1);
      dup2(pipe_ends[1], 2);
      execv(program.c_str(), arguments.data());
      _exit(127);
    }
    close(pipe_ends[1]);
    output_ = pipe_ends[0];
  }
  bool read_line(std::string& line) {
    for (;;) {
      if (const std::size_t end = unread_.find('\n'); end != std::string::npos) {
        line = unread_.substr(0, end);
        unread_.erase(0, end + 1);
        log_ += line + "\n";
        return true;
      }
      char buffer[4'096];
      pollfd wait{output_, POLLIN, 0};
      if (poll(&wait, 1, 30'000) <= 0) return false;  // a hang becomes a failure
      const ssize_t size = read(output_, buffer, sizeof buffer);
      if (size <= 0) return false;
      unread_.append(buffer, static_cast<std::size_t>(size));
    }
  }

  std::filesystem::path folder_;
  std::string more_config_;
  std::string more_control_;
  std::string more_store_;
  pid_t pid_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
  std::string unread_;
  std::string log_;
};

// A folder for one test, gone with it.
class TestFolder {
 public:
  TestFolder()
      : path_(testing::TempDir() + "parley-" + std::to_string(getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(path_);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A WebSocket that speaks JSON-RPC.
class RpcSocket {
 public:
  RpcSocket(const Daemon& daemon, const std::string& path, const std::string& subprotocol,
            const std::string& token = "")
      : client_(daemon.port()) {
    std::string fields = "Sec-WebSocket-Protocol: " + subprotocol + "\r\n";
    if (!token.empty()) fields += "Authorization: Bearer " + token + "\r\n";
    const auto answer = client_.open_websocket(path, fields);
    status = answer ? answer->status : 0;
  }
  static RpcSocket rtc(const Daemon& daemon) {
    return RpcSocket(daemon, "/v1/rtc", "parley.rtc.v1");
  }

  void send_text(const std::string& message) { client_.send(control::test::text(message)); }
  // The next message, or null after the end; `close_code` says how it ended.
  Json next() {
    for (;;) {
      const auto frame = client_.next_frame();
      if (!frame) return {};
      if (frame->opcode == 1) return Json::parse(frame->payload).value_or(Json());
      if (frame->opcode == 8) {
        close_code = frame->close_code();
        return {};
      }
    }
  }
  // The answer to this request; what comes before it is kept in `notifications`.
  Json ask(const std::string& method, Json params = Json(Json::Object{})) {
    const std::int64_t id = ++last_id_;
    send_text(Json::object({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}})
                  .dump());
    for (;;) {
      Json message = next();
      const Json* answered = message.find("id");
      if (message.is_null() || (answered != nullptr && *answered == Json(id))) return message;
      notifications.push_back(std::move(message));
    }
  }

  int status = 0;
  unsigned close_code = 0;
  std::vector<Json> notifications;

 private:
  RawClient client_;
  std::int64_t last_id_ = 0;
};

inline std::string reason_of(const Json& answer) {
  const Json* error = answer.find("error");
  const Json* data = error == nullptr ? nullptr : error->find("data");
  const Json* reason = data == nullptr ? nullptr : data->find("reason");
  return reason == nullptr ? "" : *reason->as_string();
}

}  // namespace parley::acceptance
