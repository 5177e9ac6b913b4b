#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/load/target.h"
#include "bench/load/web_socket.h"

namespace parley::bench {

// parleyd with one worker, joined through its front door: /v1/rtc.
class ParleyTarget : public Target {
 public:
  // `more_config` is YAML that is added to its configuration. `metered`: the calls use up minutes
  // of a limited account, and a backend listens to their events. `recordings`: the folder into
  // which all calls are recorded; empty: none is.
  ParleyTarget(std::string program, std::string more_config, bool metered, std::string recordings)
      : program_(std::move(program)),
        more_config_(std::move(more_config)),
        metered_(metered),
        recordings_(std::move(recordings)) {}

  std::vector<std::string> configure(const std::filesystem::path& folder) override;
  std::string ready() const override { return "listening"; }
  // One for everything.
  std::vector<Shape> connections(const Shape& participant) const override { return {participant}; }
  void make_room(const std::string& name) override;
  std::unique_ptr<Entry> enter(Endpoint endpoint) override;
  std::optional<Counters> counters() const override;

 private:
  std::string program_;
  std::string more_config_;
  bool metered_;
  std::string recordings_;
  std::unique_ptr<WebSocket> backend_;
};

}  // namespace parley::bench
