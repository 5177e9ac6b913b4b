#include "control/ice_servers.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "control/base64url.h"

namespace parley::control {
namespace {

std::string hmac_sha1_base64(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return base64_encode({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace

void add_ice_servers(Json& to, const std::vector<config::IceServer>& servers,
                     std::string_view identity, std::int64_t wall_ms) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  std::int64_t first_ms = kNever;
  Json list = Json::array();
  for (const config::IceServer& server : servers) {
    Json urls = Json::array();
    for (const std::string& url : server.urls) urls.push(url);
    Json one = Json::object({{"urls", std::move(urls)}});
    if (!server.secret.empty()) {
      const std::int64_t expires_s = (wall_ms + server.ttl_ms) / 1'000;
      const std::string username = std::to_string(expires_s) + ":" + std::string(identity);
      one.set("username", username);
      one.set("credential", hmac_sha1_base64(server.secret, username));
      first_ms = std::min(first_ms, expires_s * 1'000);
    } else if (!server.username.empty()) {
      one.set("username", server.username);
      one.set("credential", server.credential);
    }
    list.push(std::move(one));
  }
  to.set("ice_servers", std::move(list));
  if (first_ms != kNever) to.set("ice_servers_expire_ms", first_ms);
}

}  // namespace parley::control
