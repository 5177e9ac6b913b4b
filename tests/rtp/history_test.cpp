#include "rtp/history.h"

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

PacketInfo info(std::int64_t seq) {
  PacketInfo packet;
  packet.seq = ExtSeq{seq};
  return packet;
}

Buffer buffer(PacketPool& pool, std::uint8_t mark) {
  Buffer b = pool.take();
  b.resize(1);
  b.bytes()[0] = mark;
  return b;
}

TEST(History, FindsWhatItKeeps) {
  PacketPool pool(8);
  History history(4);
  EXPECT_FALSE(history.store(info(65'536), buffer(pool, 1)));
  EXPECT_FALSE(history.store(info(65'535), buffer(pool, 2)));
  ASSERT_NE(history.find(ExtSeq{65'536}), nullptr);
  EXPECT_EQ(history.find(ExtSeq{65'536})->packet.bytes()[0], 1);
  EXPECT_EQ(history.find(ExtSeq{65'535})->info.seq, ExtSeq{65'535});
  EXPECT_EQ(history.find(ExtSeq{65'534}), nullptr);
}

TEST(History, HandsBackWhatItPushesOut) {
  PacketPool pool(8);
  History history(4);
  (void)history.store(info(1), buffer(pool, 1));
  {
    const Buffer evicted = history.store(info(5), buffer(pool, 5));
    ASSERT_TRUE(evicted);
    EXPECT_EQ(evicted.bytes()[0], 1);
    EXPECT_EQ(pool.available(), 6U);
  }
  EXPECT_EQ(pool.available(), 7U);
  EXPECT_EQ(history.find(ExtSeq{1}), nullptr);
}

TEST(History, RefusesWhatIsOlderThanItReaches) {
  PacketPool pool(8);
  History history(4);
  (void)history.store(info(9), buffer(pool, 9));
  const Buffer refused = history.store(info(5), buffer(pool, 5));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused.bytes()[0], 5);
  EXPECT_NE(history.find(ExtSeq{9}), nullptr);
}

TEST(History, GivesEverythingBackWhenCleared) {
  PacketPool pool(8);
  History history(5);
  EXPECT_EQ(history.capacity(), 8U);
  for (std::int64_t seq = 0; seq < 8; ++seq) (void)history.store(info(seq), buffer(pool, 0));
  EXPECT_EQ(pool.available(), 0U);
  history.clear();
  EXPECT_EQ(pool.available(), 8U);
  EXPECT_EQ(history.find(ExtSeq{3}), nullptr);
}

}  // namespace
}  // namespace parley::rtp
