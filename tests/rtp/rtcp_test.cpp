#include <array>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include "rtp/rtcp_reader.h"
#include "rtp/rtcp_writer.h"
#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

template <class T>
T only(ConstBytes wire) {
  RtcpReader reader(wire);
  const auto message = reader.next();
  EXPECT_TRUE(message.has_value());
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.malformed(), 0U);
  return std::get<T>(*message);
}

const ReportBlock kBlock{Ssrc{0x11}, 25, -3, 0x0001'ffff, 77, 0xaabbccdd, 65536};
const SenderInfo kInfo{Ssrc{0x22}, NtpTime{0x0102030405060708}, RtpTimestamp{90'000}, 10, 1000};

struct Buffer {
  std::array<std::uint8_t, 1200> bytes{};
  RtcpWriter writer{bytes};
};

TEST(RtcpWriter, WritesASenderReportThatReadsBack) {
  Buffer b;
  ASSERT_TRUE(b.writer.sender_report(kInfo, std::array{kBlock, kBlock}));
  EXPECT_EQ(b.writer.size(), 28U + 48);
  const auto report = only<SenderReport>(b.writer.written());
  EXPECT_EQ(report.sender, kInfo.sender);
  EXPECT_EQ(report.ntp, kInfo.ntp);
  EXPECT_EQ(report.timestamp, kInfo.timestamp);
  EXPECT_EQ(report.packets_sent, 10U);
  EXPECT_EQ(report.octets_sent, 1000U);
  ASSERT_EQ(report.blocks.size(), 2U);
  for (const ReportBlock block : report.blocks) EXPECT_EQ(block, kBlock);
}

TEST(RtcpWriter, WritesUpTo31BlocksOfAReceiverReport) {
  Buffer b;
  std::array<ReportBlock, 32> blocks;
  blocks.fill(kBlock);
  EXPECT_FALSE(b.writer.receiver_report(Ssrc{1}, blocks));
  EXPECT_FALSE(b.writer.sender_report(kInfo, blocks));
  EXPECT_TRUE(b.writer.empty());
  ASSERT_TRUE(b.writer.receiver_report(Ssrc{1}, std::span(blocks).first(31)));
  EXPECT_EQ(only<ReceiverReport>(b.writer.written()).blocks.size(), 31U);
}

TEST(RtcpWriter, EndsACnameWithAZeroWhateverItsLength) {
  for (std::size_t size = 0; size <= 255; ++size) {
    Buffer b;
    const std::string name(size, 'n');
    ASSERT_TRUE(b.writer.cname(Ssrc{9}, name));
    EXPECT_EQ(b.writer.size() % 4, 0U);
    EXPECT_EQ(b.writer.written().back(), 0);
    const auto description = only<SourceDescription>(b.writer.written());
    EXPECT_EQ(description.source, Ssrc{9});
    EXPECT_EQ(description.cname, name);
  }
  Buffer b;
  EXPECT_FALSE(b.writer.cname(Ssrc{9}, std::string(256, 'n')));
}

TEST(RtcpWriter, WritesByePliAndFir) {
  Buffer b;
  EXPECT_FALSE(b.writer.bye({}));
  ASSERT_TRUE(b.writer.bye(std::array{Ssrc{1}, Ssrc{2}}));
  EXPECT_EQ(only<Bye>(b.writer.written()).sources[1], Ssrc{2});

  Buffer pli;
  ASSERT_TRUE(pli.writer.pli(Ssrc{1}, Ssrc{2}));
  EXPECT_EQ(WireBytes(pli.writer.written().begin(), pli.writer.written().end()),
            (WireBytes{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2}));
  EXPECT_EQ(only<Pli>(pli.writer.written()).media, Ssrc{2});

  Buffer fir;
  ASSERT_TRUE(fir.writer.fir(Ssrc{1}, Ssrc{2}, 7));
  const auto request = only<Fir>(fir.writer.written());
  ASSERT_EQ(request.items.size(), 1U);
  EXPECT_EQ(request.items[0].media, Ssrc{2});
  EXPECT_EQ(request.items[0].number, 7);
}

TEST(RtcpWriter, PacksMissingNumbersAcrossTheWrap) {
  Buffer b;
  const std::array<Seq, 6> missing{Seq{65530}, Seq{65531}, Seq{65535}, Seq{10}, Seq{11}, Seq{500}};
  ASSERT_TRUE(b.writer.nack(Ssrc{1}, Ssrc{2}, missing));
  const auto nack = only<Nack>(b.writer.written());
  EXPECT_EQ(nack.items.size(), 3U) << "65530 + 16 = 10";
  std::vector<std::uint16_t> read;
  nack.for_each_missing([&](Seq seq) { read.push_back(seq.value); });
  EXPECT_EQ(read, (std::vector<std::uint16_t>{65530, 65531, 65535, 10, 11, 500}));
  EXPECT_EQ(nack.items[0].first, Seq{65530});
  EXPECT_EQ(nack.items[0].following, 0x8011);
  EXPECT_EQ(nack.items[1].first, Seq{11});
}

TEST(RtcpWriter, WritesAPacketWholeOrNotAtAll) {
  const std::array<Seq, 2> missing{Seq{1}, Seq{100}};
  for (std::size_t room = 0; room < 120; ++room) {
    WireBytes out(room, 0xee);
    RtcpWriter writer(out);
    EXPECT_EQ(writer.sender_report(kInfo, std::array{kBlock}), room >= 52);
    EXPECT_EQ(writer.size(), room >= 52 ? 52U : 0U);
    const std::size_t left = room - writer.size();
    EXPECT_EQ(writer.cname(Ssrc{1}, "abc"), left >= 16);
    EXPECT_EQ(writer.nack(Ssrc{1}, Ssrc{2}, missing), left >= 36) << room;
    RtcpReader reader(writer.written());
    while (reader.next()) {
    }
    EXPECT_EQ(reader.malformed(), 0U);
  }
}

TEST(RtcpWriter, LendsItsRoom) {
  Buffer b;
  ASSERT_TRUE(b.writer.pli(Ssrc{1}, Ssrc{2}));
  RtcpWriter inner(b.writer.room());
  ASSERT_TRUE(inner.pli(Ssrc{3}, Ssrc{4}));
  b.writer.advance(inner.size());
  RtcpReader reader(b.writer.written());
  EXPECT_EQ(std::get<Pli>(*reader.next()).media, Ssrc{2});
  EXPECT_EQ(std::get<Pli>(*reader.next()).media, Ssrc{4});
}

TEST(RtcpReader, TakesACompoundApart) {
  Buffer b;
  ASSERT_TRUE(b.writer.sender_report(kInfo, std::array{kBlock}));
  ASSERT_TRUE(b.writer.cname(Ssrc{0x22}, "name"));
  ASSERT_TRUE(b.writer.pli(Ssrc{1}, Ssrc{2}));
  RtcpReader reader(b.writer.written());
  EXPECT_TRUE(std::holds_alternative<SenderReport>(*reader.next()));
  EXPECT_TRUE(std::holds_alternative<SourceDescription>(*reader.next()));
  EXPECT_TRUE(std::holds_alternative<Pli>(*reader.next()));
  EXPECT_FALSE(reader.next());
}

TEST(RtcpReader, ReadsEachChunkOfASourceDescription) {
  // Chunk 1: NOTE before CNAME; chunk 2: no CNAME; chunk 3: CNAME that fills its words.
  const WireBytes wire{0x83, 202, 0, 9, 0, 0, 0, 1, 7, 1, 'x', 1,   2,   'a', 'b', 0, 0, 0, 0, 2,
                       8,    1,   0, 0, 0, 0, 0, 3, 1, 5, 'c', 'd', 'e', 'f', 'g', 0, 0, 0, 0, 0};
  RtcpReader reader(wire);
  const auto first = std::get<SourceDescription>(*reader.next());
  EXPECT_EQ(first.source, Ssrc{1});
  EXPECT_EQ(first.cname, "ab");
  const auto third = std::get<SourceDescription>(*reader.next());
  EXPECT_EQ(third.source, Ssrc{3});
  EXPECT_EQ(third.cname, "cdefg");
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.malformed(), 0U);
}

TEST(RtcpReader, ReadsRemb) {
  const WireBytes wire{0x8f, 206, 0,   5,   0, 0,    0,    1,    0, 0, 0, 0,
                       'R',  'E', 'M', 'B', 1, 0x0b, 0xd0, 0x90, 0, 0, 0, 9};
  const auto remb = only<Remb>(wire);
  EXPECT_EQ(remb.bitrate, Bitrate{0x3d090 << 2});
  EXPECT_EQ(remb.sources[0], Ssrc{9});
  auto huge = wire;
  huge[17] = huge[18] = huge[19] = 0xff;
  EXPECT_EQ(only<Remb>(huge).bitrate, Bitrate{std::numeric_limits<std::int64_t>::max()});
}

// RFC 3611, sections 3, 4.4 and 4.5: as they are drawn there.
const WireBytes kReferenceTime{0x80, 207,  0,    6,    0,    0,    0,    7,   6, 0,
                               0,    1,    1,    2,    3,    4,    4,    0,   0, 2,
                               0xe0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};

TEST(RtcpReader, FindsTheClockOfAReceiverAmongOtherBlocks) {
  const auto reference = only<ReferenceTime>(kReferenceTime);
  EXPECT_EQ(reference.receiver, Ssrc{7});
  EXPECT_EQ(reference.ntp, NtpTime{0xe011'2233'4455'6677});
}

TEST(RtcpReader, CountsAClockOfTheWrongSizeAsMalformed) {
  const WireBytes wire{0x80, 207, 0, 3, 0, 0, 0, 7, 4, 0, 0, 1, 1, 2, 3, 4};
  RtcpReader reader(wire);
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.malformed(), 1U);
}

TEST(RtcpReader, SkipsExtendedReportsThatDoNotTellTheirClock) {
  const WireBytes too_long{0x80, 207, 0, 2, 0, 0, 0, 7, 6, 0, 0, 9};  // the block ends behind it
  const WireBytes delays{0x80, 207, 0, 2, 0, 0, 0, 7, 5, 0, 0, 0};
  const WireBytes pli{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
  EXPECT_EQ(only<Pli>(joined(joined(too_long, delays), pli)).media, Ssrc{2});
}

TEST(RtcpWriter, WritesTheDelaysSinceClocksWereTold) {
  Buffer b;
  EXPECT_FALSE(b.writer.reference_delays(Ssrc{1}, {}));
  ASSERT_TRUE(
      b.writer.reference_delays(Ssrc{1}, std::array{ReferenceDelay{Ssrc{7}, 0x22334455, 0x8000}}));
  const WireBytes wire{0x80, 207, 0, 5, 0,    0,    0,    1,    5, 0, 0,    3,
                       0,    0,   0, 7, 0x22, 0x33, 0x44, 0x55, 0, 0, 0x80, 0};
  EXPECT_EQ(WireBytes(b.writer.written().begin(), b.writer.written().end()), wire);
}

TEST(RtcpReader, SkipsUnknownTypesAndKeepsReading) {
  const WireBytes unknown{0x80, 207, 0, 1, 1, 2, 3, 4};                  // extended report
  const WireBytes application{0x8f, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};  // feedback of others
  const WireBytes pli{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
  EXPECT_EQ(only<Pli>(joined(joined(unknown, application), pli)).media, Ssrc{2});
}

TEST(RtcpReader, DropsAMalformedPacketAndKeepsReading) {
  const WireBytes short_pli{0x81, 206, 0, 1, 0, 0, 0, 1};
  const WireBytes lying_report{0x82, 201, 0, 1, 0, 0, 0, 1};
  const WireBytes bad_padding{0xa1, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 99};
  const WireBytes empty_nack{0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
  const WireBytes cut_chunk{0x81, 202, 0, 2, 0, 0, 0, 1, 1, 50, 'a', 'b'};
  const WireBytes pli{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
  for (const auto& bad : {short_pli, lying_report, bad_padding, empty_nack, cut_chunk}) {
    const auto wire = joined(bad, pli);
    RtcpReader reader(wire);
    const auto message = reader.next();
    ASSERT_TRUE(message);
    EXPECT_TRUE(std::holds_alternative<Pli>(*message));
    EXPECT_EQ(reader.malformed(), 1U);
  }
}

TEST(RtcpReader, EndsAtALengthThatLies) {
  const WireBytes pli{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
  auto lying = pli;
  lying[3] = 9;
  for (const auto& bad : {lying, WireBytes{0x81, 206, 0}, WireBytes{0x41, 206, 0, 0}}) {
    const auto wire = joined(pli, bad);
    RtcpReader reader(wire);
    EXPECT_TRUE(reader.next());
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(reader.malformed(), 1U);
  }
}

TEST(RtcpReader, TakesPaddingOff) {
  const WireBytes padded{0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4};
  EXPECT_EQ(only<Pli>(padded).media, Ssrc{2});
}

TEST(RtcpReader, RefusesEveryTruncation) {
  Buffer b;
  ASSERT_TRUE(b.writer.sender_report(kInfo, std::array{kBlock}));
  const WireBytes report(b.writer.written().begin(), b.writer.written().end());
  for (const WireBytes& wire : {report, kReferenceTime}) {
    for_each_truncation(wire, [](const WireBytes& cut) {
      RtcpReader reader(cut);
      EXPECT_FALSE(reader.next()) << cut.size();
      EXPECT_EQ(reader.malformed(), cut.empty() ? 0U : 1U);
    });
  }
}

}  // namespace
}  // namespace parley::rtp
