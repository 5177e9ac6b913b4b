#pragma once

#include <memory>
#include <vector>

#include "rtp/speaker_order.h"
#include "rtp/types.h"
#include "server/alarm.h"
#include "server/api.h"
#include "server/context.h"
#include "server/mirror.h"
#include "server/peer.h"

namespace parley::server {

// The peers of one room, who of them speaks and how much they send. Nothing leads from one room to
// another.
class Room {
 public:
  static constexpr rtp::Duration kSpeakersInterval{200'000};
  static constexpr rtp::Duration kTrafficInterval{1'000'000};

  Room(Context& context, Alarm& worker_alarm, RoomId id);
  ~Room();
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  Peer& add(rtp::Time now, PeerId id, PeerParams params);
  void remove(PeerId id);
  // A track of the room that another worker receives.
  void add_mirror(PublishSection section, std::shared_ptr<Relay> relay);
  void remove_mirror(TrackNo track);
  // What has gone through it, if it is more than was told; the last time in any case.
  void tell_traffic(bool last);
  // Ticks the peers that are due.
  void tick(rtp::Time now);

  [[nodiscard]] RoomId id() const noexcept { return id_; }
  [[nodiscard]] const Alarm& alarm() const noexcept { return alarm_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Peer>>& peers() const noexcept { return peers_; }

 private:
  void tell_speakers(rtp::Time now);

  Context& context_;
  RoomId id_;
  Alarm alarm_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;
  std::vector<std::unique_ptr<Peer>> peers_;
  rtp::Time next_speakers_{};
  rtp::SpeakerOrder order_;
  Speakers told_;
  rtp::Time next_traffic_{};
  Traffic past_traffic_;  // of peers that have gone
  Traffic told_traffic_;
  // Scratch, kept for its memory.
  std::vector<const rtp::AudioLevelMeter*> levels_;
  std::vector<TrackNo> numbers_;
};

}  // namespace parley::server
