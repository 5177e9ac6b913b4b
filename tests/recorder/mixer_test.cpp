#include "recorder/compose/mixer.h"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/compose/sound.h"

namespace parley::compose {
namespace {

constexpr int kBlocksPerSecond = 1'000 / Mixer::kBlockMs;

// Blocks of a tone, one after the other without a break.
class Tone {
 public:
  Tone(float amplitude, float hertz) : amplitude_(amplitude), hertz_(hertz) {}
  std::vector<float> next() {
    std::vector<float> block(Mixer::kBlock * 2);
    for (std::size_t i = 0; i < block.size(); i += 2, ++at_) {
      block[i] = block[i + 1] = amplitude_ * std::sin(2 * std::numbers::pi_v<float> * hertz_ *
                                                      static_cast<float>(at_ % 48'000) / 48'000);
    }
    return block;
  }

 private:
  float amplitude_;
  float hertz_;
  int at_ = 0;
};

float peak_of(std::span<const float> block) {
  float peak = 0;
  for (const float s : block) peak = std::max(peak, std::abs(s));
  return peak;
}
float level_of(std::span<const float> block) {
  float sum = 0;
  for (const float s : block) sum += s * s;
  return std::sqrt(sum / static_cast<float>(block.size()));
}

// What the mixer makes of tones after so many seconds.
std::vector<float> mixed(std::vector<Tone> tones, int seconds) {
  Mixer mixer(tones.size());
  std::vector<float> out(Mixer::kBlock * 2);
  for (int i = 0; i < seconds * kBlocksPerSecond; ++i) {
    mixer.begin();
    for (std::size_t voice = 0; voice < tones.size(); ++voice)
      mixer.add(voice, tones[voice].next());
    mixer.end(out);
    EXPECT_LE(peak_of(out), 0.9F);
  }
  return out;
}

TEST(Mixer, AQuietVoiceAndALoudOneComeToTheSameLevel) {
  const float quiet = level_of(mixed({Tone(0.05F, 300)}, 20));
  const float loud = level_of(mixed({Tone(0.5F, 300)}, 20));
  EXPECT_NEAR(quiet, loud, 0.01F);
  EXPECT_NEAR(quiet, 0.1F, 0.01F);
}

TEST(Mixer, NoiseInAPauseIsNotRaised) {
  Mixer mixer(1);
  Tone noise(0.003F, 200);
  std::vector<float> out(Mixer::kBlock * 2);
  for (int i = 0; i < 20 * kBlocksPerSecond; ++i) {
    mixer.begin();
    mixer.add(0, noise.next());
    mixer.end(out);
  }
  EXPECT_LE(peak_of(out), 0.0031F);
}

TEST(Mixer, IsOneBlockLateAndGivesWhatItWasGiven) {
  Mixer mixer(1);
  Tone tone(0.002F, 440);  // too quiet to be changed
  Tone same(0.002F, 440);
  std::vector<float> out(Mixer::kBlock * 2, 1.0F);
  mixer.begin();
  mixer.add(0, tone.next());
  mixer.end(out);
  EXPECT_EQ(peak_of(out), 0.0F);
  for (int i = 0; i < 10; ++i) {
    mixer.begin();
    mixer.add(0, tone.next());
    mixer.end(out);
    EXPECT_THAT(out, testing::Pointwise(testing::FloatNear(1e-6F), same.next()));
  }
}

TEST(Mixer, TwentyWhoShoutAtOnceAreTurnedDownAndNotClipped) {
  std::vector<Tone> crowd;
  for (int i = 0; i < 20; ++i) crowd.emplace_back(0.9F, 200.0F + static_cast<float>(i) * 37);
  const auto out = mixed(crowd, 2);
  int at_the_top = 0;
  for (const float s : out) at_the_top += std::abs(s) > 0.885F ? 1 : 0;
  EXPECT_LT(at_the_top, 20) << "a wave that is cut stays at the top";
}

TEST(Mixer, AShoutAfterSilenceIsHeardComingAndDoesNotClick) {
  Mixer mixer(3);
  std::vector<Tone> shouts{Tone(0.9F, 300), Tone(0.9F, 300), Tone(0.9F, 300)};
  std::vector<float> out(Mixer::kBlock * 2);
  float last = 0;
  for (int i = 0; i < 2 * kBlocksPerSecond; ++i) {
    mixer.begin();
    if (i >= kBlocksPerSecond) {
      for (std::size_t voice = 0; voice < 3; ++voice) mixer.add(voice, shouts[voice].next());
    }
    mixer.end(out);
    for (std::size_t s = 0; s < out.size(); s += 2) {
      EXPECT_LT(std::abs(out[s] - last), 0.06F);  // the steepest that 300 Hz at 0.9 gets is 0.035
      last = out[s];
    }
    EXPECT_LE(peak_of(out), 0.9F);
  }
}

TEST(Speakers, WhoIsLoudestForASecondIsLarge) {
  Speakers speakers;
  for (int i = 0; i < 10; ++i) speakers.add({0.1F, 0.01F});
  for (int i = 0; i < 2; ++i) speakers.add({0.1F, 0.3F});  // a cough
  for (int i = 0; i < 10; ++i) speakers.add({0.1F, 0.01F});
  for (int i = 0; i < 10; ++i) speakers.add({0.0F, 0.1F});
  for (int i = 0; i < 10; ++i) speakers.add({0.0F, 0.0F});
  const auto at = [&](int window) { return speakers.at(window * Speakers::kWindow); };
  EXPECT_EQ(at(0), 0U);
  EXPECT_EQ(at(11), 0U) << "a cough";
  EXPECT_EQ(at(25), 0U);
  EXPECT_EQ(at(27), 1U) << "five windows later";
  EXPECT_EQ(at(41), 1U) << "who spoke last stays";
  EXPECT_EQ(at(1'000'000), 1U);
}

TEST(Speakers, NobodyIsLargeBeforeAnybodySpoke) {
  Speakers speakers;
  EXPECT_EQ(speakers.at(Offset(0)), std::nullopt);
  speakers.add({0.001F, 0.002F});
  EXPECT_EQ(speakers.at(Offset(0)), std::nullopt);
}

TEST(Speakers, AreKeptAsText) {
  Speakers speakers;
  for (int i = 0; i < 3; ++i) speakers.add({0.0F, 0.0F});
  for (int i = 0; i < 8; ++i) speakers.add({0.0F, 0.1F});
  const std::string text = speakers.to_text();
  EXPECT_EQ(text, "-x3 1x8 ");
  const auto again = Speakers::from_text(text, 2);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->to_text(), text);
  EXPECT_FALSE(Speakers::from_text(text, 1).has_value()) << "there is no such tile";
  for (const char* wrong : {"x", "-", "1x", "1x8", "1y8 ", "1x99999999999 ", "1x-1 ", "1x8  "}) {
    EXPECT_FALSE(Speakers::from_text(wrong, 2).has_value()) << wrong;
  }
  for (std::size_t length = 0; length < text.size(); ++length) {
    static_cast<void>(Speakers::from_text(text.substr(0, length), 2));
  }
}

}  // namespace
}  // namespace parley::compose
