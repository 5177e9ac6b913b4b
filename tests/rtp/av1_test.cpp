#include "rtp/av1.h"

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

constexpr std::uint8_t obu_header(unsigned type, bool extension = false, bool size = false) {
  return static_cast<std::uint8_t>(type << 3 | (extension ? 4U : 0U) | (size ? 2U : 0U));
}

WireBytes sequence_header(std::uint32_t width, std::uint32_t height) {
  BitWriter w;
  w.bits(0, 3).bits(0, 1).bits(0, 1);    // profile, still picture, reduced header
  w.bits(1, 1).bits(0, 32).bits(0, 32);  // timing info
  w.bits(1, 1).ue(300).bits(1, 1);       // equal intervals; decoder model info
  w.bits(9, 5).bits(0, 32).bits(0, 5).bits(0, 5);
  w.bits(1, 1).bits(1, 5);  // initial display delay; two operating points
  w.bits(0, 12).bits(8, 5).bits(0, 1).bits(1, 1).bits(0, 21).bits(1, 1).bits(0, 4);
  w.bits(0, 12).bits(5, 5).bits(0, 1).bits(0, 1);
  w.bits(10, 4).bits(9, 4).bits(width - 1, 11).bits(height - 1, 10);
  return w.bytes();
}

TEST(Av1Sequence, ReadsTheLargestSize) {
  EXPECT_EQ(av1_sequence_resolution(sequence_header(1280, 720)), (Resolution{1280, 720}));
  BitWriter reduced;
  reduced.bits(0, 3).bits(1, 1).bits(1, 1).bits(4, 5).bits(7, 4).bits(7, 4);
  reduced.bits(199, 8).bits(99, 8);
  EXPECT_EQ(av1_sequence_resolution(reduced.bytes()), (Resolution{200, 100}));
}

TEST(Av1Sequence, RefusesEveryTruncation) {
  for_each_truncation(sequence_header(1280, 720), [](const WireBytes& cut) {
    EXPECT_FALSE(av1_sequence_resolution(cut)) << cut.size();
  });
}

// N, W = 2: a sequence header with its length and the beginning of a frame that goes on (Y).
WireBytes key_packet() {
  auto sequence = joined({obu_header(1)}, sequence_header(640, 360));
  WireBytes wire{0x68, static_cast<std::uint8_t>(sequence.size())};
  return joined(joined(wire, sequence), {obu_header(6, true), 0x28, 0x01, 0x02});
}

TEST(Av1Reader, TakesTheElementsApart) {
  const auto wire = key_packet();
  Av1Reader reader(wire);
  EXPECT_TRUE(reader.new_sequence());
  const auto sequence = reader.next();
  ASSERT_TRUE(sequence);
  EXPECT_EQ(sequence->type, Av1Obu::kSequenceHeader);
  EXPECT_TRUE(sequence->start);
  EXPECT_TRUE(sequence->end);
  const auto frame = reader.next();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->type, Av1Obu::kFrame);
  EXPECT_EQ(frame->temporal_id, 1);
  EXPECT_EQ(frame->spatial_id, 1);
  EXPECT_EQ(frame->body.size(), 2U);
  EXPECT_TRUE(frame->start);
  EXPECT_FALSE(frame->end);
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.ok());
}

TEST(Av1Reader, TakesContinuationsAndSizeFields) {
  // Z, W = 0: the rest of an OBU, then a whole one with its own size field and one byte behind it.
  const WireBytes wire{0x80, 2, 0xaa, 0xbb, 4, obu_header(3, false, true), 1, 0xcc, 0xdd};
  Av1Reader reader(wire);
  const auto rest = reader.next();
  EXPECT_FALSE(rest->start);
  EXPECT_TRUE(rest->end);
  EXPECT_EQ(rest->data.size(), 2U);
  const auto header = reader.next();
  EXPECT_EQ(header->type, Av1Obu::kFrameHeader);
  EXPECT_EQ(WireBytes(header->body.begin(), header->body.end()), WireBytes{0xcc});
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.ok());
}

TEST(Av1Reader, RefusesLiesAboutLengths) {
  for (const WireBytes& wire : {WireBytes{},
                                {0x00},
                                {0x00, 5, 0x30},
                                {0x00, 0x80},
                                {0x20, 1, 0x30},
                                {0x30, 1, 0x30, 1, 0x30},
                                {0x10, 0x34},
                                {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}) {
    EXPECT_FALSE(Av1Info::parse(wire)) << wire.size();
  }
}

TEST(Av1Info, FindsKeyFrameStartAndLayers) {
  const auto key = Av1Info::parse(key_packet());
  ASSERT_TRUE(key);
  EXPECT_TRUE(key->key_frame);
  EXPECT_TRUE(key->frame_start);
  EXPECT_EQ(key->resolution, (Resolution{640, 360}));
  EXPECT_TRUE(key->has_layers);
  EXPECT_EQ(key->temporal_id, 1);

  auto repeated = key_packet();
  repeated[0] &= 0xf7;  // without N the sequence header is a repetition
  EXPECT_FALSE(Av1Info::parse(repeated)->key_frame);

  const auto middle = Av1Info::parse(WireBytes{0x90, 1, 2, 3});
  EXPECT_FALSE(middle->frame_start);
  EXPECT_FALSE(middle->has_layers);
  EXPECT_FALSE(Av1Info::parse(WireBytes{0x10, obu_header(4), 1})->frame_start) << "tile group";
}

TEST(Av1Info, SurvivesEveryTruncation) {
  for_each_truncation(key_packet(), [](const WireBytes& cut) {
    const auto info = Av1Info::parse(cut);
    // The last element has no length: cut within it, it is only shorter.
    EXPECT_EQ(info.has_value(), cut.size() + 2 >= key_packet().size()) << cut.size();
  });
}

}  // namespace
}  // namespace parley::rtp
