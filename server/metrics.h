#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace parley::server {

struct WorkerCounters;

// What `GET /metrics` says, in the Prometheus text format. Other folders register numbers as plain
// callbacks and need no Prometheus header; the callbacks run inside render(), on its thread. No
// label ever names a room or a participant: series must not grow with the traffic.
class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  using Read = std::function<double()>;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Registering is for the start, before the first render(). Several registrations under one name
  // with different labels are one family; the first one's help text stands.
  void gauge(std::string name, std::string help, Read read, Labels labels = {});
  void counter(std::string name, std::string help, Read read, Labels labels = {});
  // As many series as there are things at that moment, few and long-lived ones.
  using ReadMany = std::function<std::vector<std::pair<Labels, double>>()>;
  void gauges(std::string name, std::string help, ReadMany read);
  void counters(std::string name, std::string help, ReadMany read);
  // The counters must outlive this. They appear as parley_worker_* with the label worker="index".
  void add_worker(std::size_t index, const WorkerCounters& counters);

  [[nodiscard]] std::string render() const;
  // The same numbers one by one, without the histograms.
  struct Sample {
    std::string name;
    Labels labels;
    double value = 0;
  };
  [[nodiscard]] std::vector<Sample> samples() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::server
