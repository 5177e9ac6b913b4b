#include "control/http_writer.h"

#include "control/http_parser.h"
#include "control/http_range.h"

namespace parley::control {
namespace {

void append_field(std::string& head, std::string_view name, std::string_view value) {
  head += name;
  head += ": ";
  for (const char c : value) head += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  head += "\r\n";
}

}  // namespace

std::string response_head(const HttpResponse& response, std::uint64_t content_length,
                          bool keep_alive, std::int64_t wall_ms) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " ";
  head += http_reason(response.status);
  head += "\r\n";
  append_field(head, "Date", http_date(wall_ms));
  if (!response.content_type.empty()) append_field(head, "Content-Type", response.content_type);
  // 204 and 304 have no body, and a length would speak of one (RFC 9110, section 8.6).
  if (response.status != 204 && response.status != 304) {
    append_field(head, "Content-Length", std::to_string(content_length));
  }
  append_field(head, "X-Content-Type-Options", "nosniff");
  append_field(head, "Connection", keep_alive ? "keep-alive" : "close");
  for (const auto& [name, value] : response.headers) append_field(head, name, value);
  return head + "\r\n";
}

std::string switching_head(std::string_view accept, std::string_view subprotocol) {
  std::string head = "HTTP/1.1 101 Switching Protocols\r\n";
  append_field(head, "Upgrade", "websocket");
  append_field(head, "Connection", "Upgrade");
  append_field(head, "Sec-WebSocket-Accept", accept);
  if (!subprotocol.empty()) append_field(head, "Sec-WebSocket-Protocol", subprotocol);
  return head + "\r\n";
}

HttpResponse plain_response(int status, std::string_view what) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::string(what) + "\n";
  return response;
}

}  // namespace parley::control
