#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rtp/extension_reader.h"
#include "rtp/forwarder.h"
#include "rtp/packet.h"
#include "rtp/packet_info.h"
#include "rtp/packet_layers.h"
#include "rtp/sent_log.h"
#include "rtp/sequence.h"
#include "tests/rtp/svc_source.h"

// Layers inside one encoding, in all modes that browsers send: what passes must decode, without a
// hole in any number that a receiver waits for.
namespace parley::rtp {
namespace {

using std::chrono::milliseconds;

constexpr Source kSource{1, 0};
constexpr LayerLimit kWhole{};

std::vector<SvcMode> all_modes() {
  std::vector<SvcMode> modes;
  for (unsigned t = 1; t <= 3; ++t) {
    modes.push_back({Codec::Vp8, 1, t});
    modes.push_back({Codec::H264, 1, t});
    for (const Codec codec : {Codec::Vp9, Codec::Av1}) {
      for (unsigned s = 1; s <= 3; ++s) {
        modes.push_back({codec, s, t});
        if (s > 1) modes.push_back({codec, s, t, true});
      }
    }
  }
  return modes;
}

struct Passed {
  Rewrite rewrite;
  PacketInfo info;
  SvcStamp stamp;
};

// A publisher, the Forwarder, and a decoder behind it.
class Rig {
 public:
  explicit Rig(const SvcMode& mode) : mode_(mode), source_({.mode = mode, .first_seq = 65'500}) {
    map_.set(Extension::DependencyDescriptor, 12);
    forwarder.set_target(kSource);
  }

  void limit(LayerLimit limit) { forwarder.set_target(kSource, limit); }

  // So many pictures; a key frame that is asked for comes with the next.
  void run(int pictures, unsigned spatial = 3) {
    for (int i = 0; i < pictures; ++i) picture(spatial);
  }
  void picture(unsigned spatial = 3) {
    const bool key = answers && (pictures_ == 0 || forwarder.wants_key_frame().has_value());
    if (key) ++keys;
    ++pictures_;
    for (SvcPacket& packet : source_.next(key, spatial, [](ExtensionWriter&) {})) receive(packet);
    now_ += milliseconds(33);
  }
  void receive(SvcPacket& packet) {
    if (loses && loses(packet)) {
      lost_.push_back(packet);
      return;
    }
    deliver(packet);
  }
  // What was lost comes again.
  void recover() {
    for (SvcPacket& packet : std::exchange(lost_, {})) deliver(packet);
  }
  void deliver(SvcPacket& packet) {
    const auto parsed = Packet::parse(packet.bytes);
    const ExtensionReader extensions(*parsed, map_);
    PacketInfo info = make_packet_info(*parsed, unwrapper_.unwrap(parsed->seq()), mode_.codec,
                                       extensions, now_, {});
    if (const auto element = extensions.find(Extension::DependencyDescriptor)) {
      info.layers = read_layers(reader_, *element);
    }
    const auto rewrite = forwarder.on_packet(info, kSource);
    if (!rewrite) {
      ++drops[static_cast<std::size_t>(rewrite.error())];
      return;
    }
    log.on_sent(*rewrite, kSource, info, 1'000);
    passed.push_back({*rewrite, info, packet.stamp});
    if (!rewrite->empty) decoder.on_packet(packet.stamp);
  }

  // The numbers given out are all there, once.
  void expect_no_hole() const {
    ASSERT_FALSE(passed.empty());
    std::set<std::int64_t> seqs;
    for (const Passed& one : passed) ASSERT_TRUE(seqs.insert(one.rewrite.seq.value).second);
    EXPECT_EQ(*seqs.rbegin() - *seqs.begin() + 1, static_cast<std::int64_t>(seqs.size()));
  }
  // One marker for each picture, on its last packet.
  void expect_markers() const {
    for (std::size_t i = 0; i + 1 < passed.size(); ++i) {
      const bool ends = passed[i].stamp.picture != passed[i + 1].stamp.picture;
      ASSERT_EQ(passed[i].rewrite.marker, ends) << "at " << i;
    }
  }
  // VP8 picture ids are the next ones, whatever was left out.
  void expect_picture_ids() const {
    if (mode_.codec != Codec::Vp8) return;
    for (std::size_t i = 1; i < passed.size(); ++i) {
      const int step =
          (passed[i].rewrite.picture.picture_id - passed[i - 1].rewrite.picture.picture_id) &
          0x7fff;
      ASSERT_EQ(step, passed[i].stamp.picture == passed[i - 1].stamp.picture ? 0 : 1) << i;
    }
  }
  [[nodiscard]] std::set<std::pair<int, int>> layers_since(std::size_t from) const {
    std::set<std::pair<int, int>> layers;
    for (std::size_t i = from; i < passed.size(); ++i) {
      layers.insert({passed[i].stamp.spatial, passed[i].stamp.temporal});
    }
    return layers;
  }

  Forwarder forwarder{MediaKind::Video, 90'000, Seq{65'000}, RtpTimestamp{0xffff'f000}};
  SentLog log{4'096};
  SvcDecoder decoder;
  std::vector<Passed> passed;
  std::array<std::size_t, kDropCount> drops{};
  bool answers = true;  // key frame requests
  int keys = 0;
  std::function<bool(const SvcPacket&)> loses;

 private:
  SvcMode mode_;
  SvcSource source_;
  ExtensionMap map_;
  DependencyReader reader_;
  SeqUnwrapper unwrapper_;
  std::vector<SvcPacket> lost_;
  Time now_{std::chrono::seconds(10)};
  int pictures_ = 0;
};

std::set<std::pair<int, int>> up_to(unsigned spatial, unsigned temporal) {
  std::set<std::pair<int, int>> layers;
  for (unsigned s = 0; s < spatial; ++s) {
    for (unsigned t = 0; t < temporal; ++t) layers.insert({s, t});
  }
  return layers;
}

TEST(ForwarderLayers, EveryLimitOfEveryModeDecodesWithoutAHole) {
  for (const SvcMode& mode : all_modes()) {
    for (std::uint8_t s = 0; s < mode.spatial; ++s) {
      for (std::uint8_t t = 0; t < mode.temporal; ++t) {
        SCOPED_TRACE(mode.name() + " up to " + std::to_string(s) + "," + std::to_string(t));
        Rig rig(mode);
        rig.limit({s, t});
        rig.run(40);
        EXPECT_EQ(rig.layers_since(0), up_to(s + 1U, t + 1U));
        EXPECT_EQ(rig.decoder.undecodable(), 0U);
        EXPECT_EQ(rig.keys, 1);
        rig.expect_no_hole();
        rig.expect_markers();
        rig.expect_picture_ids();
      }
    }
  }
}

TEST(ForwarderLayers, GoesDownWithTheNextPictureAndNeedsNoKeyFrame) {
  for (const SvcMode& mode : all_modes()) {
    SCOPED_TRACE(mode.name());
    Rig rig(mode);
    rig.run(9);
    rig.limit({0, 0});
    rig.picture();
    const std::size_t from = rig.passed.size();
    rig.run(12);
    EXPECT_EQ(rig.layers_since(from), up_to(1, 1));
    EXPECT_EQ(rig.keys, 1);
    EXPECT_EQ(rig.decoder.undecodable(), 0U);
    rig.expect_no_hole();
    rig.expect_markers();
    rig.expect_picture_ids();
  }
}

TEST(ForwarderLayers, GoesUpInPicturesASecondWithoutAKeyFrame) {
  for (const SvcMode& mode : all_modes()) {
    SCOPED_TRACE(mode.name());
    Rig rig(mode);
    const auto top = static_cast<std::uint8_t>(mode.spatial - 1);
    rig.limit({top, 0});
    rig.run(9);
    rig.limit({top, LayerLimit::kAll});
    rig.run(8);
    const std::size_t from = rig.passed.size();
    rig.run(8);
    EXPECT_EQ(rig.layers_since(from), up_to(mode.spatial, mode.temporal));
    EXPECT_EQ(rig.keys, 1);
    EXPECT_EQ(rig.decoder.undecodable(), 0U);
    rig.expect_no_hole();
    rig.expect_picture_ids();
  }
}

TEST(ForwarderLayers, GoesUpInSizeAtAKeyPictureAndAsksForIt) {
  for (const SvcMode& mode : all_modes()) {
    if (mode.spatial == 1) continue;
    SCOPED_TRACE(mode.name());
    Rig rig(mode);
    rig.limit({0, LayerLimit::kAll});
    rig.run(7);
    EXPECT_FALSE(rig.forwarder.wants_key_frame());
    rig.answers = false;
    rig.limit({static_cast<std::uint8_t>(mode.spatial - 1), LayerLimit::kAll});
    EXPECT_EQ(rig.forwarder.wants_key_frame(), kSource);
    const std::size_t waiting = rig.passed.size();
    rig.run(6);
    EXPECT_EQ(rig.layers_since(waiting), up_to(1, mode.temporal));  // goes on meanwhile
    rig.answers = true;
    const std::size_t from = rig.passed.size();
    rig.run(8);
    EXPECT_EQ(rig.layers_since(from), up_to(mode.spatial, mode.temporal));
    EXPECT_FALSE(rig.forwarder.wants_key_frame());
    EXPECT_EQ(rig.decoder.undecodable(), 0U);
    rig.expect_no_hole();
    rig.expect_markers();
  }
}

TEST(ForwarderLayers, ALayerThatEndsLeavesAWholePicture) {
  for (const SvcMode& mode : all_modes()) {
    if (mode.spatial < 2) continue;
    SCOPED_TRACE(mode.name());
    Rig rig(mode);
    rig.run(5);
    rig.run(9, mode.spatial - 1);
    rig.limit({static_cast<std::uint8_t>(mode.spatial - 2), LayerLimit::kAll});
    rig.run(9, mode.spatial - 1);
    EXPECT_EQ(rig.keys, 1);
    EXPECT_EQ(rig.decoder.decoded().size(), 23U);
    rig.expect_markers();
  }
}

// Lost on the way to us and sent again: nothing that was left out gets a number of its own, what is
// above the limit fills the holes that its loss left, and what is sent again is the same.
TEST(ForwarderLayers, KeepsItsNumbersUnderLossAndLimitsThatChange) {
  for (const SvcMode& mode : all_modes()) {
    for (unsigned seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(mode.name() + " seed " + std::to_string(seed));
      std::mt19937 random(seed);
      Rig rig(mode);
      rig.picture();
      rig.loses = [&](const SvcPacket& packet) { return !packet.stamp.key && random() % 10 == 0; };
      for (int i = 0; i < 60; ++i) {
        rig.limit({static_cast<std::uint8_t>(random() % mode.spatial),
                   static_cast<std::uint8_t>(random() % mode.temporal)});
        rig.run(1 + static_cast<int>(random() % 4));
        rig.recover();
      }
      rig.loses = nullptr;
      rig.run(4);
      rig.expect_no_hole();
      EXPECT_EQ(rig.decoder.undecodable(), 0U);
      std::size_t same = 0;
      for (const Passed& one : rig.passed) {
        const auto again = rig.log.on_nack(to_wire(one.rewrite.seq), Time(milliseconds(9)), {});
        if (!again) continue;  // of between two stretches
        const Rewrite rewrite = again->rewrite(one.info);
        ASSERT_EQ(again->source_seq(), one.info.seq);
        ASSERT_EQ(rewrite.empty, one.rewrite.empty);
        ASSERT_EQ(rewrite.marker, one.rewrite.marker);
        ASSERT_EQ(rewrite.limit, one.rewrite.limit);
        ASSERT_TRUE(rewrite.empty || rewrite.picture == one.rewrite.picture);
        ++same;
      }
      EXPECT_GT(same, rig.passed.size() / 8);
    }
  }
}

TEST(ForwarderLayers, AsksForAKeyFrameWhenNoPointLeadsUp) {
  Forwarder forwarder(MediaKind::Video, 90'000, Seq{1}, RtpTimestamp{1});
  forwarder.set_target(kSource, {LayerLimit::kAll, 0});
  PacketInfo info;
  info.codec = Codec::Vp8;
  info.payload_size = 10;
  info.layers.known = true;
  const auto send = [&](std::uint8_t temporal, bool key) {
    ++info.seq.value;
    info.timestamp.value += 3'000;
    info.arrival += milliseconds(33);
    info.key_frame = info.frame_start = key;
    info.layers.temporal = info.layers.opens = temporal;
    return forwarder.on_packet(info, kSource).has_value();
  };
  EXPECT_TRUE(send(0, true));
  EXPECT_FALSE(send(1, false));
  forwarder.set_target(kSource);
  for (int i = 0; i < 14; ++i) {
    EXPECT_TRUE(send(0, false));
    EXPECT_FALSE(send(1, false));
  }
  EXPECT_FALSE(forwarder.wants_key_frame());
  for (int i = 0; i < 8; ++i) EXPECT_FALSE(send(1, false));
  EXPECT_EQ(forwarder.wants_key_frame(), kSource);
  EXPECT_TRUE(send(0, true));
  EXPECT_TRUE(send(1, false));
  EXPECT_FALSE(forwarder.wants_key_frame());
}

// Which layer it is of was in a structure that did not arrive.
TEST(ForwarderLayers, GivesWhatCannotBeReadToThoseOnlyWhoGetAll) {
  DependencyReader reader;
  const PacketLayers unknown = read_layers(reader, WireBytes{0xc0, 0, 1});
  EXPECT_TRUE(unknown.known);
  EXPECT_TRUE(unknown.within(kWhole));
  EXPECT_FALSE(unknown.within({2, LayerLimit::kAll}));
}

}  // namespace
}  // namespace parley::rtp
