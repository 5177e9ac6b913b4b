#include "control/cli/connection.h"

#include <array>
#include <fstream>

#include "control/jwt.h"
#include "control/random_id.h"
#include "server/loop.h"

namespace parley::cli {
namespace {

using control::Json;
using control::JwtKey;

constexpr std::size_t kMaxAnswer = 16'777'216;
constexpr std::int64_t kApiTokenTtlS = 60;
constexpr long kTimeoutS = 30;

std::size_t append(char* data, std::size_t, std::size_t size, void* into) {
  auto* answer = static_cast<std::string*>(into);
  if (answer->size() + size > kMaxAnswer) return 0;  // curl ends the transfer
  answer->append(data, size);
  return size;
}

// One request: the body of the answer, whatever its HTTP status, because an error says why in JSON.
tl::expected<Json, Failure> post(const Server& server, const std::string& token,
                                 const std::string& body) {
  const Curl curl = make_curl(server);
  curl_slist* lines = curl_slist_append(nullptr, "Content-Type: application/json");
  if (!token.empty()) {
    lines = curl_slist_append(lines, ("Authorization: Bearer " + token).c_str());
  }
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> header(lines,
                                                                           &curl_slist_free_all);
  std::string answer;
  std::array<char, CURL_ERROR_SIZE> problem{};
  const std::string url = server.url + "/v1/rpc";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, header.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, problem.data());
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return tl::unexpected(
        Failure{kFailed, problem[0] != 0 ? problem.data() : curl_easy_strerror(code)});
  }
  auto json = Json::parse_own(answer);
  if (!json) return tl::unexpected(Failure{kFailed, server.url + " gave no JSON: " + json.error()});
  return *json;
}

}  // namespace

tl::expected<std::string, Failure> Key::sign(Json claims) const {
  std::ifstream in(secret_file);
  std::string secret;
  if (!std::getline(in, secret)) {
    return tl::unexpected(Failure{kUsage, "cannot read " + secret_file});
  }
  const bool pem = secret.starts_with("-----BEGIN");
  if (pem) {
    for (std::string line; std::getline(in, line);) secret += "\n" + line;
    secret += "\n";
  }
  const auto key = pem ? JwtKey::ed25519(secret) : JwtKey::hs256(secret);
  if (!key) return tl::unexpected(Failure{kUsage, secret_file + ": " + key.error()});
  claims.set("iss", id);
  auto token = control::sign_jwt(claims, *key);
  if (!token) return tl::unexpected(Failure{kUsage, secret_file + " holds no private key"});
  return *token;
}

Json api_claims(std::int64_t now_s) {
  return Json::object({{"aud", "parley-control"},
                       {"iat", now_s},
                       {"exp", now_s + kApiTokenTtlS},
                       {"jti", control::random_id("jt")}});
}

Json join_claims(const std::string& identity, Json grants, std::int64_t now_s, std::int64_t ttl_s) {
  return Json::object({{"aud", "parley-join"},
                       {"sub", identity},
                       {"jti", control::random_id("jt")},
                       {"iat", now_s},
                       {"nbf", now_s},
                       {"exp", now_s + ttl_s},
                       {"parley", std::move(grants)}});
}

Curl make_curl(const Server& server) {
  Curl curl(curl_easy_init());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kTimeoutS);
  if (!server.socket_file.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, server.socket_file.c_str());
  }
  if (!server.ca_file.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, server.ca_file.c_str());
  }
  if (server.insecure) {
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  return curl;
}

tl::expected<Json, Failure> call(const Key& key, const Server& server, const std::string& method,
                                 const Json& params) {
  std::string token;
  if (!key.id.empty()) {
    auto signed_token = key.sign(api_claims(server::Loop::wall_ms() / 1'000));
    if (!signed_token) return tl::unexpected(signed_token.error());
    token = std::move(*signed_token);
  } else if (server.socket_file.empty()) {
    return tl::unexpected(Failure{kUsage, "--key-id and --secret-file, or --socket, are needed"});
  }
  const Json request =
      Json::object({{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}});
  const auto answer = post(server, token, request.dump());
  if (!answer) return tl::unexpected(answer.error());
  if (const Json* result = answer->find("result")) return *result;
  const Json* error = answer->find("error");
  return tl::unexpected(Failure{kRefused, (error == nullptr ? *answer : *error).dump()});
}

}  // namespace parley::cli
