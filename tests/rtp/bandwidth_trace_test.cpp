#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/allocation.h"
#include "rtp/bandwidth.h"
#include "rtp/layer_hold.h"
#include "rtp/prober.h"
#include "tests/sim/network.h"

// Estimation, probing and allocation together against links that change: a publisher with three
// layers and a microphone, one subscriber behind a link with a queue, feedback as Chromium sends
// it. No server and no sockets, so a minute takes milliseconds.
namespace parley::rtp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<double, 3> kLayers{150e3, 500e3, 1'500e3};
constexpr std::size_t kOverheadBytes = 60;
constexpr double kAudio = 50 * 140 * 8.0;
constexpr Duration kStep{1'000};
constexpr Duration kRun = seconds(60);
constexpr Duration kWarmUp = seconds(5);
constexpr Duration kKeyFrameAfter = milliseconds(100);
constexpr Duration kDelay = milliseconds(30);
constexpr Duration kLongestQueue = milliseconds(600);
constexpr Duration kShareAfter = milliseconds(50);  // as the server does
constexpr Duration kPlentyEvery = milliseconds(100);
constexpr double kLate = 0.5;  // seconds

struct Trace {
  std::string name;
  std::function<double(double)> rate;  // bits per second at so many seconds
  double loss = 0;
  Duration jitter{0};
  Duration detour{0};  // so much longer is the way from the step on
  double other = 0;    // bits per second of another's flow in the same queue
  // What must be reached.
  double best = 0.9;      // of the time, on average
  double worst = 0.9;     // in the worst run
  double queue_ms = 150;  // 95 % of the time
  bool steady = true;
  double step_at = 0;  // seconds
  Duration feedback_every = milliseconds(60);
};

struct Outcome {
  double best = 0;   // of the time, on average
  double worst = 0;  // and in the worst run
  double late = 0;   // what one would reach who knew the link exactly, but late
  double rises_in_s = -1;
  double falls_in_s = -1;
  double queue_p95_ms = 0;
  std::size_t freezes = 0;
  double padding = 0;
  std::size_t most_switches = 0;  // within 10 s
  double estimate = 0;

  // Of `best` and `late` the sum, of all else the worse.
  void add(const Outcome& other) {
    best += other.best;
    late += other.late;
    worst = std::min(worst, other.worst);
    rises_in_s = std::max(rises_in_s, other.rises_in_s);
    falls_in_s = std::max(falls_in_s, other.falls_in_s);
    queue_p95_ms = std::max(queue_p95_ms, other.queue_p95_ms);
    freezes = std::max(freezes, other.freezes);
    padding = std::max(padding, other.padding);
    most_switches = std::max(most_switches, other.most_switches);
  }
};

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

class Line {
 public:
  Line(const Trace& trace, Time start, std::uint64_t seed)
      : trace_(trace), start_(start), dice_(seed) {}

  struct Sent {
    Time at;
    std::uint32_t bytes = 0;
    int layer = -1;
    std::optional<Time> arrives;
  };
  [[nodiscard]] double rate(Time now) const {
    return std::max(10e3, trace_.rate(seconds_of(now - start_)));
  }
  void send(Time now, std::size_t bytes, int layer) {
    Sent packet{now, static_cast<std::uint32_t>(bytes), layer, std::nullopt};
    if (queue(now) <= kLongestQueue) {
      occupy(now, bytes);
      if (!dice_.chance(trace_.loss)) {
        Time at = free_ + kDelay;
        if (seconds_of(now - start_) >= 30) at += trace_.detour;
        if (trace_.jitter.count() > 0) {
          at += Duration(static_cast<std::int64_t>(
              dice_.below(static_cast<std::uint64_t>(trace_.jitter.count()))));
        }
        packet.arrives = last_ = std::max(at, last_);
      }
    }
    sent.push_back(packet);
  }
  void others(Time now) {
    if (trace_.other == 0 || now < next_other_) return;
    next_other_ = now + Duration(static_cast<std::int64_t>(1'200 * 8e6 / trace_.other));
    if (queue(now) <= kLongestQueue) occupy(now, 1'200);
  }
  [[nodiscard]] Duration queue(Time now) const { return std::max(Duration(0), free_ - now); }

  std::vector<Sent> sent;
  sim::Dice& dice() { return dice_; }

 private:
  void occupy(Time now, std::size_t bytes) {
    free_ = std::max(free_, now);
    for (double bits = static_cast<double>(bytes) * 8; bits > 0;) {
      const Duration slice(10'000 - free_.time_since_epoch().count() % 10'000);
      const double carries = rate(free_) * seconds_of(slice);
      const double share = std::min(1.0, bits / carries);
      free_ += Duration(
          static_cast<std::int64_t>(std::ceil(static_cast<double>(slice.count()) * share)));
      bits -= carries * share;
    }
  }

  const Trace& trace_;
  Time start_;
  sim::Dice dice_;
  Time free_{};
  Time last_{};
  Time next_other_{};
};

class Call {
 public:
  // Of each number another one, a little later against all clocks.
  Call(const Trace& trace, int number)
      : trace_(trace),
        start_(seconds(1) + number * Duration(7'300)),
        line_(trace, start_, 7 + static_cast<std::uint64_t>(number)) {}

  Outcome run() {
    for (now_ = start_; now_ < start_ + kRun; now_ += kStep) {
      line_.others(now_);
      send_audio();
      send_video();
      send_padding();
      make_feedback();
      read_feedback();
      allocate_layers();
      measure();
    }
    return result();
  }

 private:
  void media(std::size_t bytes, int layer) {
    line_.send(now_, bytes, layer);
    prober_.on_media(bytes);
    media_bytes_ += static_cast<double>(bytes);
  }
  void send_audio() {
    if (now_ < next_audio_) return;
    next_audio_ = now_ + milliseconds(20);
    media(140, -1);
  }
  void send_video() {
    if (now_ < next_frame_) return;
    next_frame_ = now_ + Duration(33'333);
    double scale = 0.7 + 0.6 * static_cast<double>(line_.dice().below(1'000)) / 1'000;
    if (target_ && (target_ != current_ || paused_) && now_ >= key_frame_at_) {
      current_ = target_;
      paused_ = false;
      scale = 5;
    }
    if (!current_ || paused_) return;
    auto left = static_cast<std::size_t>(kLayers[*current_] / 30 / 8 * scale);
    while (left > 0) {
      const std::size_t some = std::min<std::size_t>(left, 1'100);
      media(some + kOverheadBytes, static_cast<int>(*current_));
      left -= some;
    }
  }
  void send_padding() {
    if (!prober_.active(now_) || now_ < next_padding_) return;
    next_padding_ = now_ + milliseconds(5);
    for (std::size_t due = prober_.due(now_); due >= 290; due -= 290) {
      line_.send(now_, 290, -2);
      prober_.on_padding(290);
      padding_bytes_ += 290;
    }
  }
  void make_feedback() {
    if (now_ < next_feedback_) return;
    next_feedback_ = now_ + trace_.feedback_every;
    std::size_t end = told_;
    for (std::size_t i = told_; i < line_.sent.size(); ++i) {
      if (line_.sent[i].arrives && *line_.sent[i].arrives <= now_) end = i + 1;
    }
    if (end == told_) return;
    std::vector<PacketResult> results;
    for (; told_ < end; ++told_) {
      const Line::Sent& packet = line_.sent[told_];
      PacketResult one{packet.at, std::nullopt, packet.bytes};
      if (packet.arrives && *packet.arrives <= now_) {
        one.arrived = Duration(packet.arrives->time_since_epoch().count() / 250 * 250 + 77'000'000);
      }
      results.push_back(one);
    }
    feedback_.emplace_back(now_ + kDelay, std::move(results));
  }
  void read_feedback() {
    while (!feedback_.empty() && feedback_.front().first <= now_) {
      estimator_.on_feedback(now_, feedback_.front().second);
      feedback_.pop_front();
      prober_.on_estimate(now_, estimator_.estimate());
      if (estimator_.known()) prober_.on_known(now_);
      if (now_ >= shared_ + kShareAfter && estimator_.congested()) next_allocation_ = now_;
    }
  }
  void allocate_layers() {
    if (now_ < next_allocation_) return;
    shared_ = now_;
    std::array<LayerActivity::Layer, 3> layers;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      layers[i] = {true,     true, Duration(0), 30, Bitrate{static_cast<std::int64_t>(kLayers[i])},
                   180U << i};
    }
    const WayEstimate estimate{estimator_.estimate(), estimator_.known()
                                                          ? WayEstimate::Basis::Known
                                                          : WayEstimate::Basis::Passed};
    LayerWish wish{layers, 720, 0, target_, hold_.held_until(now_)};
    wish.stays_paused = hold_.holds_pause(now_);
    LayerChoice choice;
    const Bitrate audio{static_cast<std::int64_t>(kAudio)};
    sum_ = allocate(way(), audio, {&wish, 1}, {&choice, 1});
    hold_.on_choice(now_, target_, choice, estimate);
    if (choice.layer != target_) {
      target_ = choice.layer;
      key_frame_at_ = now_ + kKeyFrameAfter;
      if (!target_) current_.reset();
      switches_.push_back(now_);
    }
    // What is too much does not go on into a long queue (Subscription::give_up_shown).
    const bool congested = estimator_.overused() && estimator_.queue() > milliseconds(60);
    if (target_ && current_ && *target_ < *current_ && congested) paused_ = true;
    const bool plenty = sum_.complete && !estimator_.known();
    next_allocation_ = now_ + (plenty ? kPlentyEvery : kShareAfter);
    estimator_.set_demand(sum_.complete ? std::optional(sum_.spent) : std::nullopt);
    if (sum_.raised) prober_.on_step_up(now_);
    if (estimator_.known()) {
      prober_.on_known(now_);
    } else {
      prober_.consider(now_, estimator_.estimate(), sum_.next, sum_.spent, estimator_.overused(),
                       2 * kDelay + milliseconds(120));  // as the server does
    }
  }
  [[nodiscard]] Way way() const {
    return {
        estimator_.target(),  estimator_.congested(), estimator_.measured(), estimator_.known(), 0,
        estimator_.estimate()};
  }
  void measure() {
    const double link = line_.rate(now_);
    const double at = seconds_of(now_ - start_);
    const double estimate = static_cast<double>(estimator_.estimate().value);
    if (at > trace_.step_at && trace_.step_at > 0) {
      if (falls_in_s_ < 0 && estimate < link) falls_in_s_ = at - trace_.step_at;
      const double enough = std::min(link, 1.2 * (kLayers[2] + kAudio)) * 0.95;
      if (rises_in_s_ < 0 && estimate >= enough) rises_in_s_ = at - trace_.step_at;
    }
    if (now_ - start_ < kWarmUp) return;
    const auto best = best_at(link);
    ++steps_;
    if (best == current_) ++best_steps_;
    if (best == best_at(trace_.rate(at - kLate))) ++late_steps_;
    queues_.push_back(seconds_of(line_.queue(now_)) * 1'000);
  }
  [[nodiscard]] std::optional<std::size_t> best_at(double link) const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < kLayers.size(); ++i) {
      if (kLayers[i] * 1.055 + kAudio <= 0.9 * (link - trace_.other)) best = i;
    }
    return best;
  }
  Outcome result() {
    Outcome out;
    out.late = static_cast<double>(late_steps_) / static_cast<double>(steps_);
    out.best = out.worst = static_cast<double>(best_steps_) / static_cast<double>(steps_);
    const double never = trace_.step_at > 0 ? seconds_of(kRun) : -1;
    out.rises_in_s = rises_in_s_ < 0 ? never : rises_in_s_;
    out.falls_in_s = falls_in_s_ < 0 ? never : falls_in_s_;
    std::sort(queues_.begin(), queues_.end());
    out.queue_p95_ms = queues_[queues_.size() * 95 / 100];
    std::optional<Time> before;
    for (const Line::Sent& packet : line_.sent) {
      if (packet.layer < 0 || !packet.arrives) continue;
      if (before && *packet.arrives - *before > milliseconds(500)) ++out.freezes;
      before = packet.arrives;
    }
    out.padding = padding_bytes_ / (padding_bytes_ + media_bytes_);
    for (std::size_t i = 0; i < switches_.size(); ++i) {
      if (switches_[i] - start_ < kWarmUp) continue;
      std::size_t count = 0;
      while (i + count < switches_.size() && switches_[i + count] - switches_[i] < seconds(10)) {
        ++count;
      }
      out.most_switches = std::max(out.most_switches, count);
    }
    out.estimate = static_cast<double>(estimator_.estimate().value);
    return out;
  }

  const Trace& trace_;
  Time start_;
  Time now_{};
  Line line_;
  BandwidthEstimator estimator_;
  Prober prober_;
  LayerHold hold_;
  std::optional<std::size_t> current_;  // sent
  std::optional<std::size_t> target_;
  bool paused_ = false;  // what is sent, until the target's key frame
  Time key_frame_at_{};
  Time next_audio_{};
  Time next_frame_{};
  Time next_padding_{};
  Time next_feedback_{};
  Time next_allocation_{};
  Time shared_{};
  std::size_t told_ = 0;
  std::deque<std::pair<Time, std::vector<PacketResult>>> feedback_;
  Allocation sum_;
  double media_bytes_ = 0;
  double padding_bytes_ = 0;
  std::size_t steps_ = 0;
  std::size_t best_steps_ = 0;
  std::size_t late_steps_ = 0;
  std::vector<double> queues_;
  std::vector<Time> switches_;
  double rises_in_s_ = -1;
  double falls_in_s_ = -1;
};

// What somebody's phone got on its way, in rows of "until_s,kbps" (tests/data/links/README.md).
std::function<double(double)> recorded(const std::string& name) {
  std::vector<std::pair<double, double>> rows;
  std::ifstream in(PARLEY_TEST_DATA "/links/" + name + ".csv");
  std::string header;
  std::getline(in, header);
  double until = 0;
  char comma = 0;
  for (double kbps = 0; in >> until >> comma >> kbps;) rows.emplace_back(until, kbps * 1e3);
  EXPECT_GT(until, seconds_of(kRun)) << name;
  return [rows](double t) {
    const auto row = std::lower_bound(rows.begin(), rows.end(), std::pair{t, 0.0});
    return row == rows.end() ? rows.back().second : row->second;
  };
}

std::vector<Trace> traces() {
  const auto always = [](double rate) { return [rate](double) { return rate; }; };
  const auto step = [](double before, double after) {
    return [before, after](double t) { return t < 30 ? before : after; };
  };
  std::vector<Trace> all;
  all.push_back({"128 kbit/s", always(128e3)});
  all.push_back({"300 kbit/s", always(300e3)});
  all.push_back({"1 Mbit/s", always(1e6)});
  const Trace plenty{"5 Mbit/s", always(5e6)};
  all.push_back(plenty);
  all.push_back({"1 Mbit/s, 2 % lost", always(1e6), 0.02});
  all.push_back({"1 Mbit/s, 10 % lost", always(1e6), 0.10});
  all.push_back({"5 Mbit/s, 10 % lost", always(5e6), 0.10});
  all.push_back({"1 Mbit/s, 20 ms jitter", always(1e6), 0, milliseconds(20)});
  const Trace jitter{"2 Mbit/s, 20 ms jitter", always(2e6), 0, milliseconds(20)};
  all.push_back(jitter);
  all.push_back({"2 Mbit/s, 1 of another", always(2e6), 0, Duration(0), Duration(0), 1e6});
  Trace detour{"2 Mbit/s, way longer", always(2e6)};
  detour.detour = milliseconds(60);
  all.push_back(detour);
  detour.name = "2 Mbit/s, much longer";
  detour.detour = milliseconds(250);
  detour.steady = false;  // for a moment it looks like a deep queue
  detour.best = detour.worst = 0.98;
  all.push_back(detour);
  Trace up{"up 0.3 to 2 Mbit/s", step(300e3, 2e6)};
  Trace down{"down 5 to 0.6 Mbit/s", step(5e6, 600e3)};
  Trace deep{"down 3 to 0.3 Mbit/s", step(3e6, 300e3)};
  for (Trace* one : {&up, &down, &deep}) {
    one->steady = false;
    one->step_at = 30;
    one->best = one->worst = 0.98;
    all.push_back(*one);
  }
  Trace saw{"sawtooth 0.3 to 2.5", [](double t) {
              const double at = std::fmod(t, 40) / 20;
              return 300e3 + 2.2e6 * (at < 1 ? at : 2 - at);
            }};
  saw.steady = false;
  saw.best = 0.94;
  saw.worst = 0.92;
  all.push_back(saw);
  Trace drop{"sawtooth, falls at once",
             [](double t) { return 300e3 + 2.2e6 * std::fmod(t, 20) / 20; }};
  drop.steady = false;
  drop.worst = 0.92;
  all.push_back(drop);
  Trace lte{"LTE-like 0.7 to 2.7", [](double t) {
              return 1.7e6 + 0.7e6 * std::sin(t * 0.5) + 0.3e6 * std::sin(t * 1.7 + 1);
            }};
  lte.steady = false;
  lte.worst = 0.88;
  all.push_back(lte);
  Trace wild{"LTE-like 0.2 to 2.8", [](double t) {
               return 1.5e6 + 0.9e6 * std::sin(t * 0.7) + 0.4e6 * std::sin(t * 2.3 + 1);
             }};
  wild.steady = false;
  wild.best = 0.7;  // tenfold within a second or two: faster than a queue of 600 ms drains
  wild.worst = 0.65;
  wild.queue_ms = 330;
  all.push_back(wild);
  struct Phone {
    const char* name;
    double best;
    double worst;
    double queue_ms;
  };
  for (const Phone& one : {Phone{"hsdpa-tram", 0.95, 0.94, 150},
                           {"hsdpa-train", 0.9, 0.85, 150},
                           {"hsdpa-car", 0.87, 0.86, 180}}) {
    Trace phone{one.name, recorded(one.name)};
    phone.steady = false;
    phone.best = one.best;
    phone.worst = one.worst;
    phone.queue_ms = one.queue_ms;
    all.push_back(phone);
  }
  // Who tells four times a second, as browsers do where little comes.
  for (Trace slow : {plenty, jitter, up, down, lte}) {
    slow.name += ", slow";
    slow.feedback_every = milliseconds(250);
    all.push_back(slow);
  }
  for (Trace& one : all) {
    if (!one.steady) continue;
    one.best = 0.99;
    one.worst = one.jitter.count() > 0 ? 0.9 : 0.99;
  }
  return all;
}

TEST(BandwidthTraces, TheBestLayersThatFitAreSent) {
  const bool all = std::getenv("PARLEY_LONG") != nullptr;
  const int runs = all ? 40 : 4;
  std::printf("%-30s %6s %6s %6s %7s %7s %9s %7s %8s %8s %9s\n", "link", "best %", "worst",
              "late %", "up s", "down s", "queue p95", "freezes", "padding", "switches",
              "estimate");
  for (const Trace& trace : traces()) {
    Outcome out = Call(trace, 0).run();
    for (int number = 1; number < runs; ++number) out.add(Call(trace, number).run());
    out.best /= runs;
    out.late /= runs;
    std::printf("%-30s %6.1f %6.1f %6.1f %7.2f %7.2f %6.0f ms %7zu %6.1f %% %8zu %6.0f k\n",
                trace.name.c_str(), out.best * 100, out.worst * 100, out.late * 100, out.rises_in_s,
                out.falls_in_s, out.queue_p95_ms, out.freezes, out.padding * 100, out.most_switches,
                out.estimate / 1e3);
    SCOPED_TRACE(trace.name);
    EXPECT_LT(out.padding, 0.10);
    EXPECT_GE(out.best, all || trace.steady ? trace.best : trace.best - 0.02)
        << "a few runs may be below";
    EXPECT_GE(out.worst, trace.worst);
    EXPECT_LT(out.queue_p95_ms, trace.queue_ms);
    EXPECT_LE(out.rises_in_s, 5.0) << "after a step up; below 0 where there is none";
    EXPECT_LE(out.falls_in_s, 1.0) << "after a step down";
    EXPECT_EQ(out.freezes, 0U);
    if (trace.steady) {
      EXPECT_LE(out.most_switches, 2U);
    }
  }
}

}  // namespace
}  // namespace parley::rtp
