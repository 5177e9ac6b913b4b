#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "control/cli/connection.h"
#include "control/json.h"

namespace parley::cli {

// A participant's signalling socket, as a client: libcurl carries the bytes (and TLS), wslay makes
// messages of them.
class RtcSocket {
 public:
  [[nodiscard]] static tl::expected<std::unique_ptr<RtcSocket>, Failure> open(const Server& server);
  ~RtcSocket();
  RtcSocket(const RtcSocket&) = delete;
  RtcSocket& operator=(const RtcSocket&) = delete;

  // Sends a request and waits for its answer: the result, or the error as the failure. What comes
  // in between is dropped.
  [[nodiscard]] tl::expected<control::Json, Failure> ask(const std::string& method,
                                                         control::Json params);
  // Reads what is there, so that pings are answered.
  void drain();

 private:
  struct Impl;
  explicit RtcSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::cli
