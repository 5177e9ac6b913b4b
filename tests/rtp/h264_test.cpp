#include "rtp/h264.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

struct Crop {
  std::uint32_t right = 0;
  std::uint32_t bottom = 0;
};

// The rest of a sequence parameter set behind the profile's own fields.
void put_picture(BitWriter& w, std::uint32_t width_mbs, std::uint32_t height_units,
                 bool frames_only, Crop crop) {
  w.ue(0);                                             // log2_max_frame_num_minus4
  w.ue(1).bits(0, 1).se(-3).se(5).ue(2).se(1).se(-1);  // picture order count type 1
  w.ue(1).bits(0, 1);                                  // references, gaps
  w.ue(width_mbs - 1).ue(height_units - 1).bits(frames_only, 1);
  if (!frames_only) w.bits(1, 1);
  w.bits(1, 1);
  const bool cropped = crop.right != 0 || crop.bottom != 0;
  w.bits(cropped, 1);
  if (cropped) w.ue(0).ue(crop.right).ue(0).ue(crop.bottom);
  w.bits(0, 1).bits(1, 1);  // no VUI; stop bit
}

WireBytes baseline_sps(std::uint32_t width_mbs, std::uint32_t height_units, bool frames_only,
                       Crop crop = {}) {
  BitWriter w;
  w.bits(66, 8).bits(0xe0, 8).bits(31, 8).ue(0);
  put_picture(w, width_mbs, height_units, frames_only, crop);
  return w.bytes();
}

WireBytes nal(std::uint8_t header, const WireBytes& body) { return joined({header}, body); }

WireBytes stap_a(std::initializer_list<WireBytes> units) {
  WireBytes wire{24};
  for (const WireBytes& unit : units) {
    wire.push_back(static_cast<std::uint8_t>(unit.size() >> 8));
    wire.push_back(static_cast<std::uint8_t>(unit.size()));
    wire = joined(std::move(wire), unit);
  }
  return wire;
}

TEST(H264Sps, ReadsTheSize) {
  EXPECT_EQ(h264_sps_resolution(baseline_sps(80, 45, true)), (Resolution{1280, 720}));
}

TEST(H264Sps, AppliesCropping) {
  // 1088 lines cut to 1080, 4:2:0: units of two lines.
  EXPECT_EQ(h264_sps_resolution(baseline_sps(120, 68, true, {0, 4})), (Resolution{1920, 1080}));
  // Field coding doubles the lines and the unit of cropping.
  EXPECT_EQ(h264_sps_resolution(baseline_sps(120, 34, false, {1, 2})), (Resolution{1918, 1080}));
}

TEST(H264Sps, WalksOverScalingListsOfTheHighProfiles) {
  BitWriter w;
  w.bits(100, 8).bits(0, 8).bits(40, 8).ue(0);
  w.ue(3).bits(1, 1);                   // 4:4:4 as separate planes: no chroma units
  w.ue(0).ue(0).bits(0, 1).bits(1, 1);  // depths, bypass, scaling matrix
  w.bits(1, 1).se(-8);                  // first list: the default, by a delta to 0
  w.bits(1, 1);
  for (int i = 0; i < 16; ++i) w.se(i % 2 == 0 ? 1 : -1);
  w.bits(0, 10);  // the other ten lists are absent
  put_picture(w, 40, 23, true, {0, 8});
  EXPECT_EQ(h264_sps_resolution(w.bytes()), (Resolution{640, 360}));
}

TEST(H264Sps, TakesEmulationPreventionOut) {
  auto sps = baseline_sps(80, 45, true);
  // level_idc 0 after constraint flags 0: then 00 00 must be followed by an escape.
  sps[1] = sps[2] = 0;
  WireBytes escaped(sps.begin(), sps.begin() + 3);
  escaped.push_back(3);
  escaped.insert(escaped.end(), sps.begin() + 3, sps.end());
  EXPECT_EQ(h264_sps_resolution(escaped), (Resolution{1280, 720}));
}

TEST(H264Sps, RefusesEveryTruncation) {
  auto sps = baseline_sps(120, 68, true, {0, 4});
  sps.pop_back();  // the stop bit's byte need not be there
  for_each_truncation(
      sps, [](const WireBytes& cut) { EXPECT_FALSE(h264_sps_resolution(cut)) << cut.size(); });
}

TEST(H264Sps, RefusesSizesThatAreNone) {
  EXPECT_FALSE(h264_sps_resolution(baseline_sps(1, 1, true, {8, 0}))) << "all cropped away";
  EXPECT_FALSE(h264_sps_resolution(baseline_sps(5000, 45, true))) << "over 65535";
  EXPECT_FALSE(h264_sps_resolution(baseline_sps(0xffff'ffff, 0xffff'ffff, false)));
}

TEST(H264Reader, TakesASingleUnit) {
  const WireBytes wire{0x65, 0x88, 0x01};
  H264Reader reader(wire);
  const auto unit = reader.next();
  ASSERT_TRUE(unit);
  EXPECT_EQ(unit->type(), H264Nal::kIdr);
  EXPECT_EQ(unit->body.size(), 2U);
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.ok());
}

TEST(H264Reader, TakesAnAggregationApart) {
  const auto wire = stap_a({{0x67, 1, 2}, {0x68, 3}});
  H264Reader reader(wire);
  EXPECT_EQ(reader.next()->type(), H264Nal::kSps);
  const auto pps = reader.next();
  EXPECT_EQ(pps->type(), H264Nal::kPps);
  EXPECT_EQ(WireBytes(pps->body.begin(), pps->body.end()), WireBytes{3});
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.ok());
}

TEST(H264Reader, PutsTheHeaderOfAFragmentTogether) {
  const WireBytes first{0x7c, 0x85, 0x88, 0x01};
  const auto begin = H264Reader(first).next();
  ASSERT_TRUE(begin);
  EXPECT_EQ(begin->header, 0x65);
  EXPECT_TRUE(begin->start);
  EXPECT_FALSE(begin->end);
  EXPECT_EQ(begin->body.size(), 2U);
  const WireBytes last{0x7c, 0x45, 0x01};
  const auto end = H264Reader(last).next();
  EXPECT_FALSE(end->start);
  EXPECT_TRUE(end->end);
}

TEST(H264Reader, RefusesWhatItDoesNotKnowOrIsCutOff) {
  for (const WireBytes& wire : {WireBytes{},
                                {0x60},
                                {25, 0, 0, 0},
                                {26, 0, 0, 0},
                                {29, 0x85, 1, 1},
                                {31, 0},
                                {24},
                                {24, 0},
                                {24, 0, 0},
                                {24, 0, 2, 0x67},
                                {24, 0, 1, 24},
                                {0x7c},
                                {0x7c, 0x85},
                                {0x7c, 0x80, 1},
                                {0x7c, 0x9c, 1}}) {
    H264Reader reader(wire);
    while (reader.next()) {
    }
    EXPECT_FALSE(reader.ok()) << wire.size();
    EXPECT_FALSE(H264Info::parse(wire));
  }
}

TEST(H264Info, FindsKeyFramesAndStarts) {
  const auto sps = nal(0x67, baseline_sps(80, 45, true));
  const auto key = H264Info::parse(stap_a({sps, {0x68, 3}, {0x65, 0x88}}));
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->key_frame);
  EXPECT_TRUE(key->frame_start);
  EXPECT_TRUE(key->has_sps);
  EXPECT_EQ(key->resolution, (Resolution{1280, 720}));

  const auto idr = H264Info::parse(WireBytes{0x7c, 0x85, 0x88, 0x01});
  EXPECT_TRUE(idr->key_frame);
  EXPECT_TRUE(idr->frame_start);
  EXPECT_FALSE(idr->has_sps);

  const auto later_slice = H264Info::parse(WireBytes{0x65, 0x48});
  EXPECT_FALSE(later_slice->key_frame);
  EXPECT_FALSE(later_slice->frame_start);

  const auto inter = H264Info::parse(WireBytes{0x61, 0x9a});
  EXPECT_FALSE(inter->key_frame);
  EXPECT_TRUE(inter->frame_start);

  const auto middle = H264Info::parse(WireBytes{0x7c, 0x05, 0x88, 0x01});
  EXPECT_FALSE(middle->key_frame);
  EXPECT_FALSE(middle->frame_start);
}

}  // namespace
}  // namespace parley::rtp
