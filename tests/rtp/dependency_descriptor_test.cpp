#include "rtp/dependency_descriptor.h"

#include <gtest/gtest.h>

#include "rtp/packet_layers.h"
#include "tests/rtp/wire.h"

namespace parley::rtp {
namespace {

constexpr std::uint8_t kOffset = 60;  // so that template ids wrap

// Two spatial layers, two temporal in the lower: templates S0T0, S0T1, S1T0; two decode targets;
// the first template refers to nothing; one chain; with sizes.
void put_structure(BitWriter& w) {
  w.bits(kOffset, 6).bits(1, 5);
  w.bits(1, 2).bits(2, 2).bits(3, 2);                        // next layer: temporal, spatial, end
  w.bits(0b1011, 4).bits(0b0110, 4).bits(0b0010, 4);         // decode targets
  w.bits(0, 1);                                              // template 0: no references
  w.bits(1, 1).bits(0, 4).bits(0, 1);                        // template 1: one
  w.bits(1, 1).bits(0, 4).bits(1, 1).bits(3, 4).bits(0, 1);  // template 2: two
  w.bits(0b10, 2);                                           // one chain: ns(3) of 1
  w.bits(1, 4).bits(2, 4).bits(3, 4);  // ns(1) takes no bits; chain differences
  w.bits(1, 1).bits(319, 16).bits(179, 16).bits(639, 16).bits(359, 16);
}

WireBytes key_descriptor() {
  BitWriter w;
  w.bits(1, 1).bits(0, 1).bits(kOffset, 6).bits(7, 16);
  w.bits(0b10000, 5);
  put_structure(w);
  return w.bytes();
}

TEST(DependencyDescriptor, ReadsTheStructureOfAKeyFrame) {
  DependencyReader reader;
  const auto d = reader.read(key_descriptor());
  ASSERT_TRUE(d);
  EXPECT_TRUE(d->key_frame());
  EXPECT_TRUE(d->start_of_frame);
  EXPECT_FALSE(d->end_of_frame);
  EXPECT_EQ(d->frame_number, 7);
  EXPECT_EQ(d->spatial_id, 0);
  EXPECT_EQ(d->active_targets, 0b11U);
  EXPECT_EQ(d->decode_target(0), DecodeTarget::Switch);
  EXPECT_EQ(d->decode_target(1), DecodeTarget::Required);

  const DependencyStructure* s = reader.structure();
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->template_count, 3);
  EXPECT_EQ(s->decode_target_count, 2);
  EXPECT_EQ(s->chain_count, 1);
  EXPECT_EQ(s->spatial_layer_count, 2);
  EXPECT_EQ(s->temporal_layer_count, 2);
  EXPECT_TRUE(s->has_resolutions);
  EXPECT_EQ(s->resolutions[1], (Resolution{640, 360}));
}

TEST(DependencyDescriptor, ReadsLaterFramesByTheirTemplate) {
  DependencyReader reader;
  ASSERT_TRUE(reader.read(key_descriptor()));
  const WireBytes upper{0x40 | ((kOffset + 2) % 64), 0x00, 0x08};
  const auto d = reader.read(upper);
  ASSERT_TRUE(d);
  EXPECT_FALSE(d->key_frame());
  EXPECT_FALSE(d->start_of_frame);
  EXPECT_TRUE(d->end_of_frame);
  EXPECT_EQ(d->spatial_id, 1);
  EXPECT_EQ(d->temporal_id, 0);
  EXPECT_EQ(d->reference_count, 2);
  EXPECT_EQ(d->frame_number, 8);
}

TEST(DependencyDescriptor, ReadsWhatAFrameSaysOtherwise) {
  DependencyReader reader;
  ASSERT_TRUE(reader.read(key_descriptor()));
  BitWriter w;
  w.bits(1, 1).bits(1, 1).bits(kOffset + 1, 6).bits(9, 16);
  w.bits(0b01111, 5).bits(0b01, 2);                             // active targets: the first only
  w.bits(0b0100, 4);                                            // own targets
  w.bits(1, 2).bits(2, 4).bits(3, 2).bits(700, 12).bits(0, 2);  // own references
  w.bits(4, 8);                                                 // own chain
  const auto d = reader.read(w.bytes());
  ASSERT_TRUE(d);
  EXPECT_EQ(d->temporal_id, 1);
  EXPECT_EQ(d->active_targets, 0b01U);
  EXPECT_EQ(d->decode_target(0), DecodeTarget::Discardable);
  EXPECT_EQ(d->decode_target(1), DecodeTarget::NotPresent);
  EXPECT_EQ(d->reference_count, 2);
}

TEST(DependencyDescriptor, NeedsAStructureFirst) {
  DependencyReader reader;
  EXPECT_FALSE(reader.read(WireBytes{0xc0, 0, 1}));
  EXPECT_EQ(reader.structure(), nullptr);
}

TEST(DependencyDescriptor, RefusesATemplateThatIsNotThere) {
  DependencyReader reader;
  ASSERT_TRUE(reader.read(key_descriptor()));
  EXPECT_FALSE(reader.read(WireBytes{(kOffset + 3) % 64, 0, 1}));
  EXPECT_FALSE(reader.read(WireBytes{kOffset - 1, 0, 1}));
}

TEST(DependencyDescriptor, RefusesTooManyLayersOrTemplates) {
  for (const unsigned step : {0U, 1U, 2U}) {
    BitWriter w;
    w.bits(0x80, 8).bits(1, 16).bits(0b10000, 5).bits(0, 6).bits(0, 5);
    for (int i = 0; i < 70; ++i) w.bits(step, 2);
    w.bits(3, 2).bits(0, 64).bits(0, 64).bits(0, 64).bits(0, 64);
    EXPECT_FALSE(DependencyReader{}.read(w.bytes())) << step;
  }
}

TEST(DependencyDescriptor, RefusesEveryTruncationAndKeepsTheStructureInForce) {
  DependencyReader fresh;
  for_each_truncation(key_descriptor(),
                      [&](const WireBytes& cut) { EXPECT_FALSE(fresh.read(cut)) << cut.size(); });
  DependencyReader known;
  ASSERT_TRUE(known.read(key_descriptor()));
  for_each_truncation(key_descriptor(), [&](const WireBytes& cut) {
    // Three bytes are a whole descriptor without extended fields.
    EXPECT_EQ(known.read(cut).has_value(), cut.size() == 3) << cut.size();
  });
  EXPECT_EQ(known.structure()->template_count, 3);
}

TEST(DependencyDescriptor, KnowsTheLayersOfEachDecodeTarget) {
  DependencyReader reader;
  ASSERT_TRUE(reader.read(key_descriptor()));
  const DependencyStructure& s = *reader.structure();
  // The first target has both temporal layers of the lower size, the second the larger one, too.
  EXPECT_EQ(s.targets[0].spatial_id, 0);
  EXPECT_EQ(s.targets[0].temporal_id, 1);
  EXPECT_EQ(s.targets[1].spatial_id, 1);
  EXPECT_EQ(targets_within(s, {}), 0b11U);
  EXPECT_EQ(targets_within(s, {0, LayerLimit::kAll}), 0b01U);
  EXPECT_EQ(targets_within(s, {0, 0}), 0U);
}

WireBytes edited(const WireBytes& element, const DescriptorEdit& edit) {
  WireBytes out(element.size() + kDescriptorGrowth);
  out.resize(rewrite_descriptor(element, edit, out));
  return out;
}

TEST(DependencyDescriptor, IsPassedOnWithAnotherFrameNumber) {
  const WireBytes key = key_descriptor();
  WireBytes expected = key;
  expected[1] = 0x12;
  expected[2] = 0x34;
  EXPECT_EQ(edited(key, {.frame_number = 0x1234}), expected);
}

TEST(DependencyDescriptor, TellsTheTargetsThatAreLeft) {
  DependencyReader reader;
  const auto before = reader.read(key_descriptor());
  const WireBytes key = edited(
      key_descriptor(),
      {.frame_number = 9, .target_count = 2, .mask_at = before->mask_at, .active_targets = 0b01});
  DependencyReader receiver;
  const auto d = receiver.read(key);
  ASSERT_TRUE(d && d->key_frame());
  EXPECT_EQ(d->frame_number, 9);
  EXPECT_EQ(d->active_targets, 0b01U);
  EXPECT_EQ(receiver.active_targets(), 0b01U);
  EXPECT_EQ(d->decode_targets, before->decode_targets);
  EXPECT_EQ(receiver.structure()->resolutions[1], (Resolution{640, 360}));

  // Into a short one, too, and in the place of a mask that is there already.
  const WireBytes shorter{0xc0 | kOffset, 0, 8};
  const auto plain = reader.read(shorter);
  const WireBytes told = edited(
      shorter,
      {.frame_number = 10, .target_count = 2, .mask_at = plain->mask_at, .active_targets = 0b11});
  const auto again = receiver.read(told);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->active_targets, 0b11U);
  EXPECT_EQ(again->spatial_id, 0);
  const WireBytes changed = edited(
      told,
      {.frame_number = 11, .target_count = 2, .mask_at = again->mask_at, .active_targets = 0b10});
  EXPECT_EQ(changed.size(), told.size());
  EXPECT_EQ(receiver.read(changed)->active_targets, 0b10U);
}

TEST(DependencyDescriptor, KeepsWhatAFrameSaysOtherwiseBehindTheMask) {
  DependencyReader reader;
  ASSERT_TRUE(reader.read(key_descriptor()));
  BitWriter w;
  w.bits(1, 1).bits(1, 1).bits(kOffset + 1, 6).bits(9, 16);
  w.bits(0b00110, 5);
  w.bits(0b0100, 4);
  w.bits(1, 2).bits(2, 4).bits(3, 2).bits(700, 12).bits(0, 2);
  const auto before = reader.read(w.bytes());
  ASSERT_TRUE(before);
  const auto after = reader.read(edited(
      w.bytes(),
      {.frame_number = 9, .target_count = 2, .mask_at = before->mask_at, .active_targets = 0b01}));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->active_targets, 0b01U);
  EXPECT_EQ(after->decode_targets, before->decode_targets);
  EXPECT_EQ(after->reference_count, 2);
}

TEST(DependencyDescriptor, WritesNothingWhereThereIsNoRoomOrNoDescriptor) {
  const WireBytes key = key_descriptor();
  for_each_truncation(key, [&](const WireBytes& cut) {
    WireBytes out(cut.size() + kDescriptorGrowth);
    // Of a descriptor that could be read it would not be cut there.
    const DescriptorEdit edit{.target_count = 2, .mask_at = 150};
    const std::size_t size = rewrite_descriptor(cut, edit, out);
    EXPECT_LE(size, out.size());
    EXPECT_TRUE(size == 0 || cut.size() >= 3);
  });
  WireBytes tight(key.size() - 1);
  EXPECT_EQ(rewrite_descriptor(key, {}, tight), 0U);
  EXPECT_EQ(rewrite_descriptor(key, {.target_count = 2, .mask_at = 29}, tight), 0U);
}

}  // namespace
}  // namespace parley::rtp
