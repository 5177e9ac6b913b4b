#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "bench/load/target.h"
#include "bench/load/web_socket.h"

namespace parley::bench {

// parleyd, joined through its front door: /v1/rtc.
class ParleyTarget : public Target {
 public:
  struct Options {
    std::string program;
    std::string more_config;  // YAML that is added to its configuration
    std::size_t workers = 1;
    bool metered = false;    // the calls use up minutes, and a backend listens to their events
    std::string recordings;  // the folder into which all calls are recorded; empty: none is
  };
  explicit ParleyTarget(Options options) : options_(std::move(options)) {}

  std::vector<std::string> configure(const std::filesystem::path& folder) override;
  std::string ready() const override { return "listening"; }
  // One for everything.
  std::vector<Shape> connections(const Shape& participant) const override { return {participant}; }
  using Target::make_room;
  void make_room(const std::string& name, std::size_t people) override;
  std::unique_ptr<Entry> enter(Endpoint endpoint) override;
  std::optional<Counters> counters() const override;

 private:
  Options options_;
  std::unique_ptr<WebSocket> backend_;
};

}  // namespace parley::bench
