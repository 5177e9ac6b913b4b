// What one change of the speakers costs the control loop in a large room: the tracks put in order,
// then the slots of each participant assigned anew.
#include <vector>

#include <benchmark/benchmark.h>

#include "control/slots.h"

using namespace parley;
using namespace parley::control;

namespace {

std::vector<TrackView> tracks_of(std::uint32_t people) {
  std::vector<TrackView> tracks;
  for (std::uint32_t p = 1; p <= people; ++p) {
    tracks.push_back({server::TrackNo(2 * p), rtp::MediaKind::Audio, TrackSource::Microphone, p});
    tracks.push_back({server::TrackNo(2 * p + 1), rtp::MediaKind::Video, TrackSource::Camera, p});
  }
  return tracks;
}

std::vector<SlotView> slots_of(std::size_t audio, std::size_t video) {
  std::vector<SlotView> slots;
  for (std::size_t i = 0; i < audio; ++i) slots.push_back({rtp::MediaKind::Audio, i, {}, {}});
  for (std::size_t i = 0; i < video; ++i) slots.push_back({rtp::MediaKind::Video, i, {}, {}});
  return slots;
}

// People, each with both tracks; audio and video slots of each.
void BM_SpeakersChange(benchmark::State& state) {
  const auto people = static_cast<std::uint32_t>(state.range(0));
  std::vector<TrackView> tracks = tracks_of(people);
  std::vector<std::vector<SlotView>> all(people,
                                         slots_of(3, static_cast<std::size_t>(state.range(1))));
  std::uint32_t speaker = 0;
  for (auto _ : state) {
    for (TrackView& track : tracks) track.loudness = kSilent;
    for (std::size_t rank = 0; rank < 3; ++rank) {
      const std::size_t at = (speaker + rank * 7) % people;
      tracks[2 * at].loudness = tracks[2 * at + 1].loudness = rank;
    }
    ++speaker;
    const RankedTracks ranked(tracks);
    for (std::uint32_t p = 0; p < people; ++p) {
      const auto choices = assign_slots(all[p], ranked, p + 1);
      for (std::size_t i = 0; i < choices.size(); ++i) all[p][i].current = choices[i].track;
    }
  }
  state.SetItemsProcessed(state.iterations() * people);
}
BENCHMARK(BM_SpeakersChange)
    ->Args({10, 4})
    ->Args({100, 4})
    ->Args({500, 0})
    ->Args({500, 4})
    ->Args({500, 25})
    ->Unit(benchmark::kMillisecond);

}  // namespace
