#include "rtp/tap.h"

#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

Tap::Record packet(const std::vector<std::uint8_t>& bytes) {
  Tap::Record record;
  record.codec = Codec::Vp8;
  record.bytes = bytes;
  return record;
}

TEST(Tap, GivesRecordsBackAsTheyWere) {
  Tap tap(10'000);
  EXPECT_FALSE(tap.front());
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  Tap::Record record;
  record.kind = Tap::Kind::SenderReport;
  record.codec = Codec::H264;
  record.arrival = Time{Duration{12'345}};
  record.ntp = NtpTime{0x1234'5678'9abc'def0};
  record.timestamp = RtpTimestamp{99};
  ASSERT_TRUE(tap.push(record));
  ASSERT_TRUE(tap.push(packet(bytes)));
  auto got = tap.front();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, Tap::Kind::SenderReport);
  EXPECT_EQ(got->codec, Codec::H264);
  EXPECT_EQ(got->arrival, record.arrival);
  EXPECT_EQ(got->ntp, record.ntp);
  EXPECT_EQ(got->timestamp, record.timestamp);
  EXPECT_TRUE(got->bytes.empty());
  tap.pop();
  got = tap.front();
  ASSERT_TRUE(got);
  EXPECT_EQ(std::vector(got->bytes.begin(), got->bytes.end()), bytes);
  tap.pop();
  EXPECT_FALSE(tap.front());
}

TEST(Tap, DropsAndCountsWhatDoesNotFit) {
  Tap tap(4'096);
  const std::vector<std::uint8_t> bytes(1'000);
  int taken = 0;
  for (int i = 0; i < 10; ++i) taken += tap.push(packet(bytes)) ? 1 : 0;
  EXPECT_EQ(taken, 3);
  EXPECT_EQ(tap.overflows(), 7U);
  EXPECT_FALSE(tap.push(packet(std::vector<std::uint8_t>(100'000))));
  for (int i = 0; i < 3; ++i) tap.pop();
  EXPECT_FALSE(tap.front());
  EXPECT_TRUE(tap.push(packet(bytes)));
}

TEST(Tap, WrapsAroundWithRecordsOfAllSizes) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Tap tap(4'096 + 8 * (seed % 7));
    std::vector<std::vector<std::uint8_t>> waiting;
    std::size_t first = 0;
    for (int i = 0; i < 5'000; ++i) {
      if (random() % 2 == 0) {
        std::vector<std::uint8_t> bytes(random() % 1'500, static_cast<std::uint8_t>(i));
        if (tap.push(packet(bytes))) waiting.push_back(std::move(bytes));
      } else if (first < waiting.size()) {
        const auto got = tap.front();
        ASSERT_TRUE(got);
        ASSERT_EQ(std::vector(got->bytes.begin(), got->bytes.end()), waiting[first++]);
        tap.pop();
      } else {
        ASSERT_FALSE(tap.front());
      }
    }
    EXPECT_GT(first, 1'000U);
  }
}

TEST(Tap, PassesOnOneKeyFrameRequest) {
  Tap tap(4'096);
  EXPECT_FALSE(tap.take_key_frame_request());
  tap.request_key_frame();
  tap.request_key_frame();
  EXPECT_TRUE(tap.take_key_frame_request());
  EXPECT_FALSE(tap.take_key_frame_request());
}

// Run under the tsan preset, too. Sizes follow from the numbers, so the consumer can check each.
TEST(Tap, CarriesAMillionRecordsBetweenTwoThreads) {
  constexpr std::uint32_t kRecords = 1'000'000;
  Tap tap(65'536);
  std::uint64_t refused = 0;
  std::thread producer([&] {
    std::vector<std::uint8_t> bytes(256);
    for (std::uint32_t i = 0; i < kRecords;) {
      std::memcpy(bytes.data(), &i, sizeof i);
      bytes[i % 200 + 3] = static_cast<std::uint8_t>(i);
      Tap::Record record;
      record.timestamp = RtpTimestamp{i};
      record.bytes = ConstBytes(bytes).first(i % 200 + 4);
      if (tap.push(record)) {
        ++i;
      } else {
        ++refused;
        std::this_thread::yield();
      }
    }
  });
  std::uint32_t expected = 0;
  std::uint32_t wrong = 0;
  while (expected < kRecords) {
    const auto record = tap.front();
    if (!record) {
      std::this_thread::yield();
      continue;
    }
    std::uint32_t number = 0;
    const bool sized = record->bytes.size() == expected % 200 + 4;
    if (sized) std::memcpy(&number, record->bytes.data(), sizeof number);
    const bool last_overwrites = expected % 200 + 3 == 3;  // its last byte lies in the number
    if (!sized || record->timestamp != RtpTimestamp{expected} ||
        (!last_overwrites && number != expected) ||
        record->bytes.back() != static_cast<std::uint8_t>(expected)) {
      ++wrong;
    }
    tap.pop();
    ++expected;
  }
  producer.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(tap.overflows(), refused);
}

}  // namespace
}  // namespace parley::rtp
