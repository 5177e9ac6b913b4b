#include "rtp/packet_pool.h"

#include <cstring>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

TEST(PacketPool, HandsOutEachSlotOnceAndCountsWhenNoneIsLeft) {
  PacketPool pool(3);
  std::vector<Buffer> taken;
  for (int i = 0; i < 3; ++i) {
    taken.push_back(pool.take());
    ASSERT_TRUE(taken.back());
    std::memset(taken.back().storage().data(), i, Buffer::kCapacity);
  }
  EXPECT_FALSE(pool.take());
  EXPECT_EQ(pool.exhausted(), 1U);
  for (int i = 0; i < 3; ++i) {
    const Bytes bytes = taken[static_cast<std::size_t>(i)].storage();
    EXPECT_EQ(bytes.size(), Buffer::kCapacity);
    EXPECT_EQ(bytes.front(), i);
    EXPECT_EQ(bytes.back(), i);
  }
}

TEST(PacketPool, TakesBackWhatABufferLetsGo) {
  PacketPool pool(2);
  {
    const Buffer first = pool.take();
    EXPECT_EQ(pool.available(), 1U);
  }
  EXPECT_EQ(pool.available(), 2U);
  Buffer second = pool.take();
  second.reset();
  EXPECT_FALSE(second);
  EXPECT_EQ(pool.available(), 2U);
}

TEST(PacketPool, ReusesTheSlotThatWasUsedLast) {
  PacketPool pool(100);
  Buffer buffer = pool.take();
  const auto* where = buffer.storage().data();
  buffer.reset();
  EXPECT_EQ(pool.take().storage().data(), where);
}

TEST(Buffer, MovesItsSlotAndItsSize) {
  PacketPool pool(2);
  Buffer from = pool.take();
  from.resize(1'200);
  Buffer to(std::move(from));
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_TRUE(from.bytes().empty());
  EXPECT_EQ(to.bytes().size(), 1'200U);
  to = pool.take();
  EXPECT_EQ(to.size(), 0U);
  EXPECT_EQ(pool.available(), 1U);
}

TEST(Buffer, StaysWhatItIsWhenAssignedToItself) {
  PacketPool pool(1);
  Buffer buffer = pool.take();
  buffer.resize(7);
  Buffer& same = buffer;
  buffer = std::move(same);
  EXPECT_TRUE(buffer);
  EXPECT_EQ(buffer.size(), 7U);
}

}  // namespace
}  // namespace parley::rtp
