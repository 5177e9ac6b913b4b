#include "control/cli/rtc_socket.h"

#include <array>
#include <optional>

#include <poll.h>
#include <wslay/wslay.h>

#include "control/random_id.h"
#include "server/loop.h"

namespace parley::cli {
namespace {

using control::Json;

constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMaxHead = 8'192;

Failure lost(const std::string& why) { return {kFailed, "the signalling socket: " + why}; }

}  // namespace

struct RtcSocket::Impl {
  Curl curl;
  curl_socket_t socket = CURL_SOCKET_BAD;
  wslay_event_context_ptr events = nullptr;
  std::string early;  // came with the head of the answer
  std::deque<Json> messages;
  bool over = false;
  std::int64_t last_id = 0;

  ~Impl() {
    if (events != nullptr) wslay_event_context_free(events);
  }

  // Until there is something to read or to write; false when time is up.
  [[nodiscard]] bool wait(short what, rtp::Time until) const {
    using std::chrono::milliseconds;
    const auto left = std::chrono::duration_cast<milliseconds>(until - server::Loop::now());
    pollfd one{socket, what, 0};
    return left.count() > 0 && poll(&one, 1, static_cast<int>(left.count())) > 0;
  }
  // What there is, at most `size`; 0 when nothing is; nothing at the end.
  std::optional<std::size_t> read(char* into, std::size_t size) {
    if (!early.empty()) {
      const std::size_t taken = early.copy(into, size);
      early.erase(0, taken);
      return taken;
    }
    std::size_t got = 0;
    const CURLcode code = curl_easy_recv(curl.get(), into, size, &got);
    if (code == CURLE_AGAIN) return 0;
    if (code != CURLE_OK || got == 0) return std::nullopt;
    return got;
  }
  [[nodiscard]] bool write_all(std::string_view bytes) {
    const rtp::Time until = server::Loop::now() + kPatience;
    while (!bytes.empty()) {
      std::size_t sent = 0;
      const CURLcode code = curl_easy_send(curl.get(), bytes.data(), bytes.size(), &sent);
      if (code == CURLE_AGAIN) {
        if (!wait(POLLOUT, until)) return false;
      } else if (code != CURLE_OK) {
        return false;
      }
      bytes.remove_prefix(sent);
    }
    return true;
  }
  tl::expected<void, Failure> upgrade(const std::string& host);
  void make_events();
};

tl::expected<void, Failure> RtcSocket::Impl::upgrade(const std::string& host) {
  // Any 16 bytes will do as a key: what it guards against is none of ours.
  const bool sent = write_all("GET /v1/rtc HTTP/1.1\r\nHost: " + host +
                              "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: cGFybGV5Y3RsIHByb2JlLg==\r\n"
                              "Sec-WebSocket-Protocol: parley.rtc.v1\r\n\r\n");
  if (!sent) return tl::unexpected(lost("nothing can be sent"));
  const rtp::Time until = server::Loop::now() + kPatience;
  std::string head;
  std::array<char, 1'024> buffer{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const auto size = read(buffer.data(), buffer.size());
    if (!size || head.size() > kMaxHead) return tl::unexpected(lost("no WebSocket"));
    if (*size == 0 && !wait(POLLIN, until)) return tl::unexpected(lost("no answer"));
    head.append(buffer.data(), *size);
  }
  if (!head.starts_with("HTTP/1.1 101")) {
    return tl::unexpected(lost(head.substr(0, head.find('\r'))));
  }
  early = head.substr(head.find("\r\n\r\n") + 4);
  return {};
}

void RtcSocket::Impl::make_events() {
  wslay_event_callbacks callbacks{};
  callbacks.recv_callback = [](wslay_event_context_ptr context, std::uint8_t* into,
                               std::size_t size, int, void* user) -> ssize_t {
    auto* self = static_cast<Impl*>(user);
    const auto got = self->read(reinterpret_cast<char*>(into), size);
    if (got && *got > 0) return static_cast<ssize_t>(*got);
    self->over = self->over || !got;
    wslay_event_set_error(context, got ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
  };
  callbacks.send_callback = [](wslay_event_context_ptr context, const std::uint8_t* data,
                               std::size_t size, int, void* user) -> ssize_t {
    auto* self = static_cast<Impl*>(user);
    if (self->write_all({reinterpret_cast<const char*>(data), size})) {
      return static_cast<ssize_t>(size);
    }
    self->over = true;
    wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
  };
  callbacks.genmask_callback = [](wslay_event_context_ptr, std::uint8_t* into, std::size_t size,
                                  void*) {
    control::secure_random({into, size});
    return 0;
  };
  callbacks.on_msg_recv_callback = [](wslay_event_context_ptr,
                                      const wslay_event_on_msg_recv_arg* message, void* user) {
    if (message->opcode != WSLAY_TEXT_FRAME) return;
    auto json = Json::parse_own({reinterpret_cast<const char*>(message->msg), message->msg_length});
    if (json) static_cast<Impl*>(user)->messages.push_back(std::move(*json));
  };
  wslay_event_context_client_init(&events, &callbacks, this);
}

RtcSocket::RtcSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RtcSocket::~RtcSocket() = default;

tl::expected<std::unique_ptr<RtcSocket>, Failure> RtcSocket::open(const Server& server) {
  auto impl = std::make_unique<Impl>();
  impl->curl = make_curl(server);
  curl_easy_setopt(impl->curl.get(), CURLOPT_URL, server.url.c_str());
  curl_easy_setopt(impl->curl.get(), CURLOPT_CONNECT_ONLY, 1L);
  if (const CURLcode code = curl_easy_perform(impl->curl.get()); code != CURLE_OK) {
    return tl::unexpected(Failure{kFailed, server.url + ": " + curl_easy_strerror(code)});
  }
  curl_easy_getinfo(impl->curl.get(), CURLINFO_ACTIVESOCKET, &impl->socket);
  const std::size_t scheme = server.url.find("://");
  const std::string host = scheme == std::string::npos ? server.url : server.url.substr(scheme + 3);
  if (auto ok = impl->upgrade(host.substr(0, host.find('/'))); !ok) {
    return tl::unexpected(ok.error());
  }
  impl->make_events();
  return std::unique_ptr<RtcSocket>(new RtcSocket(std::move(impl)));  // the constructor is private
}

void RtcSocket::drain() {
  wslay_event_recv(impl_->events);
  wslay_event_send(impl_->events);  // answers to pings
}

tl::expected<Json, Failure> RtcSocket::ask(const std::string& method, Json params) {
  const std::int64_t id = ++impl_->last_id;
  const std::string text =
      Json::object(
          {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}})
          .dump();
  const wslay_event_msg message{WSLAY_TEXT_FRAME,
                                reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  wslay_event_queue_msg(impl_->events, &message);
  const rtp::Time until = server::Loop::now() + kPatience;
  for (;;) {
    drain();
    while (!impl_->messages.empty()) {
      const Json answer = std::move(impl_->messages.front());
      impl_->messages.pop_front();
      const Json* answered = answer.find("id");
      if (answered == nullptr || *answered != Json(id)) continue;
      if (const Json* result = answer.find("result")) return *result;
      return tl::unexpected(Failure{kRefused, answer.find("error")->dump()});
    }
    if (impl_->over)
      return tl::unexpected(lost("it was closed before " + method + " was answered"));
    if (!impl_->wait(POLLIN, until)) return tl::unexpected(lost("no answer to " + method));
  }
}

}  // namespace parley::cli
