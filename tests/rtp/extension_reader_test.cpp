#include "rtp/extension_reader.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

ExtensionMap usual_map() {
  ExtensionMap map;
  map.set(Extension::AudioLevel, 1);
  map.set(Extension::AbsSendTime, 2);
  map.set(Extension::TransportCc, 3);
  map.set(Extension::Mid, 4);
  map.set(Extension::AbsCaptureTime, 5);
  map.set(Extension::Rid, 10);
  map.set(Extension::RepairedRid, 11);
  map.set(Extension::VideoOrientation, 13);
  return map;
}

// A packet with this extension; `data` is filled up to whole words with padding.
WireBytes packet_with(std::uint16_t profile, WireBytes data) {
  data.resize((data.size() + 3) / 4 * 4);
  WireBytes wire{0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
  wire.push_back(static_cast<std::uint8_t>(profile >> 8));
  wire.push_back(static_cast<std::uint8_t>(profile));
  wire.push_back(0);
  wire.push_back(static_cast<std::uint8_t>(data.size() / 4));
  return joined(std::move(wire), data);
}

std::string walk(std::uint16_t profile, const WireBytes& data) {
  std::string seen;
  ExtensionWalk elements(profile, data);
  while (const auto element = elements.next()) {
    seen += std::to_string(element->id) + ":" + std::to_string(element->data.size()) + " ";
  }
  return seen;
}

TEST(ExtensionWalk, TellsTheFormsApartByTheProfile) {
  // The two layouts that RFC 8285, sections 4.2 and 4.3, draw.
  EXPECT_EQ(walk(0xbede, {0x10, 0xaa, 0x21, 0xbb, 0xbb, 0, 0, 0x33, 1, 2, 3, 4}), "1:1 2:2 3:4 ");
  EXPECT_EQ(walk(0x1000, {1, 0, 2, 1, 0xaa, 0, 3, 4, 1, 2, 3, 4}), "1:0 2:1 3:4 ");
  EXPECT_EQ(walk(0x100f, {1, 0}), "1:0 ") << "the low bits of the profile mean nothing";
  EXPECT_EQ(walk(0x1234, {0x10, 0xaa}), "") << "some other profile";
}

TEST(ExtensionWalk, StopsAtTheReservedIds) {
  EXPECT_EQ(walk(0xbede, {0x10, 0xaa, 0xf0, 0xbb, 0x20, 0xcc}), "1:1 ");
  EXPECT_EQ(walk(0xbede, {0x10, 0xaa, 0x01, 0xbb, 0x20, 0xcc}), "1:1 ");
  EXPECT_EQ(walk(0x1000, {15, 1, 0xaa}), "15:1 ") << "not reserved in the two-byte form";
}

TEST(ExtensionWalk, StopsAtAnElementThatLiesAboutItsSize) {
  EXPECT_EQ(walk(0xbede, {0x10, 0xaa, 0x23, 0xbb, 0xbb}), "1:1 ");
  EXPECT_EQ(walk(0x1000, {1, 1, 0xaa, 2, 3, 0xbb, 0xbb}), "1:1 ");
  EXPECT_EQ(walk(0x1000, {1, 1, 0xaa, 2}), "1:1 ");
}

TEST(ExtensionReader, ReadsWhatTheElementsMean) {
  WireBytes data{0x10, 0x85, 0x22, 1, 2, 3, 0x31, 0xab, 0xcd, 0x40, '0', 0xa0, 'h', 0xb0, 'l'};
  data = joined(data, {0xd0, 0x0d});
  auto wire = packet_with(0xbede, data);
  const ExtensionReader reader(*Packet::parse(wire), usual_map());
  EXPECT_EQ(reader.audio_level(), (AudioLevel{5, true}));
  EXPECT_EQ(reader.abs_send_time(), AbsSendTime{0x010203});
  EXPECT_EQ(reader.transport_cc(), Seq{0xabcd});
  EXPECT_EQ(reader.mid(), Mid::from("0"));
  EXPECT_EQ(reader.rid(), Rid::from("h"));
  EXPECT_EQ(reader.repaired_rid(), Rid::from("l"));
  EXPECT_EQ(reader.video_orientation(), (VideoOrientation{90, true, true}));
  EXPECT_EQ(reader.abs_capture_time(), std::nullopt);
}

TEST(ExtensionReader, ReadsCaptureTimeWithAndWithoutOffset) {
  WireBytes time{1, 2, 3, 4, 5, 6, 7, 8};
  auto wire = packet_with(0xbede, joined({0x57}, time));
  EXPECT_EQ(ExtensionReader(*Packet::parse(wire), usual_map()).abs_capture_time(),
            (AbsCaptureTime{NtpTime{0x0102030405060708}, std::nullopt}));
  const WireBytes minus_one(8, 0xff);
  wire = packet_with(0x1000, joined(joined({5, 16}, time), minus_one));
  EXPECT_EQ(ExtensionReader(*Packet::parse(wire), usual_map()).abs_capture_time(),
            (AbsCaptureTime{NtpTime{0x0102030405060708}, -1}));
}

TEST(ExtensionReader, TakesTheFirstOfTwo) {
  auto wire = packet_with(0xbede, {0x40, 'a', 0x40, 'b'});
  EXPECT_EQ(ExtensionReader(*Packet::parse(wire), usual_map()).mid(), Mid::from("a"));
}

TEST(ExtensionReader, CountsAWrongSizeAsAbsent) {
  auto wire =
      packet_with(0x1000, {1, 2, 0, 0, 2, 2, 0, 0, 3, 1, 0, 4, 0, 13, 0, 5, 1, 0, 10, 1, 7});
  const ExtensionReader reader(*Packet::parse(wire), usual_map());
  EXPECT_FALSE(reader.audio_level());
  EXPECT_FALSE(reader.abs_send_time());
  EXPECT_FALSE(reader.transport_cc());
  EXPECT_FALSE(reader.mid());
  EXPECT_FALSE(reader.video_orientation());
  EXPECT_FALSE(reader.abs_capture_time());
  EXPECT_FALSE(reader.rid()) << "a control character";
  EXPECT_TRUE(reader.find(Extension::Mid)) << "there, but empty";
}

TEST(ExtensionReader, KnowsNothingWithoutExtensionOrMap) {
  WireBytes wire{0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
  EXPECT_FALSE(ExtensionReader(*Packet::parse(wire), usual_map()).find(Extension::Mid));
  wire = packet_with(0xbede, {0x40, 'a'});
  EXPECT_FALSE(ExtensionReader(*Packet::parse(wire), ExtensionMap{}).find(Extension::Mid));
}

}  // namespace
}  // namespace parley::rtp
