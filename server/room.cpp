#include "server/room.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "rtp/audio_level.h"

namespace parley::server {

Room::Room(Context& context, Alarm& worker_alarm, RoomId id)
    : context_(context), id_(id), alarm_(&worker_alarm) {
  context_.counters.rooms.add();
}

Room::~Room() { context_.counters.rooms.sub(); }

Peer& Room::add(rtp::Time now, PeerId id, PeerParams params) {
  peers_.push_back(std::make_unique<Peer>(context_, alarm_, now, id_, id, std::move(params)));
  alarm_.set(now);
  return *peers_.back();
}

void Room::remove(PeerId id) {
  const auto leaving = std::find_if(peers_.begin(), peers_.end(),
                                    [&](const auto& peer) { return peer->id() == id; });
  if (leaving == peers_.end()) return;
  past_traffic_ += (*leaving)->traffic();
  peers_.erase(leaving);
  if (peers_.empty()) tell_traffic(false);  // an empty room does not tick
}

void Room::add_mirror(PublishSection section, std::shared_ptr<Relay> relay) {
  mirrors_.push_back(
      std::make_unique<Mirror>(context_, alarm_, id_, std::move(section), std::move(relay)));
}

void Room::remove_mirror(TrackNo track) {
  std::erase_if(mirrors_, [&](const auto& mirror) { return mirror->track().number() == track; });
}

void Room::tick(rtp::Time now) {
  alarm_.clear();
  if (!peers_.empty()) {
    if (now >= next_speakers_) {
      tell_speakers(now);
      next_speakers_ = on_grid(now + kSpeakersInterval);
    }
    if (now >= next_traffic_) {
      tell_traffic(false);
      next_traffic_ = on_grid(now + kTrafficInterval);
    }
    alarm_.set(next_speakers_);
  }
  for (const auto& peer : peers_) {
    if (peer->alarm().due(now)) peer->tick(now);
  }
  for (const auto& mirror : mirrors_) {
    if (mirror->alarm().due(now)) mirror->tick(now);
    alarm_.set(mirror->alarm().at());
  }
  // Afterwards, because a tick may wake another peer (a slot asks its publisher for a key frame).
  for (const auto& peer : peers_) alarm_.set(peer->alarm().at());
}

void Room::tell_traffic(bool last) {
  Traffic total = past_traffic_;
  for (const auto& peer : peers_) total += peer->traffic();
  if (total == told_traffic_ && !last) return;
  told_traffic_ = total;
  context_.emit(RoomTraffic{id_, total, last});
}

void Room::tell_speakers(rtp::Time now) {
  levels_.clear();
  numbers_.clear();
  for (const auto& peer : peers_) {
    for (const auto& track : peer->tracks()) {
      if (track->kind() != rtp::MediaKind::Audio || track->muted()) continue;
      levels_.push_back(&track->level());
      numbers_.push_back(track->number());
    }
  }
  std::array<std::size_t, rtp::SpeakerOrder::kMaxSpeakers> order;
  std::array<rtp::SpeakerOrder::Heard, order.size()> heard;
  const std::size_t count = rtp::rank_speakers(levels_, now, order);
  for (std::size_t i = 0; i < count; ++i) {
    heard[i] = {numbers_[order[i]].value, levels_[order[i]]->loudness(now)};
  }
  order_.update(std::span(heard).first(count));
  const auto is_told = [](std::span<const std::uint32_t> are, const std::vector<TrackNo>& told) {
    return std::equal(are.begin(), are.end(), told.begin(), told.end(),
                      [](std::uint32_t a, TrackNo b) { return a == b.value; });
  };
  if (is_told(order_.loudest(), told_.tracks) && is_told(order_.talkers(), told_.talkers)) return;
  told_.room = id_;
  told_.tracks.clear();
  told_.talkers.clear();
  for (const std::uint32_t track : order_.loudest()) told_.tracks.emplace_back(track);
  for (const std::uint32_t track : order_.talkers()) told_.talkers.emplace_back(track);
  context_.emit(told_);
}

}  // namespace parley::server
