#include "control/codec_agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using server::CodecParams;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

CodecParams codec(rtp::Codec name, std::uint8_t pt = 96) {
  CodecParams params;
  params.codec = name;
  params.pt = rtp::PayloadType(pt);
  return params;
}
CodecParams h264(std::uint32_t profile, std::uint8_t mode = 1, std::uint8_t pt = 102) {
  CodecParams params = codec(rtp::Codec::H264, pt);
  params.h264_profile = profile;
  params.packetization_mode = mode;
  return params;
}
CodecPolicy policy(std::vector<std::string> names) { return *CodecPolicy::from(names); }

const CodecParams kVp8 = codec(rtp::Codec::Vp8);
const CodecParams kVp9 = codec(rtp::Codec::Vp9, 98);
const CodecParams kAv1 = codec(rtp::Codec::Av1, 45);
const CodecParams kH264 = h264(0x42e01f);
const std::vector<CodecParams> kBrowser = {kVp8, kH264, kVp9, kAv1};
constexpr std::uint64_t kOwner = 7;

// What is agreed on for a publisher who can send `codecs`, when each of the others decodes that.
std::string agreed(const std::vector<CodecParams>& codecs,
                   const std::vector<std::vector<CodecParams>>& others,
                   const CodecPolicy& rules = {}, const CodecParams* current = nullptr) {
  std::vector<Viewer> viewers;
  for (std::size_t i = 0; i < others.size(); ++i) add_viewer(viewers, 100 + i, others[i]);
  const CodecParams* best = agree({kOwner, codecs}, viewers, rules, current);
  return best == nullptr ? "none" : name_of(*best);
}

TEST(CodecName, ReadsWhatARoomMayList) {
  EXPECT_EQ(CodecName::from("VP8")->codec, rtp::Codec::Vp8);
  EXPECT_EQ(CodecName::from("H265")->codec, rtp::Codec::H265);
  EXPECT_FALSE(CodecName::from("H264")->h264_profile);
  EXPECT_EQ(CodecName::from("H264/42e01f")->h264_profile, 0x42e01fU);
  EXPECT_EQ(CodecName::from("H264/42E01F")->text(), "H264/42e01f");
  for (const char* wrong : {"", "vp8", "VP7", "opus", "VP8/42e01f", "H264/", "H264/42e01", "H264/x",
                            "H264/42e01f0", "H264/-2e01f", " VP8"}) {
    EXPECT_FALSE(CodecName::from(wrong)) << wrong;
  }
}

TEST(CodecPolicyTest, RanksByTheProfileOfH264AndNothingElse) {
  const CodecPolicy rules = policy({"H264/64001f", "H264/42e01f", "VP8"});
  EXPECT_EQ(rules.rank(h264(0x640c34)), 0U) << "level and constraints do not count";
  EXPECT_EQ(rules.rank(h264(0x42001f, 0)), 1U);
  EXPECT_EQ(rules.rank(kVp8), 2U);
  EXPECT_FALSE(rules.rank(h264(0x4d001f)));
  EXPECT_FALSE(rules.rank(kAv1));
  EXPECT_EQ(policy({"H264"}).rank(h264(0x4d001f)), 0U);
  EXPECT_EQ(CodecPolicy().rank(kAv1), 0U) << "without a list everything is as good";
}

TEST(CodecPolicyTest, NamesTheFirstThatIsNone) {
  const std::vector<std::string> names = {"VP8", "H266", "x"};
  EXPECT_EQ(CodecPolicy::from(names).error(), "H266");
  EXPECT_FALSE(CodecPolicy::from(std::vector<std::string>(17, "VP8")));
}

TEST(Agreement, ThePublishersOrderCountsWhereTheRoomHasNone) {
  EXPECT_EQ(agreed(kBrowser, {}), "VP8");
  EXPECT_EQ(agreed({kVp9, kVp8}, {kBrowser}), "VP9");
}

TEST(Agreement, TheFirstThatEverybodyDecodes) {
  EXPECT_EQ(agreed(kBrowser, {kBrowser, {kH264}}), "H264/42e01f");
  EXPECT_EQ(agreed(kBrowser, {{kVp8, kVp9}, {kVp9, kH264}}), "VP9");
  EXPECT_EQ(agreed(kBrowser, {{kVp8}, {kH264}}), "none");
  EXPECT_EQ(agreed({kH264}, {{kVp8}}), "none");
  EXPECT_EQ(agreed(kBrowser, {{}}), "none") << "slots that have nothing in common";
}

TEST(Agreement, TheRoomsOrderIsStrongerThanThePublishers) {
  const CodecPolicy rules = policy({"H264/42e01f", "VP8"});
  EXPECT_EQ(agreed(kBrowser, {kBrowser}, rules), "H264/42e01f");
  EXPECT_EQ(agreed(kBrowser, {kBrowser, {kVp8}}, rules), "VP8");
  EXPECT_EQ(agreed({kVp9, kAv1}, {kBrowser}, rules), "none");
}

TEST(Agreement, ACodecInUseStaysUnlessTheRoomNamesABetterOne) {
  EXPECT_EQ(agreed(kBrowser, {kBrowser}, {}, &kH264), "H264/42e01f");
  EXPECT_EQ(agreed(kBrowser, {{kVp8}}, {}, &kH264), "VP8") << "not while somebody sees nothing";
  EXPECT_EQ(agreed(kBrowser, {kBrowser}, policy({"VP8", "H264"}), &kH264), "VP8");
  const CodecParams high = h264(0x64001f);
  EXPECT_EQ(agreed({kH264, high}, {{kH264, high}}, policy({"H264"}), &high), "H264/64001f");
}

TEST(Agreement, ProfilesMatchAsTheWorkerForwardsThem) {
  EXPECT_EQ(agreed({h264(0x42001f)}, {{kH264}}), "H264/42001f");
  EXPECT_EQ(agreed({h264(0x42e01f, 0)}, {{kH264}}), "none") << "another packetization mode";
}

TEST(Agreement, ThePublishersOwnSlotsDoNotCount) {
  std::vector<Viewer> viewers;
  add_viewer(viewers, kOwner, {kH264});
  const std::vector<CodecParams> codecs = {kVp8};
  EXPECT_NE(agree({kOwner, codecs}, viewers, {}), nullptr);
  add_viewer(viewers, 8, {kH264});
  EXPECT_EQ(viewers.size(), 1U) << "two of a kind are one entry";
  EXPECT_EQ(agree({kOwner, codecs}, viewers, {}), nullptr);
}

std::vector<std::pair<std::size_t, std::uint64_t>> counted(const ViewerCounts& counts,
                                                           std::uint64_t but_for = 0) {
  std::vector<std::pair<std::size_t, std::uint64_t>> kinds;  // how many codecs, whose
  for (const Viewer& one : counts.but_for(but_for)) {
    kinds.emplace_back(one.decodes.size(), one.participant);
  }
  return kinds;
}

TEST(ViewerCounts, KeepOneEntryForAllOfAKindAndKnowWhoIsAlone) {
  using Kind = std::pair<std::size_t, std::uint64_t>;
  ViewerCounts counts;
  for (const std::uint64_t one : {3U, 4U, 5U}) counts.put(one, kBrowser);
  counts.put(6, {kH264});
  EXPECT_THAT(counted(counts), ElementsAre(Kind{4, Viewer::kSeveral}, Kind{1, 6}));
  EXPECT_THAT(counted(counts, 6), ElementsAre(Kind{4, Viewer::kSeveral}));
  EXPECT_THAT(counted(counts, 3), ElementsAre(Kind{4, Viewer::kSeveral}, Kind{1, 6}));
  counts.put(5, {kH264});  // has changed
  EXPECT_THAT(counted(counts, 3), ElementsAre(Kind{4, 4}, Kind{1, Viewer::kSeveral}));
  counts.remove(5);
  counts.remove(5);
  counts.remove(77);
  EXPECT_THAT(counted(counts, 3), ElementsAre(Kind{4, 4}, Kind{1, 6}));
  for (const std::uint64_t one : {3U, 4U, 6U}) counts.remove(one);
  EXPECT_THAT(counted(counts), IsEmpty());
}

TEST(CommonFormats, AreThoseOfEverySlot) {
  const std::vector<std::vector<CodecParams>> slots = {kBrowser,
                                                       {codec(rtp::Codec::Vp9, 35), kH264}};
  EXPECT_THAT(names_of(common_formats(slots)), ElementsAre("H264/42e01f", "VP9"));
  EXPECT_THAT(common_formats({}), IsEmpty());
  EXPECT_EQ(common_formats(slots).front().pt, rtp::PayloadType()) << "numbers are of one slot only";
}

TEST(CommonFormats, NamesAreToldOnce) {
  const std::vector<CodecParams> both = {h264(0x42e01f, 1), h264(0x42e01f, 0), kVp8};
  EXPECT_THAT(names_of(both), ElementsAre("H264/42e01f", "VP8"));
}

}  // namespace
}  // namespace parley::control
