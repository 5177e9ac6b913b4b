#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "control/listener.h"

namespace parley::control {

// The head of a response (RFC 9112, section 4) with Date, Content-Length and Connection, which are
// ours to say. Field values that hold line breaks, our own mistake, lose them.
[[nodiscard]] std::string response_head(const HttpResponse& response, std::uint64_t content_length,
                                        bool keep_alive, std::int64_t wall_ms);

// 101 Switching Protocols (RFC 6455, section 4.2.2).
[[nodiscard]] std::string switching_head(std::string_view accept, std::string_view subprotocol);

// A short text for people, as answer to what cannot be served.
[[nodiscard]] HttpResponse plain_response(int status, std::string_view what);

}  // namespace parley::control
