#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <curl/curl.h>
#include <tl/expected.hpp>

#include "control/json.h"

namespace parley::cli {

// Exit codes of parleyctl.
inline constexpr int kFailed = 1;   // the server cannot be reached, or something else went wrong
inline constexpr int kUsage = 2;    // the command line makes no sense
inline constexpr int kRefused = 3;  // the server answered with an error
struct Failure {
  int code = kFailed;
  std::string why;
};

// An API key as the command line names it.
struct Key {
  std::string id;
  std::string secret_file;  // an HS256 secret, or a PEM Ed25519 private key

  // A token with these claims and `iss`.
  [[nodiscard]] tl::expected<std::string, Failure> sign(control::Json claims) const;
};
[[nodiscard]] control::Json api_claims(std::int64_t now_s);
// `grants` is the claim `parley`: tenant, room, role and more.
[[nodiscard]] control::Json join_claims(const std::string& identity, control::Json grants,
                                        std::int64_t now_s, std::int64_t ttl_s);

// How the server is reached.
struct Server {
  std::string url = "http://localhost:7080";
  std::string socket_file;  // instead: control.socket_file, where no key is needed
  std::string ca_file;
  bool insecure = false;
};

struct CurlDeleter {
  void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
};
using Curl = std::unique_ptr<CURL, CurlDeleter>;
// A handle that trusts whom `server` says.
[[nodiscard]] Curl make_curl(const Server& server);

// The result of one method.
[[nodiscard]] tl::expected<control::Json, Failure> call(const Key& key, const Server& server,
                                                        const std::string& method,
                                                        const control::Json& params);

}  // namespace parley::cli
