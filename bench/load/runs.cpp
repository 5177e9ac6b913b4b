#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <utility>

#include "bench/load/load.h"

// The shapes of a load, and what is told of it.
namespace parley::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRunningCalls = 5;  // beside a storm
constexpr std::size_t kSpeakers = 5;      // of a hall
constexpr Shape kOneToOne{true, true, 1, 1};

std::string storm_room(std::size_t joiner) { return "storm-" + std::to_string(joiner / 2); }

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

template <class... Values>
std::string format(const char* form, Values... values) {
  std::array<char, 1'000> text{};
  std::snprintf(text.data(), text.size(), form, values...);
  return text.data();
}

}  // namespace

void Load::run() {
  idle_rss_ = server_.resident_bytes();
  if (options_.shape == "storm") return run_storm();
  if (options_.shape == "hall") return run_hall();
  run_shape();
}

void Load::build(const std::string& shape, std::size_t n) {
  if (shape == "fanout") {
    target_->make_room("one");
    add("one", "host", {false, true, 0, 0});
    for (std::size_t i = 0; i < n; ++i) add("one", "observer", {false, false, 0, 1});
  } else if (shape == "audio") {
    target_->make_room("one");
    for (std::size_t i = 0; i < options_.voices; ++i) add("one", "host", {true, false, 0, 0});
    for (std::size_t i = 0; i < n; ++i) add("one", "observer", {false, false, options_.voices, 0});
  } else if (shape == "rooms") {
    for (std::size_t i = 0; i < n; ++i) {
      target_->make_room("room-" + std::to_string(i));
      add("room-" + std::to_string(i), "host", kOneToOne);
      add("room-" + std::to_string(i), "participant", kOneToOne);
    }
  } else if (shape == "mesh") {
    target_->make_room("one");
    for (std::size_t i = 0; i < n; ++i) add("one", "participant", {true, true, n - 1, n - 1});
  } else {
    throw std::runtime_error("unknown shape " + shape);
  }
}

void Load::run_shape() {
  build(options_.shape, options_.count);
  const Snapshot before_joins = snapshot();
  come();
  const Snapshot joined = snapshot();
  release_media();
  run_for(seconds(options_.warmup_s));
  received_ = {};
  const Snapshot begin = snapshot();
  run_for(seconds(options_.run_s));
  report(before_joins, joined, begin, snapshot());
}

void Load::run_storm() {
  if (options_.peer != "parley") throw std::runtime_error("storm is for parley only");
  build("rooms", kRunningCalls);
  come();
  release_media();
  run_for(seconds(options_.warmup_s));
  const Snapshot quiet = snapshot();
  run_for(seconds(options_.run_s));

  const std::size_t first = peers_.size();
  for (std::size_t i = 0; i < options_.count; ++i) {
    if (i % 2 == 0) target_->make_room(storm_room(i));
    add(storm_room(i), "participant", kOneToOne);
  }
  received_ = {};
  const Snapshot begin = snapshot();
  come_at_once();
  const Snapshot end = snapshot();

  const auto took_ns = static_cast<double>((end.at - begin.at).count()) * 1e3;
  const std::vector<double> took_ms = connected_ms(first, begin.at);
  // What the running calls cost is not the joins'.
  const auto rate = static_cast<double>(begin.server_cpu - quiet.server_cpu) /
                    static_cast<double>((begin.at - quiet.at).count());
  const double joins_cpu = static_cast<double>(end.server_cpu - begin.server_cpu) -
                           rate * static_cast<double>((end.at - begin.at).count());
  std::printf(
      "{\"shape\":\"storm\",\"count\":%zu,\"join_ms\":{\"p50\":%.0f,\"p99\":%.0f,\"max\":%.0f},"
      "\"server_cpu_ms_per_join\":%.2f,\"running_calls\":{\"packets\":%llu,\"lost\":%lld,"
      "\"latency_us\":{\"p50\":%.0f,\"p99\":%.0f}},\"server_core_share\":%.2f,"
      "\"generator_core_share\":%.2f}\n",
      took_ms.size(), quantile(took_ms, 0.5), quantile(took_ms, 0.99), took_ms.back(),
      joins_cpu / 1e6 / static_cast<double>(took_ms.size()),
      static_cast<unsigned long long>(received_.packets),
      static_cast<long long>(end.lost - begin.lost), received_.latency.quantile_us(0.5),
      received_.latency.quantile_us(0.99),
      static_cast<double>(end.server_cpu - begin.server_cpu) / took_ns,
      static_cast<double>(end.own_cpu - begin.own_cpu) / took_ns);
}

void Load::run_hall() {
  if (options_.peer != "parley") throw std::runtime_error("hall is for parley only");
  const std::size_t n = std::max(options_.count, kSpeakers + 1);
  target_->make_room("hall", n);
  for (std::size_t i = 0; i < kSpeakers; ++i) {
    add("hall", "participant", {true, true, kSpeakers - 1, kSpeakers - 1});
  }
  const Snapshot before_joins = snapshot();
  come();
  for (std::size_t i = kSpeakers; i < n; ++i) {
    add("hall", "viewer", {false, false, kSpeakers, kSpeakers});
  }
  come_at_once();
  const Snapshot joined = snapshot();
  const std::vector<double> took_ms = connected_ms(0, before_joins.at);
  run_for(milliseconds(500));  // what is told to all comes a little later
  Entry::Told told;
  std::uint64_t largest_answer = 0;
  for (const auto& peer : peers_) {
    const Entry::Told one = peer->told();
    told.bytes += one.bytes;
    told.messages += one.messages;
    largest_answer = std::max(largest_answer, one.join_bytes);
    told.join_bytes += one.join_bytes;
  }
  release_media();
  run_for(seconds(options_.warmup_s));
  received_ = {};
  const Snapshot begin = snapshot();
  run_for(seconds(options_.run_s));
  const Snapshot end = snapshot();
  std::size_t fewest = std::numeric_limits<std::size_t>::max();
  for (const auto& peer : peers_) fewest = std::min(fewest, peer->streams());

  const auto people = static_cast<double>(n);
  const std::string more = format(
      "\"join_ms\":{\"p50\":%.0f,\"p99\":%.0f,\"max\":%.0f},\"one_more\":\"%s\","
      "\"fewest_streams\":%zu,\"server_mib\":%.1f,"
      "\"signalling\":{\"kib_per_join\":%.1f,\"answer_kib\":%.1f,\"largest_answer_kib\":%.1f,"
      "\"told_bytes_per_join_and_client\":%.2f,\"messages_per_client\":%.1f},",
      quantile(took_ms, 0.5), quantile(took_ms, 0.99), took_ms.back(), one_more().c_str(), fewest,
      static_cast<double>(server_.resident_bytes()) / 1'048'576,
      static_cast<double>(told.bytes) / 1'024 / people,
      static_cast<double>(told.join_bytes) / 1'024 / people,
      static_cast<double>(largest_answer) / 1'024,
      static_cast<double>(told.bytes - told.join_bytes) / people / people,
      static_cast<double>(told.messages) / people);
  report(before_joins, joined, begin, end, more);
}

// The reason why nobody else gets in.
std::string Load::one_more() {
  add("hall", "viewer", {false, false, 1, 1});
  auto peer = make_peer(std::exchange(waiting_, {}).front());
  --participants_;
  try {
    while (!peer->advance()) peer->wait();
  } catch (const Refused& refused) {
    return refused.reason;
  }
  return "let in";
}

std::vector<double> Load::connected_ms(std::size_t first, rtp::Time since) const {
  std::vector<double> took;
  for (std::size_t i = first; i < peers_.size(); ++i) {
    took.push_back(static_cast<double>((*peers_[i]->connected_at() - since).count()) / 1e3);
  }
  std::sort(took.begin(), took.end());
  return took;
}

std::string Load::profile() const {
  const auto agreed = peers_.front()->profile();
  if (!agreed) return "none";
  switch (*agreed) {
    case server::SrtpProfile::AeadAes128Gcm:
      return "AEAD_AES_128_GCM";
    case server::SrtpProfile::AeadAes256Gcm:
      return "AEAD_AES_256_GCM";
    case server::SrtpProfile::AesCm128HmacSha1_80:
      return "AES_CM_128_HMAC_SHA1_80";
  }
  return "none";
}

std::string Load::of_counters(const Snapshot& begin, const Snapshot& end) {
  if (!begin.counters || !end.counters) return {};
  const double out = std::max(end.counters->packets_out - begin.counters->packets_out, 1.0);
  const double messages = end.counters->messages_out - begin.counters->messages_out;
  const auto kib = [](double bytes, double count) { return bytes / 1'024 / std::max(count, 1.0); };
  return format(
      "\"packets_per_message\":%.2f,\"bytes_per_packet\":%.0f,\"in_per_out\":%.3f,"
      "\"state_kib_per_peer\":%.1f,\"kib_per_stream\":%.1f,",
      out / std::max(messages, 1.0), (end.counters->bytes_out - begin.counters->bytes_out) / out,
      (end.counters->packets_in - begin.counters->packets_in) / out,
      kib(end.counters->peer_bytes, end.counters->peers),
      kib(end.counters->stream_bytes, end.counters->streams));
}

void Load::report(const Snapshot& start, const Snapshot& joined, const Snapshot& begin,
                  const Snapshot& end, const std::string& more) const {
  if (received_.packets == 0) throw std::runtime_error("nothing was delivered");
  const double took_s = std::chrono::duration<double>(end.at - begin.at).count();
  const auto delivered = static_cast<double>(received_.packets);
  const auto share = [&](Nanoseconds cpu) { return static_cast<double>(cpu) / 1e9 / took_s; };
  const double peers = static_cast<double>(participants_);
  const Nanoseconds cpu = end.server_cpu - begin.server_cpu;
  const double busy = share(end.own_cpu - begin.own_cpu);
  std::printf(
      "{\"peer\":\"%s\",\"profile\":\"%s\",\"shape\":\"%s\",\"count\":%zu,\"participants\":%zu,"
      "\"seconds\":%.1f,\"sent_per_s\":%.0f,"
      "\"delivered_per_s\":%.0f,\"server_cpu_us_per_packet\":%.3f,\"server_core_share\":%.3f,"
      "%s%s"
      "\"lost\":%lld,\"refused\":%llu,\"latency_us\":{\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f},"
      "\"server_kib_per_peer\":%.1f,\"server_cpu_ms_per_join\":%.2f,\"generator_core_share\":%."
      "2f,"
      "\"generator_is_the_limit\":%s}\n",
      options_.peer.c_str(), profile().c_str(), options_.shape.c_str(), options_.count,
      participants_, took_s, static_cast<double>(end.sent - begin.sent) / took_s,
      delivered / took_s, static_cast<double>(cpu) / 1e3 / std::max(delivered, 1.0), share(cpu),
      of_counters(begin, end).c_str(), more.c_str(), static_cast<long long>(end.lost - begin.lost),
      static_cast<unsigned long long>(received_.refused), received_.latency.quantile_us(0.5),
      received_.latency.quantile_us(0.99), received_.latency.quantile_us(0.999),
      (static_cast<double>(server_.resident_bytes()) - static_cast<double>(idle_rss_)) / 1'024.0 /
          peers,
      static_cast<double>(joined.server_cpu - start.server_cpu) / 1e6 / peers, busy,
      busy > 0.9 ? "true" : "false");
}

}  // namespace parley::bench
