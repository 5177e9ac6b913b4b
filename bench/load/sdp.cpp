#include "bench/load/signalling.h"

#include <ctime>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/jwt.h"
#include "control/sdp.h"
#include "tests/control/websocket_frames.h"

namespace parley::bench {
namespace {

using control::Json;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("nobody listens on port " + std::to_string(port));
  }
  return fd;
}

void add_video(std::string& sdp, const Line& line) {
  sdp +=
      "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
      "a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\n"
      "a=fmtp:97 apt=96\r\n";
  if (line.ssrc.value == 0) return;
  const std::string media = std::to_string(line.ssrc.value);
  const std::string rtx = std::to_string(line.rtx_ssrc.value);
  sdp += "a=ssrc-group:FID " + media + " " + rtx + "\r\na=ssrc:" + media +
         " cname:load\r\na=ssrc:" + rtx + " cname:load\r\n";
}

void add_audio(std::string& sdp, const Line& line) {
  sdp +=
      "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
      "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
      "a=fmtp:111 minptime=10;useinbandfec=1\r\n";
  if (line.ssrc.value != 0) {
    sdp += "a=ssrc:" + std::to_string(line.ssrc.value) + " cname:load\r\n";
  }
}

}  // namespace

std::string make_offer(const std::vector<Line>& lines, const server::IceCredentials& local,
                       const std::string& fingerprint) {
  std::string sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE";
  for (const Line& line : lines) sdp += " " + line.mid;
  sdp += "\r\na=extmap-allow-mixed\r\n";
  for (const Line& line : lines) {
    const bool video = line.kind == rtp::MediaKind::Video;
    sdp += std::string("m=") + (video ? "video" : "audio") + " 9 UDP/TLS/RTP/SAVPF " +
           (video ? "96 97" : "111") + "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:" + local.ufrag +
           "\r\na=ice-pwd:" + local.pwd + "\r\na=fingerprint:" + fingerprint +
           "\r\na=setup:actpass\r\na=mid:" + line.mid +
           "\r\na=" + (line.ssrc.value != 0 ? "sendonly" : "recvonly") +
           "\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
           "a=extmap:3 http://www.ietf.org/id/"
           "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
           "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
    if (video) {
      add_video(sdp, line);
    } else {
      add_audio(sdp, line);
    }
  }
  return sdp;
}

Remote read_answer(const std::string& sdp) {
  const auto answer = control::sdp::parse(sdp);
  if (!answer || answer->sections.empty()) fail("an answer that is none:\n" + sdp);
  const auto& section = answer->sections.front();
  Remote remote;
  remote.credentials = {section.ice_ufrag, section.ice_pwd};
  remote.fingerprints = section.fingerprints;
  // a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host
  const std::size_t at = sdp.find("a=candidate:");
  if (at == std::string::npos) fail("an answer without a candidate:\n" + sdp);
  std::vector<std::string> words{""};
  for (std::size_t i = at; i < sdp.size() && sdp[i] != '\r'; ++i) {
    if (sdp[i] == ' ') {
      words.emplace_back();
    } else {
      words.back() += sdp[i];
    }
  }
  if (words.size() < 8) fail("a candidate that is none:\n" + sdp);
  const auto port = static_cast<std::uint16_t>(std::stoi(words[5]));
  const auto address = server::TransportAddress::parse_ip(words[4], port);
  if (!address) fail("a candidate without an address:\n" + sdp);
  remote.address = *address;
  return remote;
}

Signalling::Signalling(std::uint16_t port) : fd_(connect_to(port)) {
  send(
      "GET /v1/rtc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: parley.rtc.v1\r\n\r\n");
  std::size_t end = 0;
  while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more(true)) fail("the server closed a new connection");
  }
  if (!input_.starts_with("HTTP/1.1 101")) fail("no WebSocket: " + input_.substr(0, 200));
  input_.erase(0, end + 4);
}

Signalling::~Signalling() { close(fd_); }

void Signalling::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail("the server closed a participant's socket");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool Signalling::read_more(bool wait) {
  char buffer[16'384];
  const ssize_t size = recv(fd_, buffer, sizeof buffer, wait ? 0 : MSG_DONTWAIT);
  if (size <= 0) return false;
  bytes_received_ += static_cast<std::uint64_t>(size);
  input_.append(buffer, static_cast<std::size_t>(size));
  return true;
}

Json Signalling::ask(const std::string& method, Json params) {
  const std::int64_t id = ++last_id_;
  const Json request = Json::object(
      {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}});
  send(control::test::text(request.dump()));
  for (;;) {
    const auto frame = control::test::take_frame(input_);
    if (!frame) {
      if (!read_more(true)) fail("no answer to " + method);
      continue;
    }
    if (frame->opcode != 1) continue;
    const auto message = Json::parse(frame->payload);
    if (!message) continue;
    const Json* answered = message->find("id");
    if (answered == nullptr || *answered != Json(id)) continue;
    const Json* result = message->find("result");
    if (result == nullptr) fail(method + ": " + frame->payload);
    return *result;
  }
}

void Signalling::drain() {
  while (read_more(false)) {
  }
  while (const auto frame = control::test::take_frame(input_)) {
    if (frame->opcode == 9) send(control::test::frame(10, frame->payload));
  }
}

std::string sign_token(const std::string& secret, Json claims) {
  const auto key = control::JwtKey::hs256(secret);
  const auto now_s = static_cast<std::int64_t>(time(nullptr));
  claims.set("iss", "load");
  claims.set("jti", "load");
  claims.set("nbf", now_s - 1);
  claims.set("exp", now_s + 250);
  return *control::sign_jwt(claims, *key);
}

Json call_api(std::uint16_t port, const std::string& secret, const std::string& method,
              Json params) {
  const std::string token = sign_token(secret, Json::object({{"aud", "parley-control"}}));
  const std::string body =
      Json::object(
          {{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", std::move(params)}})
          .dump();
  const int fd = connect_to(port);
  const std::string request =
      "POST /v1/rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      "Authorization: Bearer " +
      token + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::string answer;
  char buffer[16'384];
  ssize_t size = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  while (size > 0 && (size = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    answer.append(buffer, static_cast<std::size_t>(size));
  }
  close(fd);
  const std::size_t at = answer.find("\r\n\r\n");
  const auto json = Json::parse(at == std::string::npos ? "" : answer.substr(at + 4));
  const Json* result = json ? json->find("result") : nullptr;
  if (result == nullptr) fail(method + ": " + answer);
  return *result;
}

}  // namespace parley::bench
