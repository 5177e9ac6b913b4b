#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"
#include "server/api.h"

namespace parley::server {

class Loop;
class Metrics;

// The media half of the daemon: one certificate and N worker threads, each with its own loop and
// its own port of UDP and TCP (ice.port_base + index) on every bound address. It knows no rooms by
// name and no rules; it carries out commands and reports events.
class Server {
 public:
  // Binds the sockets and starts the threads, or says in one sentence why not. `on_events` runs on
  // `control`, which must outlive the server; counters go into `metrics`, which must too.
  [[nodiscard]] static tl::expected<std::unique_ptr<Server>, std::string> start(
      const config::Config& config, Loop& control, Metrics& metrics, OnEvents on_events);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Any thread. False when the worker's mailbox is full: the command is dropped and counted.
  [[nodiscard]] bool post(std::size_t worker, Command command);

  // One entry per worker, fixed for the server's life.
  [[nodiscard]] const std::vector<WorkerInfo>& workers() const noexcept;
  // The value of `a=fingerprint:`, e.g. "sha-256 4A:AD:...".
  [[nodiscard]] const std::string& fingerprint() const noexcept;

  // On the control loop's thread: ends the workers; after it `on_events` is not called any more.
  // The destructor calls it too. The metrics may still be rendered until the server is destroyed.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::server
