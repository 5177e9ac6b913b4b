#include <algorithm>

#include "control/session.h"

// What of a session is muted, by whom, and for how long.
namespace parley::control {
namespace {

std::string_view name_of(MutedBy by) noexcept {
  switch (by) {
    case MutedBy::Self:
      return "self";
    case MutedBy::Host:
      return "host";
    case MutedBy::Api:
      return "api";
    case MutedBy::Server:
      return "server";
  }
  return "self";
}

}  // namespace

bool MuteAll::covers(const Participant& participant) const {
  return std::find(except.begin(), except.end(), participant.claims.identity) == except.end();
}

template <class Change>
bool Session::change_mute(Participant& owner, Track& track, MutedBy by, const Change& change) {
  const bool was_muted = track.muted();
  const bool was_stopped = track.stopped();
  change(track);
  if (track.stopped() != was_stopped) {
    for (const std::size_t worker : workers_) {
      context_.post(worker, server::MuteTrack{track.no, track.stopped()});
    }
  }
  if (track.muted() == was_muted) return false;
  const std::string_view method = track.muted() ? "track.muted" : "track.unmuted";
  const Json data =
      Json::object({{"participant_id", owner.id}, {"track_id", track.id}, {"by", name_of(by)}});
  broadcast(method, data);
  event(method, data);
  return true;
}

bool Session::set_muted(Participant& owner, Track& track, bool muted, MutedBy by) {
  return change_mute(owner, track, by, [&](Track& t) {
    if (by == MutedBy::Self) {
      t.self_muted = muted;
      if (!muted) t.host_muted = false;  // where it is allowed: may_unmute()
    } else {
      t.host_muted = muted;
      if (!muted) t.self_muted = false;
    }
  });
}

bool Session::may_unmute(const Participant& owner, const Track& track) const {
  if (!track.host_muted || !is_audio(track.source)) return true;
  if (!mute_all_ || mute_all_->unmute_allowed) return true;
  return !mute_all_->covers(owner) || owner.may(Permission::MuteOthers);
}

bool Session::is_muted_by_host(const Participant& participant) const {
  return mute_all_ && mute_all_->covers(participant);
}

std::size_t Session::mute_all(MuteAll mute) {
  mute_all_ = std::move(mute);
  std::size_t count = 0;
  for (const auto& p : participants_) {
    if (!mute_all_->covers(*p)) continue;
    for (Track& track : p->tracks) {
      if (!is_audio(track.source)) continue;
      if (set_muted(*p, track, true, mute_all_->by)) ++count;
    }
  }
  return count;
}

// What somebody has muted himself stays muted.
bool Session::clear_mute_all(MutedBy by) {
  if (!mute_all_) return false;
  mute_all_.reset();
  // Those too whom only an earlier one had muted, and the last one left out.
  for (const auto& p : participants_) {
    for (Track& track : p->tracks) {
      if (!is_audio(track.source)) continue;
      change_mute(*p, track, by, [](Track& t) { t.host_muted = false; });
    }
  }
  return true;
}

bool Session::withholds(const Participant& owner, const Track& track) const noexcept {
  return (pictures_withheld_ && !is_audio(track.source)) ||
         !owner.may(permission_for(track.source));
}

void Session::withhold_pictures(bool withheld) {
  pictures_withheld_ = withheld;
  for (const auto& p : participants_) withhold_again(*p);
}

void Session::withhold_again(Participant& owner) {
  for (Track& track : owner.tracks) {
    change_mute(owner, track, MutedBy::Server, [&](Track& t) { t.withheld = withholds(owner, t); });
  }
}

}  // namespace parley::control
