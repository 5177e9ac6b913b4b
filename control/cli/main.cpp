// parleyctl: calls the control API and makes join tokens, for people and scripts.

#include <array>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <curl/curl.h>

#include "control/backup.h"
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
constexpr long kTimeoutS = 30;
constexpr std::chrono::milliseconds kFollowInterval{500};

int fail(int code, const std::string& message) {
  std::cerr << "parleyctl: " << message << "\n";
  return code;
}

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

// How the server is reached.
struct Server {
  std::string url = "http://localhost:7080";
  std::string ca_file;
  bool insecure = false;
};

std::size_t append(char* data, std::size_t, std::size_t size, void* into) {
  auto* answer = static_cast<std::string*>(into);
  if (answer->size() + size > kMaxAnswer) return 0;  // curl ends the transfer
  answer->append(data, size);
  return size;
}

// One request: the body of the answer, whatever its HTTP status, because an error says why in JSON.
tl::expected<Json, std::string> post(const Server& server, const std::string& token,
                                     const std::string& body) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 &curl_easy_cleanup);
  curl_slist* lines = curl_slist_append(nullptr, ("Authorization: Bearer " + token).c_str());
  lines = curl_slist_append(lines, "Content-Type: application/json");
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> header(lines,
                                                                           &curl_slist_free_all);
  std::string answer;
  std::array<char, CURL_ERROR_SIZE> problem{};
  const std::string url = server.url + "/v1/rpc";
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, header.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, problem.data());
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kTimeoutS);
  if (!server.ca_file.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, server.ca_file.c_str());
  }
  if (server.insecure) {
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) {
    return tl::unexpected(problem[0] != 0 ? problem.data() : curl_easy_strerror(code));
  }
  auto json = Json::parse(answer);
  if (!json) return tl::unexpected(server.url + " gave no JSON: " + json.error());
  return *json;
}

Json api_claims(std::int64_t now_s) {
  return Json::object({{"aud", "parley-control"},
                       {"iat", now_s},
                       {"exp", now_s + kApiTokenTtlS},
                       {"jti", parley::control::random_id("jt")}});
}

// The result of one method, or the exit code with which this program ends and why.
struct Failure {
  int code = 1;
  std::string why;
};
tl::expected<Json, Failure> call(const Key& key, const Server& server, const std::string& method,
                                 const Json& params) {
  const auto token = key.sign(api_claims(parley::server::Loop::wall_ms() / 1'000));
  if (!token) return tl::unexpected(Failure{kUsage, token.error()});
  const Json request =
      Json::object({{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}});
  const auto answer = post(server, *token, request.dump());
  if (!answer) return tl::unexpected(Failure{1, answer.error()});
  if (const Json* result = answer->find("result")) return *result;
  const Json* error = answer->find("error");
  return tl::unexpected(Failure{kRefused, error == nullptr ? answer->dump() : error->dump()});
}

int call_method(const Key& key, const Server& server, const std::string& method,
                const std::string& params_text) {
  const auto params = Json::parse(params_text);
  if (!params || !params->is_object()) return fail(kUsage, "params must be a JSON object");
  const auto result = call(key, server, method, *params);
  if (!result) return fail(result.error().code, result.error().why);
  std::cout << result->dump() << "\n";
  return 0;
}

// The event log, one event a line, oldest first; with `follow` until it is interrupted.
int print_events(const Key& key, const Server& server, std::int64_t after_seq, bool follow) {
  for (;;) {
    const auto page = call(key, server, "events.list",
                           Json::object({{"after_seq", after_seq}, {"limit", 1'000}}));
    if (!page) return fail(page.error().code, page.error().why);
    for (const Json& event : *page->find("events")->as_array()) std::cout << event.dump() << "\n";
    std::cout.flush();
    const std::int64_t next = parley::control::integer_member(*page, "next_after_seq");
    const bool more = next > after_seq;
    after_seq = next;
    if (more) continue;
    if (!follow) return 0;
    std::this_thread::sleep_for(kFollowInterval);
  }
}

int back_up(const std::string& file, const std::string& to) {
  const auto done = parley::control::backup_store(file, to);
  if (!done) return fail(1, done.error());
  std::cout << to << "\n";
  return 0;
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
  Server server;
  std::string method;
  std::string params = "{}";
  CLI::App* const rpc = app.add_subcommand("rpc", "call a method of the control API");
  rpc->add_option("method", method, "for example room.list")->required();
  rpc->add_option("params", params, "its params as a JSON object");
  const auto add_server = [&](CLI::App* command) {
    command->add_option("--url", server.url, "the server, http(s)://HOST:PORT");
    command->add_option("--ca-file", server.ca_file, "PEM file with the certificates to trust");
    command->add_flag("--insecure", server.insecure, "accept any certificate, e.g. that of --demo");
    add_key(command);
  };
  add_server(rpc);
  std::int64_t after_seq = 0;
  bool follow = false;
  CLI::App* const events = app.add_subcommand("events", "print the event log, one event a line");
  events->add_option("--after-seq", after_seq, "begin behind this one");
  events->add_flag("--follow", follow, "go on with what comes, until interrupted");
  add_server(events);
  std::string store_file;
  std::string copy;
  CLI::App* const backup =
      app.add_subcommand("backup", "copy the store while the daemon runs, and check the copy");
  backup->add_option("store", store_file, "store.file of the configuration")->required();
  backup->add_option("copy", copy, "what to write; must not exist")->required();
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
  if (rpc->parsed()) return call_method(key, server, method, params);
  if (events->parsed()) return print_events(key, server, after_seq, follow);
  if (backup->parsed()) return back_up(store_file, copy);
  return make_token(key, options);
}
