#pragma once

#include <memory>

#include "rtp/clock_map.h"
#include "rtp/types.h"
#include "server/alarm.h"
#include "server/api.h"
#include "server/context.h"
#include "server/relay.h"
#include "server/track.h"

namespace parley::server {

// A track that another worker receives, as this worker's subscribers see it: what comes over the
// relay goes the same way as what comes from a publisher, and has its own history here, so a NACK
// is answered without asking home.
class Mirror {
 public:
  Mirror(Context& context, Alarm& room_alarm, RoomId room, PublishSection section,
         std::shared_ptr<Relay> relay);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  static constexpr std::size_t kMaxDrained = 64;

  // Takes what has crossed since, kMaxDrained at most. False when there was nothing.
  [[nodiscard]] bool drain(rtp::Time now);
  // Call when the alarm is due; sets it anew.
  void tick(rtp::Time now);

  [[nodiscard]] const Alarm& alarm() const noexcept { return alarm_; }
  [[nodiscard]] Track& track() noexcept { return track_; }

 private:
  void take(rtp::Time now, const Relay::Record& record);

  Context& context_;
  Alarm alarm_;
  rtp::ClockMap no_clocks_;  // capture times come with the packets
  std::shared_ptr<Relay> relay_;
  Track track_;
};

}  // namespace parley::server
