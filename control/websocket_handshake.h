#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/listener.h"

namespace parley::control {

// The opening handshake of a WebSocket, seen by the server (RFC 6455, section 4.2).

// The value of Sec-WebSocket-Accept for a key (section 4.2.2).
[[nodiscard]] std::string websocket_accept(std::string_view key);
// Checks an upgrade request (section 4.2.1); the response says what is wrong (400, 405, 426).
[[nodiscard]] tl::expected<void, HttpResponse> check_websocket_handshake(
    const HttpRequest& request);
// Whether the client offered it.
[[nodiscard]] bool offers_subprotocol(const HttpRequest& request, std::string_view name);

}  // namespace parley::control
