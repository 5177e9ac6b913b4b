// load: real clients against a real parleyd, and what a delivered packet costs it. See --help.

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "bench/load/load.h"

namespace {

void raise_file_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) {
  parley::bench::Options options;
  CLI::App app(
      "load: real clients against a parleyd of its own, on loopback; prints one JSON line");
  app.add_option("shape", options.shape,
                 "fanout (one video to N), rooms (N one-to-one calls), mesh (N all to all), audio "
                 "(voices to N), storm (N join at once while calls go on), hall (N in one room, "
                 "five of them speak and show themselves to all)");
  app.add_option("count", options.count, "N");
  app.add_option("--seconds", options.run_s, "how long to measure");
  app.add_option("--warmup", options.warmup_s, "seconds before that");
  app.add_option("--server-core", options.server_core, "where the server runs; -1: on all");
  app.add_option("--own-core", options.own_core, "where the clients run; -1: on all");
  app.add_option(
      "--peer", options.peer,
      "what to load: parley, janus (a thread for each connection), janus-loop (one event "
      "loop); Debian has the package janus");
  app.add_option("--server", options.server, "the parleyd to start");
  app.add_option("--profile", options.profile,
                 "the only SRTP profile that clients offer, as OpenSSL names it: "
                 "SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80");
  app.add_option("--capture", options.capture, "RTP of a browser, to be played by publishers");
  app.add_option("--layer", options.layer,
                 "which of the capture's streams is played: 0 has the most packets");
  app.add_option("--voices", options.voices, "how many speak in audio");
  app.add_option("--workers", options.workers, "of parley, all on its core");
  app.add_option("--config", options.more_config, "more YAML for parleyd");
  app.add_flag("--metered", options.metered,
               "of parley: with a limited account of minutes and a backend that gets the events");
  app.add_option("--record", options.recordings,
                 "of parley: a folder into which all calls are recorded");
  app.add_flag("--tell", options.tell,
               "receivers tell what arrives by transport-cc feedback, ten times a second");
  CLI11_PARSE(app, argc, argv);
  raise_file_limit();
  prctl(PR_SET_TIMERSLACK, 1);
  try {
    parley::bench::Load load(options);
    parley::bench::pin_to(options.own_core);
    load.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 1;
  }
  return 0;
}
