#include "control/websocket.h"

#include <algorithm>
#include <cstring>

#include <wslay/wslay.h>

namespace parley::control {
namespace {

constexpr std::size_t kMaxCloseReason = 123;
constexpr std::string_view kEmptyClose("\x88\0", 2);

// Codes that may be sent (section 7.4.1 and the registry): what remains is reserved.
bool is_sendable(std::uint16_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

struct WebSocket::Impl {
  explicit Impl(std::size_t limit) : max_message_bytes(limit) {
    wslay_event_callbacks callbacks{};
    callbacks.recv_callback = [](wslay_event_context_ptr, std::uint8_t* buffer, std::size_t size,
                                 int, void* self) {
      return static_cast<Impl*>(self)->give(buffer, size);
    };
    callbacks.send_callback = [](wslay_event_context_ptr, const std::uint8_t* data,
                                 std::size_t size, int, void* self) {
      static_cast<Impl*>(self)->output.append(reinterpret_cast<const char*>(data), size);
      return static_cast<ssize_t>(size);
    };
    callbacks.on_frame_recv_start_callback =
        [](wslay_event_context_ptr, const wslay_event_on_frame_recv_start_arg* frame, void* self) {
          static_cast<Impl*>(self)->frame_starts(*frame);
        };
    callbacks.on_frame_recv_chunk_callback =
        [](wslay_event_context_ptr, const wslay_event_on_frame_recv_chunk_arg* chunk, void* self) {
          static_cast<Impl*>(self)->chunk_comes(*chunk);
        };
    callbacks.on_msg_recv_callback = [](wslay_event_context_ptr,
                                        const wslay_event_on_msg_recv_arg* message, void* self) {
      static_cast<Impl*>(self)->message_ends(*message);
    };
    // Out of memory is the only failure; the caller then sees a socket that is closed.
    if (wslay_event_context_server_init(&context, &callbacks, this) != 0) context = nullptr;
    // Payloads are gathered here as they come: wslay would reserve what a header promises.
    if (context != nullptr) wslay_event_config_set_no_buffering(context, 1);
  }
  ~Impl() {
    if (context != nullptr) wslay_event_context_free(context);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ssize_t give(std::uint8_t* buffer, std::size_t size) {
    if (input.empty() || violation) {
      wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    const std::size_t taken = std::min(size, input.size());
    std::memcpy(buffer, input.data(), taken);
    input.remove_prefix(taken);
    return static_cast<ssize_t>(taken);
  }

  void fail(std::uint16_t code) {
    if (!violation) violation = code;
  }

  void frame_starts(const wslay_event_on_frame_recv_start_arg& frame) {
    const bool control = (frame.opcode & 8U) != 0;
    const bool known =
        frame.opcode <= WSLAY_BINARY_FRAME || (control && frame.opcode <= WSLAY_PONG);
    in_data_frame = !control;
    if (!known) return fail(kProtocolError);
    if (control) return;
    if (frame.opcode == WSLAY_BINARY_FRAME) return fail(kUnsupportedData);
    if (frame.payload_length > max_message_bytes - std::min(text.size(), max_message_bytes)) {
      fail(kTooBig);
    }
  }

  void chunk_comes(const wslay_event_on_frame_recv_chunk_arg& chunk) {
    if (!in_data_frame || violation) return;
    text.append(reinterpret_cast<const char*>(chunk.data), chunk.data_length);
  }

  void message_ends(const wslay_event_on_msg_recv_arg& message) {
    if (violation) return;
    if (message.opcode == WSLAY_TEXT_FRAME) {
      messages->push_back(std::move(text));
      text.clear();
    } else if (message.opcode == WSLAY_CONNECTION_CLOSE && message.msg_length == 1) {
      fail(kProtocolError);  // half a close code; wslay takes it for none
    }
  }

  bool queue(std::uint8_t opcode, std::string_view payload) {
    const wslay_event_msg message{opcode, reinterpret_cast<const std::uint8_t*>(payload.data()),
                                  payload.size()};
    if (context == nullptr || wslay_event_queue_msg(context, &message) != 0) return false;
    flush();
    return true;
  }

  // At once after each frame: left in wslay's queue, a close frame would overtake the messages.
  void flush() {
    if (close_sent) return;
    if (wslay_event_send(context) != 0) fail(kProtocolError);
    close_sent = wslay_event_get_close_sent(context) != 0;
    if (!close_sent || !violation) return;
    // wslay answers a framing error with a close frame that says nothing; ours says why.
    const std::uint16_t said = wslay_event_get_status_code_sent(context);
    if (said != kNoStatus) {
      violation = said;
    } else if (output.ends_with(kEmptyClose)) {
      output.resize(output.size() - kEmptyClose.size());
      output.append({static_cast<char>(0x80U | WSLAY_CONNECTION_CLOSE), 2,
                     static_cast<char>(*violation >> 8U), static_cast<char>(*violation & 0xFFU)});
    }
  }

  std::size_t max_message_bytes;
  wslay_event_context_ptr context = nullptr;
  std::string_view input;
  std::string output;  // frames for the peer
  std::vector<std::string>* messages = nullptr;
  std::string text;  // of the message that is coming in
  bool in_data_frame = false;
  bool close_queued = false;
  bool close_sent = false;
  std::optional<std::uint16_t> violation;
};

WebSocket::WebSocket(std::size_t max_message_bytes)
    : impl_(std::make_unique<Impl>(max_message_bytes)) {}
WebSocket::~WebSocket() = default;

void WebSocket::receive(std::string_view bytes, std::vector<std::string>& messages) {
  Impl& impl = *impl_;
  if (impl.context == nullptr || impl.violation) return;
  impl.input = bytes;
  impl.messages = &messages;
  const int result = wslay_event_recv(impl.context);
  impl.input = {};
  impl.messages = nullptr;
  const bool closed_by_peer = wslay_event_get_close_received(impl.context) != 0;
  if (impl.violation) {
    wslay_event_shutdown_read(impl.context);
    (void)send_close(*impl.violation, "");
  } else if (result != 0 || (!wslay_event_get_read_enabled(impl.context) && !closed_by_peer)) {
    impl.fail(kProtocolError);  // wslay found it and has queued the close frame
  }
  impl.flush();  // also the answers to pings and to a close frame
  impl.close_queued = impl.close_queued || closed_by_peer || impl.violation;
}

bool WebSocket::send_text(std::string_view text) {
  return !impl_->close_queued && impl_->queue(WSLAY_TEXT_FRAME, text);
}

bool WebSocket::send_ping() { return !impl_->close_queued && impl_->queue(WSLAY_PING, ""); }

bool WebSocket::send_close(std::uint16_t code, std::string_view reason) {
  if (impl_->close_queued || impl_->context == nullptr) return false;
  impl_->close_queued = true;
  reason = reason.substr(0, kMaxCloseReason - 1);
  // Never half a character: the reason must be UTF-8.
  while (!reason.empty() && reason.size() == kMaxCloseReason - 1 &&
         (static_cast<unsigned char>(reason.back()) & 0x80U) != 0) {
    reason.remove_suffix(1);
  }
  if (wslay_event_queue_close(impl_->context, is_sendable(code) ? code : kNormal,
                              reinterpret_cast<const std::uint8_t*>(reason.data()),
                              reason.size()) != 0) {
    return false;
  }
  impl_->flush();
  return true;
}

void WebSocket::take_output(std::string& into) {
  into += impl_->output;
  impl_->output.clear();
}

bool WebSocket::closing() const noexcept {
  return impl_->close_queued || impl_->violation.has_value() || impl_->context == nullptr;
}

std::optional<std::uint16_t> WebSocket::peer_close() const noexcept {
  if (impl_->context == nullptr || !wslay_event_get_close_received(impl_->context)) {
    return std::nullopt;
  }
  return wslay_event_get_status_code_received(impl_->context);
}

std::optional<std::uint16_t> WebSocket::failed_with() const noexcept { return impl_->violation; }

}  // namespace parley::control
