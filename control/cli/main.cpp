// parleyctl: calls the control API and makes join tokens, for people and scripts.

#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/json.h"
#include "control/jwt.h"
#include "control/random_id.h"
#include "server/loop.h"

namespace {

using parley::control::Json;
using parley::control::JwtKey;

constexpr int kUsage = 2;
constexpr int kRefused = 3;  // the server answered with an error
constexpr std::size_t kMaxAnswer = 16'777'216;
constexpr std::int64_t kApiTokenTtlS = 60;

int fail(int code, const std::string& message) {
  std::cerr << "parleyctl: " << message << "\n";
  return code;
}

tl::unexpected<std::string> bad(std::string message) { return tl::unexpected(std::move(message)); }

struct Key {
  std::string id;
  std::string secret_file;

  [[nodiscard]] tl::expected<std::string, std::string> sign(Json claims) const {
    std::ifstream in(secret_file);
    std::string secret;
    if (!std::getline(in, secret)) return tl::unexpected("cannot read " + secret_file);
    if (secret.starts_with("-----BEGIN")) {
      for (std::string line; std::getline(in, line);) secret += "\n" + line;
      secret += "\n";
    }
    const auto key =
        secret.starts_with("-----BEGIN") ? JwtKey::ed25519(secret) : JwtKey::hs256(secret);
    if (!key) return tl::unexpected(secret_file + ": " + key.error());
    claims.set("iss", id);
    auto token = parley::control::sign_jwt(claims, *key);
    if (!token) return tl::unexpected(secret_file + " holds no private key");
    return *token;
  }
};

struct Url {
  std::string host;
  std::string port = "80";
};

tl::expected<Url, std::string> parse_url(std::string text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) {
    return bad(
        "--url must be http://HOST:PORT; for https call the server from its own "
        "machine, or use curl with the token of `parleyctl token --api`");
  }
  text = text.substr(kScheme.size(), text.find('/', kScheme.size()) - kScheme.size());
  Url url;
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && text.find(']', colon) == std::string::npos;
  url.host = text.substr(0, has_port ? colon : text.size());
  if (has_port) url.port = text.substr(colon + 1);
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  return url;
}

class Socket {
 public:
  static tl::expected<Socket, std::string> connect_to(const Url& url) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int error = getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &list);
        error != 0) {
      return tl::unexpected(url.host + ": " + gai_strerror(error));
    }
    int fd = -1;
    for (const addrinfo* a = list; a != nullptr && fd < 0; a = a->ai_next) {
      fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
      if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
      }
    }
    freeaddrinfo(list);
    if (fd < 0) return tl::unexpected("cannot connect to " + url.host + ":" + url.port);
    return Socket(fd);
  }
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }

  [[nodiscard]] bool write_all(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t n = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  [[nodiscard]] std::string read_all() const {
    std::string all;
    char buffer[16'384];
    for (ssize_t n = 0; all.size() < kMaxAnswer && (n = recv(fd_, buffer, sizeof buffer, 0)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(n));
    }
    return all;
  }

 private:
  explicit Socket(int fd) : fd_(fd) {}
  int fd_;
};

// One request with `Connection: close`: the body is all that follows the header.
tl::expected<Json, std::string> post(const std::string& url_text, const std::string& token,
                                     const std::string& body) {
  const auto url = parse_url(url_text);
  if (!url) return tl::unexpected(url.error());
  const auto socket = Socket::connect_to(*url);
  if (!socket) return tl::unexpected(socket.error());
  const std::string request =
      "POST /v1/rpc HTTP/1.1\r\nHost: " + url->host + ":" + url->port +
      "\r\nAuthorization: Bearer " + token +
      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\nConnection: close\r\n\r\n" + body;
  if (!socket->write_all(request)) return bad("the connection broke");
  const std::string answer = socket->read_all();
  const std::size_t header_end = answer.find("\r\n\r\n");
  if (header_end == std::string::npos) return bad("the server gave no HTTP answer");
  auto json = Json::parse(std::string_view(answer).substr(header_end + 4));
  if (!json) return tl::unexpected("the answer is no JSON: " + json.error());
  return *json;
}

Json api_claims(std::int64_t now_s) {
  return Json::object({{"aud", "parley-control"},
                       {"iat", now_s},
                       {"exp", now_s + kApiTokenTtlS},
                       {"jti", parley::control::random_id("jt")}});
}

int call_method(const Key& key, const std::string& url, const std::string& method,
                const std::string& params_text) {
  const auto params = Json::parse(params_text);
  if (!params || !params->is_object()) return fail(kUsage, "params must be a JSON object");
  const auto token = key.sign(api_claims(parley::server::Loop::wall_ms() / 1'000));
  if (!token) return fail(kUsage, token.error());
  const Json request =
      Json::object({{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", *params}});
  const auto answer = post(url, *token, request.dump());
  if (!answer) return fail(1, answer.error());
  if (const Json* result = answer->find("result")) {
    std::cout << result->dump() << "\n";
    return 0;
  }
  const Json* error = answer->find("error");
  return fail(kRefused, error == nullptr ? answer->dump() : error->dump());
}

struct TokenOptions {
  bool api = false;
  std::string tenant;
  std::string room;
  std::string identity;
  std::string name;
  std::string role = "participant";
  std::int64_t ttl_s = 3'600;
};

int make_token(const Key& key, const TokenOptions& options) {
  const std::int64_t now_s = parley::server::Loop::wall_ms() / 1'000;
  Json claims = api_claims(now_s);
  if (!options.api) {
    if (options.tenant.empty() || options.room.empty() || options.identity.empty()) {
      return fail(kUsage, "a join token needs --tenant, --room and --identity");
    }
    Json grants =
        Json::object({{"tenant", options.tenant}, {"room", options.room}, {"role", options.role}});
    if (!options.name.empty()) grants.set("name", options.name);
    claims = Json::object({{"aud", "parley-join"},
                           {"sub", options.identity},
                           {"jti", parley::control::random_id("jt")},
                           {"iat", now_s},
                           {"nbf", now_s},
                           {"exp", now_s + options.ttl_s},
                           {"parley", grants}});
  }
  const auto token = key.sign(std::move(claims));
  if (!token) return fail(kUsage, token.error());
  std::cout << *token << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("parleyctl: drives parleyd");
  app.require_subcommand(1);
  Key key;
  const auto add_key = [&](CLI::App* command) {
    command->add_option("--key-id", key.id, "id of the API key (auth.api_keys)")->required();
    command->add_option("--secret-file", key.secret_file, "its secret, or an Ed25519 private key")
        ->required();
  };
  std::string url = "http://localhost:7080";
  std::string method;
  std::string params = "{}";
  CLI::App* const rpc = app.add_subcommand("rpc", "call a method of the control API");
  rpc->add_option("method", method, "for example room.list")->required();
  rpc->add_option("params", params, "its params as a JSON object");
  rpc->add_option("--url", url, "the server, http://HOST:PORT");
  add_key(rpc);
  TokenOptions options;
  CLI::App* const token = app.add_subcommand("token", "sign a join token, without the server");
  token->add_option("--tenant", options.tenant, "the room's tenant");
  token->add_option("--room", options.room, "the room's name or id");
  token->add_option("--identity", options.identity, "who joins");
  token->add_option("--name", options.name, "name shown to the others");
  token->add_option("--role", options.role, "host, co_host, participant, viewer, observer");
  token->add_option("--ttl-s", options.ttl_s, "how long it is valid, in seconds");
  token->add_flag("--api", options.api, "a token for the API itself (one minute), e.g. for curl");
  add_key(token);
  CLI11_PARSE(app, argc, argv);
  if (rpc->parsed()) return call_method(key, url, method, params);
  return make_token(key, options);
}
