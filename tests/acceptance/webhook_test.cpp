// Webhooks against a real parleyd that is killed, and a receiver that fails and hangs up.
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "control/webhooks.h"
#include "tests/acceptance/daemon_fixture.h"

namespace parley::acceptance {
namespace {

using control::flag_member;
using control::integer_member;
using control::text_member;
using testing::SizeIs;

constexpr const char* kSecretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

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

TEST(Webhook, ATestSaysWhatTheReceiverAnswered) {
  TestFolder folder;
  Daemon daemon(folder.path());
  daemon.start();
  std::atomic<int> status{204};
  const Receiver receiver([&](const Receiver::Request&) { return status.load(); });
  const Json put =
      daemon.result("webhook.put", Json::object({{"webhook", "crm"}, {"url", receiver.url()}}));
  EXPECT_TRUE(control::is_webhook_secret(text_member(put, "secret")));
  const Json test = Json::object({{"webhook", "crm"}});
  EXPECT_TRUE(flag_member(daemon.result("webhook.test", test), "delivered"));
  status = 500;
  const Json failed = daemon.result("webhook.test", test);
  EXPECT_FALSE(flag_member(failed, "delivered"));
  EXPECT_EQ(integer_member(failed, "status"), 500);
  status = 0;
  EXPECT_FALSE(text_member(daemon.result("webhook.test", test), "error").empty());
  EXPECT_EQ(reason_of(daemon.call("webhook.put",
                                  Json::object({{"webhook", "x"}, {"url", "http://127.0.0.1/"}}),
                                  api_token("blue", kOtherSecret))),
            "permission_denied");
}

TEST(Webhook, NothingIsLostWhenBothSidesFail) {
  TestFolder folder;
  Daemon daemon(folder.path());
  daemon.start();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mutex mutex;
  std::mt19937 random(seed);
  std::set<std::int64_t> taken;
  std::map<std::string, std::int64_t> last;  // of each room
  std::size_t bad_signatures = 0;
  std::size_t out_of_order = 0;
  std::size_t again = 0;
  const auto receive = [&](const Receiver::Request& request) {
    const std::lock_guard lock(mutex);
    const auto field = [&](const char* name) {
      const auto it = request.fields.find(name);
      return it == request.fields.end() ? std::string() : it->second;
    };
    const std::string expected = control::sign_webhook(
        kSecretText, field("webhook-id"),
        std::strtoll(field("webhook-timestamp").c_str(), nullptr, 10), request.body);
    if (field("webhook-signature") != expected) ++bad_signatures;
    // Of ten, one is refused and one is cut off: half of those after they were taken.
    const auto luck = random() % 20;
    if (luck == 0) return 503;
    if (luck == 1) return 0;
    const Json event = *Json::parse(request.body);
    const std::int64_t seq = integer_member(event, "seq");
    if (!taken.insert(seq).second) {
      ++again;
    } else {
      std::int64_t& before = last[text_member(event, "room_id")];
      if (seq < before) ++out_of_order;
      before = seq;
    }
    return luck == 2 ? 0 : 200;
  };
  const Receiver receiver(receive);
  daemon.result(
      "webhook.put",
      Json::object({{"webhook", "crm"}, {"url", receiver.url()}, {"secret", kSecretText}}));
  constexpr int kRooms = 8;
  constexpr int kRounds = 25;
  std::size_t told = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kRooms; ++i) {
      const std::string name = "room-" + std::to_string(i);
      if (round == 0) {
        daemon.result("room.create", Json::object({{"tenant", "seller-1"}, {"name", name}}));
      } else {
        daemon.result("room.update",
                      Json::object({{"tenant", "seller-1"},
                                    {"room", name},
                                    {"attributes", Json::object({{"round", round}})}}));
      }
      ++told;
    }
    if (round % 8 == 7) {
      EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
      daemon.start();
    }
  }
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return taken.size();
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (count() < told && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  const std::lock_guard lock(mutex);
  EXPECT_THAT(taken, SizeIs(told));
  EXPECT_EQ(bad_signatures, 0U);
  EXPECT_EQ(out_of_order, 0U);
  std::printf("%zu events, 3 kills: %zu came again, none was lost\n", told, again);
}

}  // namespace
}  // namespace parley::acceptance
