#pragma once

#include "control/daemon.h"
#include "server/metrics.h"

namespace parley::control {

// What `GET /metrics` says of the control half. The numbers are those of the last refresh(), so
// that one look at the daemon serves all of them.
class DaemonMetrics {
 public:
  explicit DaemonMetrics(server::Metrics& metrics);
  DaemonMetrics(const DaemonMetrics&) = delete;
  DaemonMetrics& operator=(const DaemonMetrics&) = delete;

  void refresh(Daemon::Stats stats) { stats_ = std::move(stats); }

 private:
  using Stats = Daemon::Stats;
  void add_calls(server::Metrics& metrics);
  void add_api(server::Metrics& metrics);
  void add_consumers(server::Metrics& metrics);
  void add_webhooks(server::Metrics& metrics);
  void add_doors(server::Metrics& metrics);
  void add_recorder(server::Metrics& metrics);
  // Reads one number of the stats.
  template <class Field>
  [[nodiscard]] server::Metrics::Read read(Field field) const;
  // One series for each entry of a list of the stats.
  template <class List, class Field>
  [[nodiscard]] server::Metrics::ReadMany read_each(List Stats::*list, const char* label,
                                                    Field field) const;

  Stats stats_;
};

}  // namespace parley::control
