#include "control/daemon_metrics.h"

#include "server/log.h"

namespace parley::control {

template <class Field>
server::Metrics::Read DaemonMetrics::read(Field field) const {
  return [this, field] { return static_cast<double>(field(stats_)); };
}

template <class List, class Field>
server::Metrics::ReadMany DaemonMetrics::read_each(List Stats::*list, const char* label,
                                                   Field field) const {
  return [this, list, label, field] {
    std::vector<std::pair<server::Metrics::Labels, double>> all;
    for (const auto& entry : stats_.*list) {
      all.push_back({{{label, entry.name}}, static_cast<double>(field(entry))});
    }
    return all;
  };
}

DaemonMetrics::DaemonMetrics(server::Metrics& metrics) {
  add_calls(metrics);
  add_api(metrics);
  add_consumers(metrics);
  add_webhooks(metrics);
  add_doors(metrics);
  add_recorder(metrics);
}

void DaemonMetrics::add_calls(server::Metrics& metrics) {
  metrics.gauge("parley_rooms", "Rooms that exist", read([](const Stats& s) { return s.rooms; }));
  metrics.gauge("parley_sessions", "Sessions that run",
                read([](const Stats& s) { return s.sessions; }));
  metrics.gauge("parley_participants", "Participants in sessions",
                read([](const Stats& s) { return s.participants; }));
  metrics.gauge("parley_metered_sessions", "Sessions whose minutes run",
                read([](const Stats& s) { return s.metering.metered_sessions; }));
  metrics.gauge("parley_quota_accounts", "Tenants with an account of minutes",
                read([](const Stats& s) { return s.metering.accounts; }));
  metrics.counter("parley_quota_exhausted_total", "Times that a tenant's minutes ran out",
                  read([](const Stats& s) { return s.metering.exhaustions; }));
  metrics.gauge("parley_chat_messages", "Messages of people that are kept",
                read([](const Stats& s) { return s.chat_messages; }));
  metrics.counter("parley_chat_sent_total", "Messages that people and backends wrote",
                  read([](const Stats& s) { return s.chat_sent; }));
  metrics.counter("parley_chat_refused_total", "Messages that were refused, whyever",
                  read([](const Stats& s) { return s.chat_refused; }));
}

void DaemonMetrics::add_api(server::Metrics& metrics) {
  metrics.counters("parley_api_requests_total", "Requests of backends, by method",
                   read_each(&Stats::methods, "method",
                             [](const ControlSockets::MethodStats& m) { return m.requests; }));
  metrics.counters("parley_api_errors_total", "Of those, how many were refused",
                   read_each(&Stats::methods, "method",
                             [](const ControlSockets::MethodStats& m) { return m.errors; }));
  metrics.counters("parley_api_seconds_total", "From a request to its answer, the disk included",
                   read_each(&Stats::methods, "method",
                             [](const ControlSockets::MethodStats& m) { return m.seconds; }));
  metrics.counter("parley_api_rate_limited_total", "Requests refused for coming too fast",
                  read([](const Stats& s) { return s.rate_limited; }));
  metrics.counter("parley_auth_failures_total", "API credentials refused",
                  read([](const Stats& s) { return s.auth_failures; }));
  metrics.gauge("parley_store_healthy", "1 while changes can be kept",
                read([](const Stats& s) { return s.store_healthy ? 1 : 0; }));
  metrics.counter("parley_events_total", "Events in the log, those before this start too",
                  read([](const Stats& s) { return s.last_seq; }));
}

void DaemonMetrics::add_consumers(server::Metrics& metrics) {
  using Lag = Consumers::Lag;
  metrics.gauges("parley_consumer_lag_seconds", "Age of the oldest event without acknowledgement",
                 read_each(&Stats::consumers, "consumer", [](const Lag& l) { return l.seconds; }));
  metrics.gauges("parley_consumer_lag_events", "Events behind the cursor",
                 read_each(&Stats::consumers, "consumer", [](const Lag& l) { return l.events; }));
  metrics.gauges(
      "parley_consumer_bytes_to_retention_edge",
      "Bytes until the log is trimmed by size beyond the cursor",
      read_each(&Stats::consumers, "consumer", [](const Lag& l) { return l.bytes_to_edge; }));
  metrics.gauges(
      "parley_consumer_last_ack_seconds", "Since the last acknowledgement",
      read_each(&Stats::consumers, "consumer", [](const Lag& l) { return l.since_ack_s; }));
  metrics.gauges(
      "parley_consumer_connected", "1 while a socket is subscribed",
      read_each(&Stats::consumers, "consumer", [](const Lag& l) { return l.connected ? 1 : 0; }));
}

void DaemonMetrics::add_webhooks(server::Metrics& metrics) {
  using Hook = Webhooks::State;
  metrics.gauges("parley_webhook_lag_events", "Events that a webhook has not taken yet",
                 read_each(&Stats::webhooks, "webhook", [](const Hook& h) { return h.behind; }));
  metrics.gauges("parley_webhook_failed_in_a_row", "Attempts that failed since the last success",
                 read_each(&Stats::webhooks, "webhook", [](const Hook& h) { return h.failed; }));
  metrics.gauges("parley_webhook_set_aside",
                 "Rooms whose events keep failing and wait apart from the others",
                 read_each(&Stats::webhooks, "webhook", [](const Hook& h) { return h.aside; }));
  metrics.counter("parley_webhook_attempts_total", "Events sent by webhooks, again and again too",
                  read([](const Stats& s) { return s.webhook_counters.attempts; }));
  metrics.counter("parley_webhook_failures_total", "Of those, what was not taken",
                  read([](const Stats& s) { return s.webhook_counters.failures; }));
}

void DaemonMetrics::add_doors(server::Metrics& metrics) {
  metrics.gauge("parley_sockets", "WebSockets that are open",
                read([](const Stats& s) { return s.control_sockets; }), {{"door", "control"}});
  metrics.gauge("parley_sockets", "WebSockets that are open",
                read([](const Stats& s) { return s.rtc_sockets; }), {{"door", "rtc"}});
  metrics.counter("parley_http_accepted_total", "Connections accepted",
                  read([](const Stats& s) { return s.listener.accepted; }));
  metrics.counter(
      "parley_http_bad_total", "Connections closed for breaking a protocol",
      read([](const Stats& s) { return s.listener.bad_http + s.listener.bad_websocket; }));
  metrics.counter("parley_log_overruns_total", "Log lines dropped because the queue was full",
                  [] { return static_cast<double>(server::log::overruns()); });
}

void DaemonMetrics::add_recorder(server::Metrics& metrics) {
  metrics.gauge("parley_recordings_active", "Recordings that run",
                read([](const Stats& s) { return s.recorder.active_recordings; }));
  metrics.counter(
      "parley_recorder_dropped_total", "Packets the recorder could not keep",
      read([](const Stats& s) { return s.recorder.dropped_ring + s.recorder.dropped_queue; }));
  metrics.counter("parley_recorder_bytes_total", "Bytes written to recordings",
                  read([](const Stats& s) { return s.recorder.bytes_written; }));
  const auto composing = [this](std::uint64_t Composing::Stats::*member) {
    return read([member](const Stats& s) { return s.composing.*member; });
  };
  metrics.gauge("parley_composing_running", "Recordings being composed",
                composing(&Composing::Stats::running));
  metrics.gauge("parley_composing_live", "Recordings being composed while they run",
                composing(&Composing::Stats::live));
  metrics.gauge("parley_composing_waiting", "Recordings that wait for being composed",
                composing(&Composing::Stats::waiting));
  metrics.counter("parley_composed_total", "Recordings composed",
                  composing(&Composing::Stats::composed));
  metrics.counter("parley_compose_failures_total", "Recordings that could not be composed",
                  composing(&Composing::Stats::failed));
  metrics.counter("parley_compose_retries_total",
                  "Composing tried again after a crash or on a full disk",
                  composing(&Composing::Stats::retries));
  const auto uploading = [this](std::uint64_t Uploading::Stats::*member) {
    return read([member](const Stats& s) { return s.uploading.*member; });
  };
  metrics.gauge("parley_uploads_running", "Recordings being copied to the store, or deleted there",
                uploading(&Uploading::Stats::running));
  metrics.gauge("parley_uploads_waiting", "Recordings that wait for that, or for another try",
                uploading(&Uploading::Stats::waiting));
  metrics.counter("parley_uploaded_total", "Recordings copied to the store",
                  uploading(&Uploading::Stats::uploaded));
  metrics.counter("parley_uploaded_bytes_total", "Bytes of those",
                  uploading(&Uploading::Stats::bytes));
  metrics.counter("parley_upload_retries_total", "Copying or deleting tried again",
                  uploading(&Uploading::Stats::retries));
  metrics.counter("parley_upload_failures_total", "Recordings whose files here are damaged",
                  uploading(&Uploading::Stats::failed));
  metrics.counter("parley_store_deletions_total", "Recordings deleted in the store",
                  uploading(&Uploading::Stats::deleted));
}

}  // namespace parley::control
