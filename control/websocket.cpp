#include "control/websocket.h"

#include <algorithm>
#include <cstring>

#include <wslay/wslay.h>

#include "control/utf8.h"

namespace parley::control {
namespace {

constexpr std::size_t kMaxControlPayload = 125;
constexpr std::size_t kMaxCloseReason = kMaxControlPayload - 2;

// Codes that may be sent (section 7.4 and the registry): the others are reserved.
bool is_sendable(std::uint16_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

bool is_control(std::uint8_t opcode) { return (opcode & 8U) != 0; }

void append_big_endian(std::string& into, std::uint64_t number, unsigned bytes) {
  while (bytes-- > 0) into += static_cast<char>((number >> (8 * bytes)) & 0xFFU);
}

// A server's frame: whole and never masked.
void append_frame(std::string& into, std::uint8_t opcode, std::string_view payload) {
  into += static_cast<char>(0x80U | opcode);
  if (payload.size() <= kMaxControlPayload) {
    into += static_cast<char>(payload.size());
  } else if (payload.size() <= 0xFFFF) {
    into += static_cast<char>(126);
    append_big_endian(into, payload.size(), 2);
  } else {
    into += static_cast<char>(127);
    append_big_endian(into, payload.size(), 8);
  }
  into += payload;
}

}  // namespace

// wslay's frame reader finds the frames and unmasks them; what frames mean together stands here.
// (wslay's own event interface misjudges a close reason that comes in more than one read.)
struct WebSocket::Impl {
  explicit Impl(std::size_t limit) : max_message_bytes(limit) {
    wslay_frame_callbacks callbacks{};
    callbacks.recv_callback = [](std::uint8_t* buffer, std::size_t size, int, void* self) {
      return static_cast<Impl*>(self)->give(buffer, size);
    };
    // Out of memory is the only failure; the caller then sees a WebSocket that is closing.
    if (wslay_frame_context_init(&reader, &callbacks, this) != 0) reader = nullptr;
  }
  ~Impl() {
    if (reader != nullptr) wslay_frame_context_free(reader);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ssize_t give(std::uint8_t* buffer, std::size_t size) {
    if (input.empty()) return -1;
    const std::size_t taken = std::min(size, input.size());
    std::memcpy(buffer, input.data(), taken);
    input.remove_prefix(taken);
    return static_cast<ssize_t>(taken);
  }

  [[nodiscard]] bool reading() const { return reader != nullptr && !violation && !peer_close; }

  void fail(std::uint16_t code) {
    if (violation) return;
    violation = code;
    close(code, "");
  }

  bool close(std::uint16_t code, std::string_view reason) {
    if (close_sent) return false;
    close_sent = true;
    std::string payload;
    if (code != kNoStatus) append_big_endian(payload, is_sendable(code) ? code : kNormal, 2);
    append_frame(output, WSLAY_CONNECTION_CLOSE, payload + std::string(reason));
    return true;
  }

  // One piece of a frame's payload; the header comes with each.
  void take(const wslay_frame_iocb& piece, std::vector<std::string>& messages) {
    if (frame_at == 0) {
      if (const std::uint16_t fault = fault_of(piece); fault != 0) return fail(fault);
    }
    std::string& into = is_control(piece.opcode) ? control : text;
    if (piece.data_length > 0) {
      into.append(reinterpret_cast<const char*>(piece.data), piece.data_length);
    }
    frame_at += piece.data_length;
    if (frame_at < piece.payload_length) return;
    frame_at = 0;
    if (is_control(piece.opcode)) {
      const std::string payload = std::move(control);
      control.clear();
      take_control(piece.opcode, payload);
    } else {
      in_message = piece.fin == 0;
      if (!in_message) take_message(messages);
    }
  }

  // What is wrong with a frame that begins, by its header; 0 if nothing (section 5.2 to 5.5).
  [[nodiscard]] std::uint16_t fault_of(const wslay_frame_iocb& frame) const {
    if (frame.mask == 0 || frame.rsv != 0) return kProtocolError;
    if (is_control(frame.opcode)) {
      const bool known = frame.opcode <= WSLAY_PONG;
      const bool sound = frame.fin != 0 && frame.payload_length <= kMaxControlPayload;
      return known && sound ? 0 : kProtocolError;
    }
    if (frame.opcode > WSLAY_BINARY_FRAME) return kProtocolError;
    if (in_message != (frame.opcode == WSLAY_CONTINUATION_FRAME)) return kProtocolError;
    if (frame.opcode == WSLAY_BINARY_FRAME) return kUnsupportedData;
    return frame.payload_length > max_message_bytes - text.size() ? kTooBig : 0;
  }

  void take_message(std::vector<std::string>& messages) {
    if (!is_utf8(text)) return fail(kBadPayload);
    messages.push_back(std::move(text));
    text.clear();
  }

  void take_control(std::uint8_t opcode, std::string_view payload) {
    if (opcode == WSLAY_PING && !close_sent) append_frame(output, WSLAY_PONG, payload);
    if (opcode != WSLAY_CONNECTION_CLOSE) return;
    if (payload.empty()) {
      peer_close = kNoStatus;
    } else {
      if (payload.size() == 1) return fail(kProtocolError);
      const auto code = static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8U |
                                                   static_cast<unsigned char>(payload[1]));
      if (!is_sendable(code)) return fail(kProtocolError);
      if (!is_utf8(payload.substr(2))) return fail(kBadPayload);
      peer_close = code;
    }
    close(*peer_close, "");
  }

  std::size_t max_message_bytes;
  wslay_frame_context_ptr reader = nullptr;
  std::string_view input;
  std::string output;        // frames for the peer
  std::string text;          // of the message that comes in, never over max_message_bytes
  std::string control;       // of the control frame that comes in, which may be within a message
  std::size_t frame_at = 0;  // bytes of the present frame's payload that have come
  bool in_message = false;   // the next data frame must continue it
  bool close_sent = false;
  std::optional<std::uint16_t> violation;
  std::optional<std::uint16_t> peer_close;
};

WebSocket::WebSocket(std::size_t max_message_bytes)
    : impl_(std::make_unique<Impl>(max_message_bytes)) {}
WebSocket::~WebSocket() = default;

void WebSocket::receive(std::string_view bytes, std::vector<std::string>& messages) {
  impl_->input = bytes;
  while (impl_->reading()) {
    wslay_frame_iocb piece{};
    const ssize_t result = wslay_frame_recv(impl_->reader, &piece);
    if (result == WSLAY_ERR_WANT_READ) break;
    if (result < 0) {
      impl_->fail(kProtocolError);
    } else {
      impl_->take(piece, messages);
    }
  }
  impl_->input = {};
}

bool WebSocket::send_text(std::string_view text) {
  if (closing()) return false;
  append_frame(impl_->output, WSLAY_TEXT_FRAME, text);
  return true;
}

bool WebSocket::send_ping() {
  if (closing()) return false;
  append_frame(impl_->output, WSLAY_PING, "");
  return true;
}

bool WebSocket::send_close(std::uint16_t code, std::string_view reason) {
  // Cut before a character that does not fit: half of one is no UTF-8.
  std::size_t size = std::min(reason.size(), kMaxCloseReason);
  while (size > 0 && size < reason.size() &&
         (static_cast<unsigned char>(reason[size]) & 0xC0U) == 0x80U) {
    --size;
  }
  return impl_->close(code, reason.substr(0, size));
}

void WebSocket::take_output(std::string& into) {
  into += impl_->output;
  impl_->output.clear();
}

bool WebSocket::closing() const noexcept { return impl_->close_sent || impl_->reader == nullptr; }

std::optional<std::uint16_t> WebSocket::peer_close() const noexcept { return impl_->peer_close; }

std::optional<std::uint16_t> WebSocket::failed_with() const noexcept { return impl_->violation; }

}  // namespace parley::control
