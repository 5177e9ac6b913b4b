#include "control/slots.h"

#include <algorithm>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using rtp::MediaKind;
using ::testing::ElementsAre;

server::TrackNo no(std::uint32_t n) { return server::TrackNo(n); }

// Person p publishes microphone p*10 and camera p*10+1.
std::vector<TrackView> people(std::uint32_t count) {
  std::vector<TrackView> tracks;
  for (std::uint32_t p = 1; p <= count; ++p) {
    tracks.push_back({no(p * 10), MediaKind::Audio, TrackSource::Microphone, p, kSilent, false});
    tracks.push_back({no(p * 10 + 1), MediaKind::Video, TrackSource::Camera, p, kSilent, false});
  }
  return tracks;
}

std::vector<SlotView> slots(std::size_t audio, std::size_t video) {
  std::vector<SlotView> all;
  for (std::size_t i = 0; i < audio; ++i) all.push_back({MediaKind::Audio, i, {}, {}});
  for (std::size_t i = 0; i < video; ++i) all.push_back({MediaKind::Video, i, {}, {}});
  return all;
}

std::vector<std::uint32_t> numbers(const std::vector<SlotChoice>& choices) {
  std::vector<std::uint32_t> all;
  for (const SlotChoice& choice : choices) all.push_back(choice.track ? choice.track->value : 0);
  return all;
}

constexpr std::uint64_t kReceiver = 1'000'000;  // publishes nothing

std::vector<SlotChoice> assign(std::span<const SlotView> slots,
                               const std::vector<TrackView>& tracks) {
  return assign_slots(slots, RankedTracks(tracks), kReceiver);
}

// Assigns, and takes the result as what is shown now.
std::vector<std::uint32_t> settle(std::vector<SlotView>& slots,
                                  const std::vector<TrackView>& tracks, SlotLimits limits = {}) {
  const auto choices = assign_slots(slots, RankedTracks(tracks), kReceiver, limits);
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i].current = choices[i].track;
  return numbers(choices);
}

TEST(Slots, EverybodyGetsOneWithAudioAndVideoUnderTheSameIndex) {
  auto all = slots(3, 3);
  EXPECT_THAT(settle(all, people(2)), ElementsAre(10, 20, 0, 11, 21, 0));
}

TEST(Slots, NothingMovesWhenSomebodyComesOrGoes) {
  auto all = slots(3, 3);
  settle(all, people(2));
  EXPECT_THAT(settle(all, people(3)), ElementsAre(10, 20, 30, 11, 21, 31));
  auto without_first = people(3);
  without_first.erase(without_first.begin(), without_first.begin() + 2);
  EXPECT_THAT(settle(all, without_first), ElementsAre(0, 20, 30, 0, 21, 31));
  EXPECT_THAT(settle(all, people(3)), ElementsAre(10, 20, 30, 11, 21, 31));
}

TEST(Slots, ALateCameraJoinsItsMicrophone) {
  auto all = slots(2, 2);
  auto tracks = people(2);
  const TrackView first_camera = tracks[1];
  tracks.erase(tracks.begin() + 1);
  settle(all, tracks);
  tracks.push_back(first_camera);
  EXPECT_THAT(settle(all, tracks), ElementsAre(20, 10, 21, 11));
}

TEST(Slots, TheLoudestTakeThePlaceOfTheSilent) {
  auto all = slots(2, 2);
  auto tracks = people(4);
  settle(all, tracks);
  tracks[6].loudness = 0;  // person 4 speaks
  tracks[7].loudness = 0;
  const auto shown = settle(all, tracks);
  EXPECT_THAT(shown, ElementsAre(10, 40, 11, 41));
  tracks[6].loudness = tracks[7].loudness = kSilent;
  EXPECT_EQ(settle(all, tracks), shown);  // and stays when nobody else speaks
}

TEST(Slots, SpeakersThatAreShownDoNotSwapPlaces) {
  auto all = slots(2, 2);
  auto tracks = people(2);
  tracks[0].loudness = 1;
  tracks[2].loudness = 0;
  const auto before = settle(all, tracks);
  std::swap(tracks[0].loudness, tracks[2].loudness);
  EXPECT_EQ(settle(all, tracks), before);
}

TEST(Slots, AScreenComesBeforeCameras) {
  auto all = slots(0, 1);
  auto tracks = people(2);
  settle(all, tracks);
  tracks.push_back({no(99), MediaKind::Video, TrackSource::ScreenShare, 2, kSilent, false});
  const auto choices = assign(all, tracks);
  EXPECT_EQ(choices[0].track, no(99));
  EXPECT_EQ(choices[0].reason, SlotReason::ScreenShare);
}

TEST(Slots, AnExplicitWishComesFirst) {
  auto all = slots(1, 2);
  all[2].want.track = no(11);
  const auto choices = assign(all, people(3));
  EXPECT_EQ(choices[2].track, no(11));
  EXPECT_EQ(choices[2].reason, SlotReason::Wanted);
  EXPECT_EQ(choices[1].track, no(21));
}

TEST(Slots, OfTwoWishesForOneTrackTheHigherPriorityWins) {
  auto all = slots(0, 2);
  all[0].want = {no(11), 720, 1, false};
  all[1].want = {no(11), 720, 2, false};
  EXPECT_THAT(settle(all, people(1)), ElementsAre(0, 11));
}

TEST(Slots, AnUnwantedSlotStaysEmpty) {
  auto all = slots(1, 1);
  all[1].want.empty = true;
  EXPECT_THAT(settle(all, people(1)), ElementsAre(10, 0));
}

TEST(Slots, AHiddenSlotGivesItsTrackToTheOneThatWantsItByName) {
  auto all = slots(0, 2);
  EXPECT_THAT(settle(all, people(2)), ElementsAre(11, 21));
  all[1].want.empty = true;
  EXPECT_THAT(settle(all, people(2)), ElementsAre(11, 21));
  all[0].want.track = no(21);
  EXPECT_THAT(settle(all, people(2)), ElementsAre(21, 0));
}

TEST(Slots, AHiddenSlotKeepsItsTrackFromMovingElsewhere) {
  auto all = slots(0, 3);
  settle(all, people(2));
  all[0].want.empty = true;
  EXPECT_THAT(settle(all, people(2)), ElementsAre(11, 21, 0));
}

TEST(Slots, MutedTracksYieldWhenThereAreTooMany) {
  auto all = slots(1, 0);
  auto tracks = people(2);
  tracks[0].muted = true;
  EXPECT_THAT(settle(all, tracks), ElementsAre(20));
}

TEST(Slots, NobodyGetsHisOwn) {
  auto all = slots(2, 2);
  const auto tracks = people(3);
  EXPECT_THAT(numbers(assign_slots(all, RankedTracks(tracks), 2)), ElementsAre(10, 30, 11, 31));
  all[2].want.track = no(21);
  EXPECT_THAT(numbers(assign_slots(all, RankedTracks(tracks), 2)), ElementsAre(10, 30, 11, 31));
}

TEST(Slots, OfThoseThatAreEqualTheShownStay) {
  auto all = slots(2, 2);
  auto tracks = people(5);
  tracks[8].loudness = tracks[9].loudness = 0;  // person 5
  settle(all, tracks);
  tracks[8].loudness = tracks[9].loudness = kSilent;
  EXPECT_THAT(settle(all, tracks), ElementsAre(50, 10, 51, 11));
  tracks[4].loudness = tracks[5].loudness = 0;  // person 3 takes the place of one of them
  EXPECT_THAT(settle(all, tracks), ElementsAre(30, 10, 31, 11));
}

TEST(Slots, ASilentTrackTakesNoSlotFromASpeakingOne) {
  auto all = slots(2, 0);
  auto tracks = people(2);
  tracks[0].loudness = 1;
  tracks[2].loudness = 0;
  const auto before = settle(all, tracks);
  auto more = people(6);
  more[0].loudness = 1;
  more[2].loudness = 0;
  EXPECT_EQ(settle(all, more), before);
  more[10].muted = true;
  more[10].loudness = kSilent;
  EXPECT_EQ(settle(all, more), before);
}

TEST(Slots, SomebodyWhoGetsLoudHasASlotAtOnceAndTheOthersStayWhereTheyAre) {
  auto all = slots(3, 0);
  auto tracks = people(9);
  tracks[0].loudness = 0;
  tracks[2].loudness = 1;
  EXPECT_THAT(settle(all, tracks), ElementsAre(10, 20, 30));
  tracks[16].loudness = 2;  // the quietest of three speakers, but the third is silent
  EXPECT_THAT(settle(all, tracks), ElementsAre(10, 20, 90));
}

TEST(Slots, NoMoreMicrophonesThanTheLimitAndTheLoudestOfThem) {
  auto all = slots(6, 0);
  auto tracks = people(8);
  tracks[14].loudness = 0;
  tracks[12].loudness = 1;
  const SlotLimits limits{.microphones = 3};
  EXPECT_THAT(settle(all, tracks, limits), ElementsAre(80, 70, 10, 0, 0, 0));
  tracks[4].loudness = 2;
  EXPECT_THAT(settle(all, tracks, limits), ElementsAre(80, 70, 30, 0, 0, 0));
  all[5].want.track = no(60);
  EXPECT_THAT(settle(all, tracks, limits), ElementsAre(80, 70, 30, 0, 0, 60)) << "by name";
}

TEST(Slots, ALimitThatComesDownTakesTheSilentAway) {
  auto all = slots(4, 4);
  auto tracks = people(4);
  settle(all, tracks);
  tracks[6].loudness = tracks[7].loudness = 0;
  EXPECT_THAT(settle(all, tracks, {.cameras = 1, .microphones = 2}),
              ElementsAre(10, 0, 0, 40, 0, 0, 0, 41));
  EXPECT_THAT(settle(all, tracks), ElementsAre(10, 20, 30, 40, 11, 21, 31, 41));
}

TEST(Slots, ScreensAndWishesAreNotCountedAmongTheCameras) {
  auto all = slots(0, 5);
  auto tracks = people(5);
  tracks.push_back({no(99), MediaKind::Video, TrackSource::ScreenShare, 2, kSilent, false});
  all[4].want.track = no(31);
  EXPECT_THAT(settle(all, tracks, {.cameras = 2}), ElementsAre(99, 11, 21, 0, 31));
}

TEST(Slots, TheCamerasWithinTheLimitAreThoseOfTheSpeakers) {
  auto all = slots(0, 4);
  auto tracks = people(6);
  settle(all, tracks, {.cameras = 2});
  tracks[9].loudness = 0;
  EXPECT_THAT(settle(all, tracks, {.cameras = 2}), ElementsAre(11, 51, 0, 0));
}

// Against the obvious way of saying it: everything sorted for each receiver.
TEST(Slots, ChoosesWhatSortingEverythingForEachReceiverChooses) {
  std::uint32_t seed = 1;
  const auto chance = [&](std::uint32_t below) {
    seed = seed * 1'664'525 + 1'013'904'223;
    return (seed >> 16) % below;
  };
  for (int round = 0; round < 300; ++round) {
    auto tracks = people(3 + chance(12));
    auto all = slots(1 + chance(4), 0);
    for (int step = 0; step < 6; ++step) {
      for (TrackView& track : tracks) {
        track.muted = chance(4) == 0;
        track.loudness = chance(3) == 0 ? chance(4) : kSilent;
      }
      const std::uint64_t receiver = 1 + chance(15);
      std::vector<TrackView> expected;
      for (const TrackView& track : tracks) {
        if (track.kind == MediaKind::Audio && track.participant != receiver) {
          expected.push_back(track);
        }
      }
      const auto is_shown = [&](const TrackView& track) {
        return std::any_of(all.begin(), all.end(),
                           [&](const SlotView& slot) { return slot.current == track.track; });
      };
      std::stable_sort(expected.begin(), expected.end(), [&](const auto& a, const auto& b) {
        return std::tuple(a.muted, a.loudness, !is_shown(a)) <
               std::tuple(b.muted, b.loudness, !is_shown(b));
      });
      if (expected.size() > all.size()) expected.resize(all.size());
      std::vector<std::uint32_t> wanted(all.size());
      for (std::size_t i = 0; i < expected.size(); ++i) wanted[i] = expected[i].track.value;
      const auto choices = assign_slots(all, RankedTracks(tracks), receiver);
      std::vector<std::uint32_t> got = numbers(choices);
      for (std::size_t i = 0; i < all.size(); ++i) all[i].current = choices[i].track;
      std::sort(wanted.begin(), wanted.end());
      std::sort(got.begin(), got.end());
      ASSERT_EQ(got, wanted) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace parley::control
