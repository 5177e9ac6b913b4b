#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley::control {

// The server's side of one WebSocket (RFC 6455) between bytes and messages, on wslay's frame
// reader. It knows neither sockets nor time. No extensions are offered, so no compression.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-------+-+-------------+-------------------------------+
//   |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//   |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
//   |N|V|V|V|       |S|             |   (if payload len==126/127)   |
//   | |1|2|3|       |K|             |                               |
//   +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//   |     Extended payload length continued, if payload len == 127  |
//   + - - - - - - - - - - - - - - - +-------------------------------+
//   |                               |Masking-key, if MASK set to 1  |
//   +-------------------------------+-------------------------------+
//   | Masking-key (continued)       |          Payload Data         |
//   +-------------------------------- - - - - - - - - - - - - - - - +
class WebSocket {
 public:
  static constexpr std::uint16_t kNormal = 1000;
  static constexpr std::uint16_t kProtocolError = 1002;
  static constexpr std::uint16_t kUnsupportedData = 1003;
  static constexpr std::uint16_t kNoStatus = 1005;
  static constexpr std::uint16_t kAbnormal = 1006;
  static constexpr std::uint16_t kBadPayload = 1007;
  static constexpr std::uint16_t kTooBig = 1009;

  // A message of more bytes is refused with 1009 as soon as a frame header says so.
  explicit WebSocket(std::size_t max_message_bytes);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // Takes all bytes and appends whole text messages. Pings are answered, a close frame is too, and
  // a violation queues the close frame it deserves: look at failed_with() and take_output().
  void receive(std::string_view bytes, std::vector<std::string>& messages);
  // Queue a frame; false once a close frame is queued.
  bool send_text(std::string_view text);
  bool send_ping();
  // A reason over 123 bytes is cut (section 5.5).
  bool send_close(std::uint16_t code, std::string_view reason);
  // Moves the frames that are queued to the end of `into`.
  void take_output(std::string& into);

  // Our close frame is queued or sent; nothing more may be said.
  [[nodiscard]] bool closing() const noexcept;
  // The peer's close code (1005 when its frame held none), once its frame came and was sound.
  [[nodiscard]] std::optional<std::uint16_t> peer_close() const noexcept;
  // The code that a violation earned.
  [[nodiscard]] std::optional<std::uint16_t> failed_with() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::control
