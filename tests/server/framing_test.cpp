#include "server/framing.h"

#include <algorithm>
#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace parley::server {
namespace {

using Packets = std::vector<std::vector<std::uint8_t>>;

std::vector<std::uint8_t> stream_of(const Packets& packets) {
  std::vector<std::uint8_t> stream;
  for (const auto& packet : packets) {
    stream.push_back(static_cast<std::uint8_t>(packet.size() >> 8));
    stream.push_back(static_cast<std::uint8_t>(packet.size()));
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  return stream;
}

Packets read_all(FrameReader& reader, rtp::ConstBytes chunk) {
  Packets packets;
  while (const auto packet = reader.next(chunk))
    packets.emplace_back(packet->begin(), packet->end());
  EXPECT_TRUE(chunk.empty() || reader.failed());
  return packets;
}

const Packets kPackets{{1}, std::vector<std::uint8_t>(1'500, 2), {3, 4, 5}, {6}};

TEST(FrameReader, FindsAllPacketsOfOneRead) {
  FrameReader reader;
  EXPECT_EQ(read_all(reader, stream_of(kPackets)), kPackets);
}

TEST(FrameReader, FindsThemWhereverTheStreamIsCut) {
  const auto stream = stream_of(kPackets);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    FrameReader reader;
    Packets packets = read_all(reader, rtp::ConstBytes(stream).first(cut));
    for (auto& packet : read_all(reader, rtp::ConstBytes(stream).subspan(cut))) {
      packets.push_back(std::move(packet));
    }
    EXPECT_EQ(packets, kPackets) << cut;
  }
}

TEST(FrameReader, FindsThemByteForByte) {
  const auto stream = stream_of(kPackets);
  FrameReader reader;
  Packets packets;
  for (const std::uint8_t& byte : stream) {
    for (auto& packet : read_all(reader, {&byte, 1})) packets.push_back(std::move(packet));
  }
  EXPECT_EQ(packets, kPackets);
}

TEST(FrameReader, TellsOfNoPacketBeforeItsLastByte) {
  const auto stream = stream_of({std::vector<std::uint8_t>(300, 7)});
  for (std::size_t size = 0; size < stream.size(); ++size) {
    FrameReader reader;
    EXPECT_TRUE(read_all(reader, rtp::ConstBytes(stream).first(size)).empty()) << size;
    EXPECT_FALSE(reader.failed());
  }
}

// RFC 4571, section 2: zero codes the null packet.
TEST(FrameReader, PassesOverNullPackets) {
  const auto stream = stream_of({{}, {1}, {}, {}, {2}, {}});
  FrameReader whole;
  EXPECT_EQ(read_all(whole, stream), (Packets{{1}, {2}}));
  FrameReader bytes;
  Packets packets;
  for (const std::uint8_t& byte : stream) {
    for (auto& packet : read_all(bytes, {&byte, 1})) packets.push_back(std::move(packet));
  }
  EXPECT_EQ(packets, (Packets{{1}, {2}}));
}

TEST(FrameReader, FailsForGoodAtALengthThatNoPacketHas) {
  auto stream = stream_of({{1}});
  stream.insert(stream.end(), {0x05, 0xDD});  // 1501
  stream.insert(stream.end(), 3'000, 0);
  FrameReader reader;
  EXPECT_EQ(read_all(reader, stream), (Packets{{1}}));
  EXPECT_TRUE(reader.failed());
  EXPECT_TRUE(read_all(reader, stream_of({{1}})).empty());
  FrameReader in_two;
  const std::array<std::uint8_t, 2> length{0xFF, 0xFF};
  EXPECT_TRUE(read_all(in_two, rtp::ConstBytes(length).first(1)).empty());
  EXPECT_FALSE(in_two.failed());
  EXPECT_TRUE(read_all(in_two, rtp::ConstBytes(length).subspan(1)).empty());
  EXPECT_TRUE(in_two.failed());
}

TEST(FrameQueue, GivesWhatAFrameReaderReads) {
  FrameQueue queue(4'096);
  FrameReader reader;
  Packets packets;
  std::size_t taken = 1;
  for (std::size_t i = 0; i < 400; ++i) {
    const std::vector<std::uint8_t> packet(1 + i % 900, static_cast<std::uint8_t>(i));
    ASSERT_TRUE(queue.push(packet, 0)) << i;
    // The kernel takes what it likes.
    while (queue.size() > 2'000) {
      taken = taken * 7 % 611 + 1;
      const rtp::ConstBytes part = queue.front().first(std::min(taken, queue.size()));
      for (auto& one : read_all(reader, part)) packets.push_back(std::move(one));
      queue.pop(part.size());
    }
  }
  for (auto& one : read_all(reader, queue.front())) packets.push_back(std::move(one));
  queue.pop(queue.size());
  ASSERT_EQ(packets.size(), 400U);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    EXPECT_EQ(packets[i], std::vector<std::uint8_t>(1 + i % 900, static_cast<std::uint8_t>(i)));
  }
}

TEST(FrameQueue, TakesAPacketAsAWholeOrNotAtAll) {
  FrameQueue queue(1'000);
  const std::vector<std::uint8_t> packet(398, 1);
  EXPECT_TRUE(queue.push(packet, 0));
  EXPECT_FALSE(queue.push(packet, 201)) << "no room is left for what matters more";
  EXPECT_TRUE(queue.push(packet, 200));
  EXPECT_EQ(queue.size(), 800U);
  EXPECT_FALSE(queue.push(packet, 0));
  EXPECT_EQ(queue.size(), 800U);
  EXPECT_TRUE(queue.push(rtp::ConstBytes(packet).first(198), 0));
  EXPECT_EQ(queue.size(), 1'000U);
  queue.pop(1'000);
  EXPECT_TRUE(queue.push(packet, 0));
}

TEST(FrameQueue, TakesNoPacketThatNoFrameReaderTakes) {
  FrameQueue queue(100'000);
  EXPECT_FALSE(queue.push(std::vector<std::uint8_t>(kMaxFrame + 1), 0));
  EXPECT_EQ(queue.size(), 0U);
}

}  // namespace
}  // namespace parley::server
