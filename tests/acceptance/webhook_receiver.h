#pragma once

#include <algorithm>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>

#include "control/webhooks.h"
#include "tests/acceptance/daemon_fixture.h"

namespace parley::acceptance {

inline constexpr const char* kWebhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

// A backend's HTTP endpoint: one request for each connection.
class Receiver {
 public:
  struct Request {
    std::map<std::string, std::string> fields;  // names in lower case
    std::string body;
  };
  // Says what to answer; 0 hangs up without a word. On the receiver's thread.
  using Decide = std::function<int(const Request&)>;

  explicit Receiver(Decide decide) : decide_(std::move(decide)) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 64), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Receiver() {
    over_ = true;
    thread_.join();
    close(fd_);
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/events";
  }

 private:
  void run() {
    while (!over_) {
      pollfd waiting{fd_, POLLIN, 0};
      if (poll(&waiting, 1, 20) <= 0) continue;
      const int client = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      serve(client);
      close(client);
    }
  }
  void serve(int client) {
    const timeval patience{5, 0};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::string text;
    std::size_t head = std::string::npos;
    std::size_t length = 0;
    Request request;
    for (char buffer[4'096];;) {
      if (head == std::string::npos && (head = text.find("\r\n\r\n")) != std::string::npos) {
        request.fields = fields_of(text.substr(0, head));
        length = std::stoul(request.fields["content-length"]);
      }
      if (head != std::string::npos && text.size() >= head + 4 + length) break;
      const ssize_t size = recv(client, buffer, sizeof buffer, 0);
      if (size <= 0) return;
      text.append(buffer, static_cast<std::size_t>(size));
    }
    request.body = text.substr(head + 4, length);
    const int status = decide_(request);
    if (status == 0) return;
    const std::string answer = "HTTP/1.1 " + std::to_string(status) +
                               " x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    std::ignore = send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  static std::map<std::string, std::string> fields_of(const std::string& head) {
    std::map<std::string, std::string> fields;
    std::istringstream lines(head);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) continue;
      if (line.back() == '\r') line.pop_back();
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      fields[name] = line.substr(colon + 2);
    }
    return fields;
  }

  Decide decide_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

// A receiver that refuses, stalls and hangs up by chance, and keeps account of what it took.
class UnreliableReceiver {
 public:
  // Of a thousand requests so many are refused, and as many cut off before and after they are
  // taken.
  UnreliableReceiver(unsigned seed, unsigned of_thousand)
      : random_(seed),
        of_thousand_(of_thousand),
        receiver_([this](const Receiver::Request& request) { return receive(request); }) {}

  [[nodiscard]] std::string url() const { return receiver_.url(); }
  [[nodiscard]] std::size_t taken() const {
    const std::lock_guard lock(mutex_);
    return taken_.size();
  }
  // Until so many were taken; false when that takes too long.
  [[nodiscard]] bool wait_for(std::size_t count, std::chrono::seconds patience) const {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, patience, [&] { return taken_.size() >= count; });
  }
  struct Account {
    std::size_t bad_signatures = 0;
    std::size_t out_of_order = 0;  // within a room
    std::size_t again = 0;
    std::size_t other_id = 0;  // the same event under another id
  };
  [[nodiscard]] Account account() const {
    const std::lock_guard lock(mutex_);
    return account_;
  }

 private:
  int receive(const Receiver::Request& request) {
    constexpr std::chrono::milliseconds kStall{150};
    const std::lock_guard lock(mutex_);
    const auto field = [&](const char* name) {
      const auto it = request.fields.find(name);
      return it == request.fields.end() ? std::string() : it->second;
    };
    const std::string id = field("webhook-id");
    const std::string expected = control::sign_webhook(
        kWebhookSecret, id, std::strtoll(field("webhook-timestamp").c_str(), nullptr, 10),
        request.body);
    if (field("webhook-signature") != expected) ++account_.bad_signatures;
    const auto luck = random_() % 1'000;
    if (luck < of_thousand_) return 503;
    if (luck < 2 * of_thousand_) return 0;
    if (luck == 999) std::this_thread::sleep_for(kStall);  // the fault itself
    const Json event = *Json::parse(request.body);
    const std::int64_t seq = control::integer_member(event, "seq");
    const auto [known, added] = taken_.emplace(seq, id);
    if (!added) {
      ++account_.again;
      if (known->second != id) ++account_.other_id;
    } else {
      std::int64_t& before = last_[control::text_member(event, "room_id")];
      if (seq < before) ++account_.out_of_order;
      before = seq;
      more_.notify_one();
    }
    return luck < 3 * of_thousand_ ? 0 : 200;
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable more_;
  std::mt19937 random_;
  unsigned of_thousand_;
  std::map<std::int64_t, std::string> taken_;
  std::map<std::string, std::int64_t> last_;  // of each room
  Account account_;
  Receiver receiver_;  // last: its thread uses the rest
};

}  // namespace parley::acceptance
