#include "server/metrics.h"

#include <algorithm>
#include <limits>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "server/counters.h"

namespace parley::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::vector<ClientMetric::Label> labels_of(const Metrics::Labels& labels) {
  std::vector<ClientMetric::Label> out;
  for (const auto& [name, value] : labels) {
    ClientMetric::Label label;
    label.name = name;
    label.value = value;
    out.push_back(std::move(label));
  }
  return out;
}

struct WorkerNumber {
  const char* name;
  const char* help;
  MetricType type;
  Counter WorkerCounters::*field;
};
constexpr WorkerNumber kWorkerNumbers[] = {
    {"parley_worker_packets_in_total", "Datagrams received.", MetricType::Counter,
     &WorkerCounters::packets_in},
    {"parley_worker_bytes_in_total", "Bytes of datagrams received.", MetricType::Counter,
     &WorkerCounters::bytes_in},
    {"parley_worker_send_messages_total", "Walks through the kernel: single datagrams and runs.",
     MetricType::Counter, &WorkerCounters::send_messages},
    {"parley_worker_run_datagrams_total", "Datagrams sent in a run of several (UDP GSO).",
     MetricType::Counter, &WorkerCounters::run_datagrams},
    {"parley_worker_runs_refused_total", "Runs that the kernel refused, sent one by one instead.",
     MetricType::Counter, &WorkerCounters::runs_refused},
    {"parley_worker_padding_bytes_total", "RTP padding added so that runs form.",
     MetricType::Counter, &WorkerCounters::padding_bytes},
    {"parley_worker_packets_out_total", "Datagrams sent.", MetricType::Counter,
     &WorkerCounters::packets_out},
    {"parley_worker_bytes_out_total", "Bytes of datagrams sent.", MetricType::Counter,
     &WorkerCounters::bytes_out},
    {"parley_worker_media_in_total", "RTP packets that reached a track.", MetricType::Counter,
     &WorkerCounters::media_in},
    {"parley_worker_media_out_total", "RTP packets forwarded into slots.", MetricType::Counter,
     &WorkerCounters::media_out},
    {"parley_worker_relayed_out_total", "RTP packets handed to another worker.",
     MetricType::Counter, &WorkerCounters::relayed_out},
    {"parley_worker_relayed_in_total", "RTP packets that came from another worker.",
     MetricType::Counter, &WorkerCounters::relayed_in},
    {"parley_worker_nacks_in_total", "Packets that receivers asked for again.", MetricType::Counter,
     &WorkerCounters::nacks_in},
    {"parley_worker_nacks_out_total", "Packets that we asked publishers for again.",
     MetricType::Counter, &WorkerCounters::nacks_out},
    {"parley_worker_rtx_in_total", "Retransmissions received.", MetricType::Counter,
     &WorkerCounters::rtx_in},
    {"parley_worker_rtx_out_total", "Retransmissions sent.", MetricType::Counter,
     &WorkerCounters::rtx_out},
    {"parley_worker_red_out_total", "Audio packets sent with earlier frames against loss.",
     MetricType::Counter, &WorkerCounters::red_out},
    {"parley_worker_data_bytes_in_total", "Bytes of SCTP packets received.", MetricType::Counter,
     &WorkerCounters::data_bytes_in},
    {"parley_worker_data_messages_in_total", "Messages that came over data channels.",
     MetricType::Counter, &WorkerCounters::data_messages_in},
    {"parley_worker_data_messages_out_total", "Messages sent over data channels.",
     MetricType::Counter, &WorkerCounters::data_messages_out},
    {"parley_worker_probes_out_total", "Packets of padding that try whether more would pass.",
     MetricType::Counter, &WorkerCounters::probes_out},
    {"parley_worker_plis_in_total", "Key frames that receivers asked for.", MetricType::Counter,
     &WorkerCounters::plis_in},
    {"parley_worker_plis_out_total", "Key frames that we asked publishers for.",
     MetricType::Counter, &WorkerCounters::plis_out},
    {"parley_worker_rooms", "Rooms open on the worker.", MetricType::Gauge, &WorkerCounters::rooms},
    {"parley_worker_peers", "Peers known to the worker.", MetricType::Gauge,
     &WorkerCounters::peers},
    {"parley_worker_tracks", "Published tracks.", MetricType::Gauge, &WorkerCounters::tracks},
    {"parley_worker_connected_total", "Handshakes finished.", MetricType::Counter,
     &WorkerCounters::connected},
    {"parley_worker_closed_total", "Peers closed by the worker itself.", MetricType::Counter,
     &WorkerCounters::closed},
    {"parley_worker_moved_total", "Peers found by their media at a new address.",
     MetricType::Counter, &WorkerCounters::moved},
    {"parley_worker_commands_total", "Commands carried out.", MetricType::Counter,
     &WorkerCounters::commands},
    {"parley_worker_bad_commands_total", "Commands that named an unknown or duplicate thing.",
     MetricType::Counter, &WorkerCounters::bad_commands},
    {"parley_worker_events_total", "Events made.", MetricType::Counter, &WorkerCounters::events},
    {"parley_worker_events_lost_total", "Events that found the control loop's queue full.",
     MetricType::Counter, &WorkerCounters::events_lost},
    {"parley_worker_tcp_connections", "Connections of ICE-TCP.", MetricType::Gauge,
     &WorkerCounters::tcp_connections},
    {"parley_worker_tcp_accepted_total", "Connections of ICE-TCP taken.", MetricType::Counter,
     &WorkerCounters::tcp_accepted},
    {"parley_worker_tcp_refused_total", "Connections closed at once, beyond a limit of ice.tcp.",
     MetricType::Counter, &WorkerCounters::tcp_refused},
    {"parley_worker_tcp_unproven_total", "Connections closed without a valid check in time.",
     MetricType::Counter, &WorkerCounters::tcp_unproven},
    {"parley_worker_tcp_idle_total", "Connections closed because no peer used them any more.",
     MetricType::Counter, &WorkerCounters::tcp_idle},
    {"parley_worker_tcp_broken_total", "Connections closed for a length that no packet has.",
     MetricType::Counter, &WorkerCounters::tcp_broken},
    {"parley_worker_pool_in_use", "Packet buffers in use.", MetricType::Gauge,
     &WorkerCounters::pool_in_use},
    {"parley_worker_peer_bytes", "Memory of all peers: connection, keys and slots, no handshakes.",
     MetricType::Gauge, &WorkerCounters::peer_bytes},
    {"parley_worker_stream_bytes", "Memory of all published tracks, stored packets included.",
     MetricType::Gauge, &WorkerCounters::stream_bytes},
};

}  // namespace

struct Metrics::Impl {
  struct Series {
    Labels labels;
    Read read;
  };
  struct Family {
    std::string name;
    std::string help;
    MetricType type = MetricType::Gauge;
    std::vector<Series> series;
    ReadMany read_many;
  };
  struct WorkerEntry {
    std::string index;
    const WorkerCounters* counters = nullptr;
  };
  std::vector<Family> families;
  std::vector<WorkerEntry> workers;

  void add(std::string name, std::string help, MetricType type, Read read, Labels labels) {
    auto found = std::find_if(families.begin(), families.end(),
                              [&](const Family& family) { return family.name == name; });
    if (found == families.end()) {
      families.push_back({std::move(name), std::move(help), type, {}, {}});
      found = families.end() - 1;
    }
    found->series.push_back({std::move(labels), std::move(read)});
  }

  [[nodiscard]] std::vector<MetricFamily> collect() const {
    std::vector<MetricFamily> all;
    collect_callbacks(all);
    collect_workers(all);
    return all;
  }

  static void set(ClientMetric& metric, MetricType type, double value) {
    if (type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
  }

  void collect_callbacks(std::vector<MetricFamily>& out) const {
    for (const Family& family : families) {
      MetricFamily collected{family.name, family.help, family.type, {}};
      for (const Series& series : family.series) {
        ClientMetric metric;
        metric.label = labels_of(series.labels);
        set(metric, family.type, series.read());
        collected.metric.push_back(std::move(metric));
      }
      if (family.read_many) {
        for (const auto& [labels, value] : family.read_many()) {
          ClientMetric metric;
          metric.label = labels_of(labels);
          set(metric, family.type, value);
          collected.metric.push_back(std::move(metric));
        }
      }
      out.push_back(std::move(collected));
    }
  }

  void collect_workers(std::vector<MetricFamily>& out) const {
    for (const WorkerNumber& number : kWorkerNumbers) {
      MetricFamily family{number.name, number.help, number.type, {}};
      for (const WorkerEntry& worker : workers) {
        ClientMetric metric;
        metric.label = labels_of({{"worker", worker.index}});
        set(metric, number.type, static_cast<double>((worker.counters->*number.field).value()));
        family.metric.push_back(std::move(metric));
      }
      out.push_back(std::move(family));
    }
    MetricFamily drops{"parley_worker_drops_total",
                       "Datagrams and packets dropped, by reason.",
                       MetricType::Counter,
                       {}};
    MetricFamily turns{"parley_worker_turn_seconds",
                       "How long one turn of the worker took.",
                       MetricType::Histogram,
                       {}};
    for (const WorkerEntry& worker : workers) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(Drop::Count_); ++i) {
        const auto reason = static_cast<Drop>(i);
        ClientMetric metric;
        metric.label =
            labels_of({{"worker", worker.index}, {"reason", std::string(name_of(reason))}});
        metric.counter.value = static_cast<double>(worker.counters->dropped(reason));
        drops.metric.push_back(std::move(metric));
      }
      turns.metric.push_back(turn_metric(worker));
    }
    out.push_back(std::move(drops));
    out.push_back(std::move(turns));
  }

  static ClientMetric turn_metric(const WorkerEntry& worker) {
    const DurationHistogram& histogram = worker.counters->turn;
    ClientMetric metric;
    metric.label = labels_of({{"worker", worker.index}});
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
      count += histogram.bucket(i);
      ClientMetric::Bucket bucket;
      bucket.cumulative_count = count;
      bucket.upper_bound = i + 1 == DurationHistogram::kBuckets
                               ? std::numeric_limits<double>::infinity()
                               : DurationHistogram::upper_bound_s(i);
      metric.histogram.bucket.push_back(bucket);
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = static_cast<double>(histogram.sum_us()) * 1e-6;
    return metric;
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::gauge(std::string name, std::string help, Read read, Labels labels) {
  impl_->add(std::move(name), std::move(help), MetricType::Gauge, std::move(read),
             std::move(labels));
}

void Metrics::counter(std::string name, std::string help, Read read, Labels labels) {
  impl_->add(std::move(name), std::move(help), MetricType::Counter, std::move(read),
             std::move(labels));
}

void Metrics::gauges(std::string name, std::string help, ReadMany read) {
  impl_->families.push_back(
      {std::move(name), std::move(help), MetricType::Gauge, {}, std::move(read)});
}

void Metrics::counters(std::string name, std::string help, ReadMany read) {
  impl_->families.push_back(
      {std::move(name), std::move(help), MetricType::Counter, {}, std::move(read)});
}

void Metrics::add_worker(std::size_t index, const WorkerCounters& counters) {
  impl_->workers.push_back({std::to_string(index), &counters});
}

std::string Metrics::render() const {
  return prometheus::TextSerializer().Serialize(impl_->collect());
}

std::vector<Metrics::Sample> Metrics::samples() const {
  std::vector<Sample> all;
  for (const MetricFamily& family : impl_->collect()) {
    if (family.type == MetricType::Histogram) continue;
    const bool counter = family.type == MetricType::Counter;
    for (const ClientMetric& metric : family.metric) {
      Labels labels;
      for (const ClientMetric::Label& label : metric.label) {
        labels.emplace_back(label.name, label.value);
      }
      all.push_back(
          {family.name, std::move(labels), counter ? metric.counter.value : metric.gauge.value});
    }
  }
  return all;
}

}  // namespace parley::server
