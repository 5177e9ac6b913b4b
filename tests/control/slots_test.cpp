#include "control/slots.h"

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

// Assigns, and takes the result as what is shown now.
std::vector<std::uint32_t> settle(std::vector<SlotView>& slots,
                                  const std::vector<TrackView>& tracks) {
  const auto choices = assign_slots(slots, tracks);
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
  const auto choices = assign_slots(all, tracks);
  EXPECT_EQ(choices[0].track, no(99));
  EXPECT_EQ(choices[0].reason, SlotReason::ScreenShare);
}

TEST(Slots, AnExplicitWishComesFirst) {
  auto all = slots(1, 2);
  all[2].want.track = no(11);
  const auto choices = assign_slots(all, people(3));
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

}  // namespace
}  // namespace parley::control
