#include "control/websocket_handshake.h"

#include <algorithm>
#include <array>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "control/http_writer.h"

namespace parley::control {
namespace {

constexpr std::string_view kAcceptGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeyLetters = 24;  // 16 bytes in base64

// Calls `visit` with each item of a comma-separated field.
template <class Visit>
void for_each_item(std::string_view list, const Visit& visit) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    visit(item);
  }
}

// 16 bytes in padded base64: 21 letters, one with two bits, "==".
bool is_key(std::string_view key) {
  if (key.size() != kKeyLetters || !key.ends_with("==")) return false;
  return std::all_of(key.begin(), key.end() - 2, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  });
}

}  // namespace

std::string websocket_accept(std::string_view key) {
  const std::string input = std::string(key) + std::string(kAcceptGuid);
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(input.data()), input.size(), digest.data());
  std::array<unsigned char, 32> text{};  // 28 letters and the zero that OpenSSL adds
  const int size = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
  return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size)};
}

tl::expected<void, HttpResponse> check_websocket_handshake(const HttpRequest& request) {
  if (request.method != "GET")
    return tl::unexpected(plain_response(405, "WebSocket begins with GET"));
  const std::string* version = request.header("sec-websocket-version");
  if (version == nullptr || *version != "13") {
    HttpResponse response = plain_response(426, "WebSocket version 13 is needed");
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
    return tl::unexpected(std::move(response));
  }
  const std::string* key = request.header("sec-websocket-key");
  if (key == nullptr || !is_key(*key))
    return tl::unexpected(plain_response(400, "bad Sec-WebSocket-Key"));
  if (!request.body.empty()) return tl::unexpected(plain_response(400, "a handshake has no body"));
  return {};
}

bool offers_subprotocol(const HttpRequest& request, std::string_view name) {
  bool offered = false;
  for (const auto& [field, value] : request.headers) {
    if (field != "sec-websocket-protocol") continue;
    for_each_item(value, [&](std::string_view item) { offered = offered || item == name; });
  }
  return offered && !name.empty();
}

}  // namespace parley::control
