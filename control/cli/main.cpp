// parleyctl: calls the control API and makes join tokens, for people and scripts.

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "control/backup.h"
#include "control/cli/compose.h"
#include "control/cli/connection.h"
#include "control/cli/probe.h"
#include "control/cli/table.h"
#include "control/schema.h"
#include "server/loop.h"

namespace {

using namespace parley::cli;
using parley::control::Json;
using parley::control::SchemaSet;

constexpr std::chrono::milliseconds kFollowInterval{500};

int fail(const Failure& failure) {
  std::cerr << "parleyctl: " << failure.why << "\n";
  return failure.code;
}

// For people on a terminal, for programs elsewhere, and as it is told.
struct Output {
  bool json = false;
  bool table = false;

  void print(const Json& result) const {
    const bool for_people = table || (!json && isatty(STDOUT_FILENO) == 1);
    std::cout << (for_people ? as_text(result) : result.dump() + "\n");
  }
};

int call_method(const Key& key, const Server& server, const Output& output,
                const std::string& method, const std::vector<std::string>& words) {
  const auto params = read_params(SchemaSet::of_api(), method, words);
  if (!params) return fail({kUsage, params.error()});
  const auto result = call(key, server, method, *params);
  if (!result) return fail(result.error());
  output.print(*result);
  return 0;
}

// What `rpc` can call, and with which params.
int list_methods(const std::string& only) {
  for (const auto& [name, method] : SchemaSet::of_api().backend_methods()) {
    if (!only.empty() && name != only && !name.starts_with(only + ".")) continue;
    std::cout << name << "\n    " << method.description << "\n";
    std::string params;
    for (const auto& [param, schema] : *method.params->find("properties")->as_object()) {
      params += " " + param;
    }
    if (!params.empty()) std::cout << "   " << params << "\n";
  }
  return 0;
}

int run_probe(const Key& key, const Server& server, const Output& output,
              const ProbeOptions& options) {
  const auto figures = probe(key, server, options, [&](const std::string& step) {
    if (!output.json) std::cerr << step << "\n";
  });
  if (!figures) return fail({kFailed, "probe: " + figures.error().why});
  output.print(*figures);
  return 0;
}

int run_compose(const Key& key, const Server& server, const Output& output,
                const ComposeOptions& options) {
  const auto recording = compose(key, server, options, [&](std::int64_t percent) {
    if (!output.json) std::cerr << percent << " %\n";
  });
  if (!recording) return fail(recording.error());
  output.print(*recording);
  return 0;
}

// The event log, one event a line, oldest first; with `follow` until it is interrupted.
int print_events(const Key& key, const Server& server, std::int64_t after_seq, bool follow) {
  for (;;) {
    const auto page = call(key, server, "events.list",
                           Json::object({{"after_seq", after_seq}, {"limit", 1'000}}));
    if (!page) return fail(page.error());
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
  if (!done) return fail({kFailed, done.error()});
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
      return fail({kUsage, "a join token needs --tenant, --room and --identity"});
    }
    Json grants =
        Json::object({{"tenant", options.tenant}, {"room", options.room}, {"role", options.role}});
    if (!options.name.empty()) grants.set("name", options.name);
    claims = join_claims(options.identity, std::move(grants), now_s, options.ttl_s);
  }
  const auto token = key.sign(std::move(claims));
  if (!token) return fail(token.error());
  std::cout << *token << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("parleyctl: drives parleyd");
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the server.");
  Key key;
  const auto add_key = [&](CLI::App* command, bool required = true) {
    command->add_option("--key-id", key.id, "id of the API key (auth.api_keys)")
        ->required(required);
    command->add_option("--secret-file", key.secret_file, "its secret, or an Ed25519 private key")
        ->required(required);
  };
  Server server;
  const auto add_server = [&](CLI::App* command) {
    command->add_option("--url", server.url, "the server, http(s)://HOST:PORT");
    command->add_option("--socket", server.socket_file,
                        "instead: control.socket_file of the configuration; needs no key");
    command->add_option("--ca-file", server.ca_file, "PEM file with the certificates to trust");
    command->add_flag("--insecure", server.insecure, "accept any certificate, e.g. that of --demo");
    add_key(command, false);
  };
  Output output;
  const auto add_output = [&](CLI::App* command) {
    command->add_flag("--json", output.json, "JSON on one line, as on anything but a terminal");
    command->add_flag("--table", output.table, "for people, as on a terminal");
  };
  std::string method;
  std::vector<std::string> words;
  CLI::App* const rpc = app.add_subcommand("rpc", "call a method of the control API");
  rpc->add_option("method", method, "for example room.list; see: parleyctl methods")->required();
  rpc->add_option("params", words, "NAME=VALUE ..., or one JSON object");
  add_server(rpc);
  add_output(rpc);
  CLI::App* const methods = app.add_subcommand("methods", "list the methods of the control API");
  methods->add_option("of", method, "only this one, or those of e.g. room");
  ProbeOptions probe_options;
  CLI::App* const probe_command = app.add_subcommand(
      "probe", "make a call of two built-in peers, to see whether all of it works");
  probe_command->add_option("--tenant", probe_options.tenant, "whose room it is made in");
  probe_command->add_option("--seconds", probe_options.seconds, "how long they talk")
      ->check(CLI::Range(1, 60));
  bool no_recording = false;
  probe_command->add_flag("--no-recording", no_recording, "leave the recording out");
  add_server(probe_command);
  add_output(probe_command);
  ComposeOptions compose_options;
  std::string layout;
  std::string codec;
  CLI::App* const compose_command = app.add_subcommand(
      "compose", "make one picture and one sound of a recording, and wait for it");
  compose_command->add_option("recording", compose_options.recording_id, "its id")->required();
  compose_command->add_option("--layout", layout, "grid, speaker, presenter or pip");
  compose_command->add_option("--codec", codec, "h264, vp9 or vp8");
  compose_command->add_flag("--watch", compose_options.watch,
                            "begin nothing: watch what is being made already");
  add_server(compose_command);
  add_output(compose_command);
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
  if (rpc->parsed()) return call_method(key, server, output, method, words);
  if (methods->parsed()) return list_methods(method);
  if (events->parsed()) return print_events(key, server, after_seq, follow);
  if (backup->parsed()) return back_up(store_file, copy);
  if (!layout.empty()) compose_options.composite.set("layout", layout);
  if (!codec.empty()) compose_options.composite.set("codec", codec);
  if (compose_command->parsed()) return run_compose(key, server, output, compose_options);
  probe_options.record = !no_recording;
  if (probe_command->parsed()) return run_probe(key, server, output, probe_options);
  return make_token(key, options);
}
