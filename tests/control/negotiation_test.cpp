#include "control/negotiation.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

std::string file(const std::string& name) {
  std::ifstream in(std::string(PARLEY_TEST_DATA) + "/sdp/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

sdp::Offer offer_of(const std::string& name) {
  auto offer = sdp::parse(file(name));
  EXPECT_TRUE(offer) << offer.error();
  return std::move(*offer);
}

rtp::Mid mid(std::string_view text) { return *rtp::Mid::from(text); }

class NegotiationTest : public testing::Test {
 protected:
  std::uint32_t next_track_ = 100;
  std::uint8_t chance_ = 0;
  Negotiation negotiation_{[this] { return server::TrackNo(next_track_++); },
                           [this](std::span<std::uint8_t> into) {
                             for (std::uint8_t& byte : into) byte = chance_++;
                           }};
  NegotiationRules rules_{Permissions::of(Role::Host), 16, 64};
  sdp::Offer offer_ = offer_of("chromium-simulcast-vp8-offer.sdp");
  std::vector<SendIntent> both_ = {{mid("0"), TrackSource::Microphone},
                                   {mid("1"), TrackSource::Camera}};

  std::string refusal(const sdp::Offer& offer, const std::vector<SendIntent>& intents) {
    const auto plan = negotiation_.offer(offer, intents, rules_);
    return plan ? "accepted" : plan.error().reason;
  }
};

TEST_F(NegotiationTest, TellsTheWorkerWhatTheClientSends) {
  const auto plan = negotiation_.offer(offer_, both_, rules_);
  ASSERT_TRUE(plan) << plan.error().message;
  const server::PeerParams params = peer_params(offer_, *plan);
  EXPECT_EQ(params.remote.ufrag, "JPzV");
  EXPECT_EQ(params.fingerprints, offer_.sections[0].fingerprints);
  ASSERT_EQ(params.publishes.size(), 2U);
  const server::PublishSection& video = params.publishes[1];
  EXPECT_EQ(video.mid, mid("1"));
  ASSERT_EQ(video.codecs.size(), 1U);
  EXPECT_EQ(video.codecs[0].codec, rtp::Codec::Vp8);
  EXPECT_EQ(video.codecs[0].rtx_pt, rtp::PayloadType(97));
  EXPECT_TRUE(video.codecs[0].nack && video.codecs[0].pli && video.codecs[0].transport_cc);
  EXPECT_EQ(video.rids.size(), 3U);
  EXPECT_EQ(video.extensions.id(rtp::Extension::Rid), 10);
  EXPECT_EQ(video.extensions.id(rtp::Extension::TransportCc), 3);
  EXPECT_EQ(video.extensions.id(rtp::Extension::AbsSendTime), 0);
  ASSERT_EQ(params.publishes[0].ssrcs.size(), 1U);
  EXPECT_EQ(params.publishes[0].ssrcs[0].ssrc, rtp::Ssrc(3008890188));
}

TEST_F(NegotiationTest, TakesDataChannelsInTheFirstOfferOnly) {
  rules_.data = true;
  const sdp::Offer with = offer_of("firefox-sendrecv-default-offer.sdp");
  const auto plan = negotiation_.offer(with, {}, rules_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->lines.back().use, LinePlan::Use::Data);
  const auto data = peer_params(with, *plan).data;
  ASSERT_TRUE(data);
  EXPECT_EQ(data->remote_port, 5'000);
  EXPECT_EQ(data->max_message, 262'144U) << "Firefox takes a gigabyte";
  const auto again = negotiation_.offer(with, {}, rules_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->lines.back().use, LinePlan::Use::Data);

  sdp::Offer without = with;
  without.sections.pop_back();
  Negotiation later([this] { return server::TrackNo(next_track_++); },
                    [n = std::uint8_t{7}](std::span<std::uint8_t> into) mutable {
                      for (std::uint8_t& byte : into) byte = n++;
                    });
  ASSERT_TRUE(later.offer(without, {}, rules_));
  const auto too_late = later.offer(with, {}, rules_);
  ASSERT_TRUE(too_late);
  EXPECT_EQ(too_late->lines.back().use, LinePlan::Use::Rejected);
}

TEST_F(NegotiationTest, WhoIsRecordedTurnsHisPicturesHimself) {
  const auto orientation = [&] {
    const auto plan = negotiation_.offer(offer_, both_, rules_);
    EXPECT_TRUE(plan);
    const server::PublishSection video = peer_params(offer_, *plan).publishes.at(1);
    EXPECT_NE(video.extensions.id(rtp::Extension::TransportCc), 0);
    return video.extensions.id(rtp::Extension::VideoOrientation);
  };
  EXPECT_NE(orientation(), 0);
  rules_.upright = true;
  EXPECT_EQ(orientation(), 0);
}

TEST_F(NegotiationTest, PairsMediaAndRetransmissionSsrcsOfFirefox) {
  const sdp::Offer offer = offer_of("firefox-simulcast-vp8-offer.sdp");
  const auto plan =
      negotiation_.offer(offer, std::vector<SendIntent>{{mid("0"), TrackSource::Camera}}, rules_);
  ASSERT_TRUE(plan) << plan.error().message;
  const auto params = peer_params(offer, *plan);
  ASSERT_EQ(params.publishes[0].ssrcs.size(), 3U);
  EXPECT_EQ(params.publishes[0].ssrcs[2].ssrc, rtp::Ssrc(1581290059));
  EXPECT_EQ(params.publishes[0].ssrcs[2].rtx, rtp::Ssrc(1607331980));
}

TEST_F(NegotiationTest, KeepsTrackNumbersAndSlotSsrcsOverReOffers) {
  const auto first = negotiation_.offer(offer_, both_, rules_);
  const auto second = negotiation_.offer(offer_, both_, rules_);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->lines[1].track, second->lines[1].track);
  EXPECT_EQ(first->description_id, second->description_id);
  EXPECT_EQ(first->version + 1, second->version);
  EXPECT_EQ(first->local, second->local);

  Negotiation slots([this] { return server::TrackNo(next_track_++); },
                    [this](std::span<std::uint8_t> into) {
                      for (std::uint8_t& byte : into) byte = chance_++;
                    });
  const sdp::Offer many = offer_of("chromium-recvonly-10-offer.sdp");
  const auto before = slots.offer(many, {}, rules_);
  const auto after = slots.offer(many, {}, rules_);
  ASSERT_TRUE(before && after);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(before->lines[i].use, LinePlan::Use::Slot);
    EXPECT_EQ(before->lines[i].ssrc, after->lines[i].ssrc);
    EXPECT_EQ(before->lines[i].rtx_ssrc, after->lines[i].rtx_ssrc);
    EXPECT_EQ(before->lines[i].slot_index, i / 2);  // audio and video take turns
  }
}

// Its sequence numbers and SRTP's index begin anew.
TEST_F(NegotiationTest, ASlotThatWasInactiveComesBackWithOtherSsrcs) {
  const sdp::Offer open = offer_of("chromium-recvonly-10-offer.sdp");
  sdp::Offer closed = open;
  closed.sections[1].direction = sdp::Direction::Inactive;
  const auto first = negotiation_.offer(open, {}, rules_);
  const auto second = negotiation_.offer(closed, {}, rules_);
  const auto third = negotiation_.offer(open, {}, rules_);
  const auto fourth = negotiation_.offer(open, {}, rules_);
  ASSERT_TRUE(first && second && third && fourth);
  EXPECT_EQ(second->lines[1].use, LinePlan::Use::Inactive);
  EXPECT_NE(third->lines[1].ssrc, first->lines[1].ssrc);
  EXPECT_NE(third->lines[1].rtx_ssrc, first->lines[1].rtx_ssrc);
  EXPECT_EQ(third->lines[1].slot_index, first->lines[1].slot_index);
  EXPECT_EQ(third->lines[0].ssrc, first->lines[0].ssrc);
  EXPECT_EQ(fourth->lines[1].ssrc, third->lines[1].ssrc);
}

TEST_F(NegotiationTest, ATrackThatStoppedAndStartsAgainIsANewOne) {
  const auto first = negotiation_.offer(offer_, both_, rules_);
  ASSERT_TRUE(first);
  sdp::Offer stopped = offer_;
  stopped.sections[1].direction = sdp::Direction::Inactive;
  const auto without = negotiation_.offer(stopped, std::span(both_).first(1), rules_);
  ASSERT_TRUE(without);
  EXPECT_EQ(without->lines[1].use, LinePlan::Use::Inactive);
  const auto again = negotiation_.offer(offer_, both_, rules_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->lines[0].track, first->lines[0].track);
  EXPECT_NE(again->lines[1].track, first->lines[1].track);
}

TEST_F(NegotiationTest, AnotherSourceOnTheSameLineIsAnotherTrack) {
  const auto camera = negotiation_.offer(offer_, both_, rules_);
  both_[1].source = TrackSource::ScreenShare;
  const auto screen = negotiation_.offer(offer_, both_, rules_);
  ASSERT_TRUE(camera && screen);
  EXPECT_NE(camera->lines[1].track, screen->lines[1].track);
}

TEST_F(NegotiationTest, AnIceRestartGetsNewCredentialsOfOurs) {
  const auto first = negotiation_.offer(offer_, both_, rules_);
  sdp::Offer restart = offer_;
  for (sdp::Section& section : restart.sections) section.ice_ufrag = "other";
  const auto second = negotiation_.offer(restart, both_, rules_);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->local, second->local);
  EXPECT_EQ(first->lines[1].track, second->lines[1].track);
}

TEST_F(NegotiationTest, KnowsAnotherPeerByItsCertificate) {
  EXPECT_FALSE(negotiation_.is_other_peer(offer_));
  ASSERT_TRUE(negotiation_.offer(offer_, both_, rules_));
  EXPECT_FALSE(negotiation_.is_other_peer(offer_));
  sdp::Offer other = offer_;
  for (sdp::Section& section : other.sections) section.fingerprints[0].digest[0] ^= 1;
  EXPECT_TRUE(negotiation_.is_other_peer(other));
  EXPECT_EQ(refusal(other, both_), "sdp_fingerprint");
}

TEST_F(NegotiationTest, RefusesIntentsThatDoNotFitTheOffer) {
  EXPECT_EQ(refusal(offer_, {{mid("7"), TrackSource::Camera}}), "invalid_argument");
  EXPECT_EQ(refusal(offer_, {{mid("0"), TrackSource::Camera}}), "invalid_argument");
  EXPECT_EQ(refusal(offer_, {both_[0], both_[0]}), "invalid_argument");
  const sdp::Offer slots = offer_of("chromium-recvonly-10-offer.sdp");
  EXPECT_EQ(refusal(slots, {{mid("0"), TrackSource::Microphone}}), "invalid_argument");
}

TEST_F(NegotiationTest, AViewerMayNotPublishAndNothingChanges) {
  rules_.permissions = Permissions::of(Role::Viewer);
  EXPECT_EQ(refusal(offer_, both_), "permission_denied");
  EXPECT_EQ(next_track_, 100U);
  const auto plan = negotiation_.offer(offer_, {}, rules_);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->version, 1U);
  EXPECT_EQ(plan->lines[1].use, LinePlan::Use::Inactive);
}

TEST_F(NegotiationTest, WithoutSubscribingSlotsStayInactive) {
  rules_.permissions.remove(Permission::Subscribe);
  const auto plan = negotiation_.offer(offer_of("chromium-recvonly-10-offer.sdp"), {}, rules_);
  ASSERT_TRUE(plan);
  for (const LinePlan& line : plan->lines) EXPECT_EQ(line.use, LinePlan::Use::Inactive);
}

TEST_F(NegotiationTest, HasLimits) {
  rules_.max_slots = 9;
  EXPECT_EQ(refusal(offer_of("chromium-recvonly-10-offer.sdp"), {}), "too_many_slots");
  rules_.max_tracks = 1;
  EXPECT_EQ(refusal(offer_, both_), "too_many_tracks");
}

TEST_F(NegotiationTest, RefusesWhatCannotWorkByName) {
  sdp::Offer offer = offer_;
  offer.sections[0].ice_pwd.clear();
  EXPECT_EQ(refusal(offer, both_), "sdp_ice");
  offer = offer_;
  offer.sections[0].fingerprints.clear();
  EXPECT_EQ(refusal(offer, both_), "sdp_fingerprint");
  offer = offer_;
  offer.sections[0].setup = sdp::Setup::Passive;
  EXPECT_EQ(refusal(offer, both_), "sdp_setup");
  offer = offer_;
  offer.sections[1].rtcp_mux = false;
  EXPECT_EQ(refusal(offer, both_), "sdp_rtcp_mux");
  offer = offer_;
  offer.sections[1].codecs[0].pt = rtp::PayloadType(111);
  EXPECT_EQ(refusal(offer, both_), "sdp_payload_type");
  offer = offer_;
  offer.sections[1].ssrcs = offer.sections[0].ssrcs;
  EXPECT_EQ(refusal(offer, both_), "sdp_ssrc");
  offer = offer_;
  for (sdp::Codec& codec : offer.sections[1].codecs) codec.name = "H266";
  EXPECT_EQ(refusal(offer, both_), "no_shared_codec");
  offer = offer_;
  offer.sections[1].codecs.erase(offer.sections[1].codecs.begin());
  EXPECT_EQ(refusal(offer, both_), "no_shared_codec");
  offer = offer_;
  offer.bundle.pop_back();
  EXPECT_EQ(refusal(offer, both_), "sdp_not_bundled");
}

TEST_F(NegotiationTest, TakesH265OfTheMainProfileWhereTheClientHasIt) {
  sdp::Offer offer = offer_;
  sdp::Codec& codec = offer.sections[1].codecs.front();
  codec.name = "H265";
  codec.fmtp = "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST";
  const auto plan = negotiation_.offer(offer, both_, rules_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->lines[1].codecs.front().params.codec, rtp::Codec::H265);
  for (const char* other : {"profile-id=2;tx-mode=SRST", "tx-mode=MRST"}) {
    codec.fmtp = other;
    EXPECT_EQ(refusal(offer, both_), "no_shared_codec") << other;
  }
}

TEST_F(NegotiationTest, TheRoomsCodecsLimitAndOrderBothDirections) {
  rules_.codecs = *CodecPolicy::from(std::vector<std::string>{"VP9", "H264/42e01f"});
  const sdp::Offer many = offer_of("chromium-recvonly-10-offer.sdp");
  const auto slots = negotiation_.offer(many, {}, rules_);
  ASSERT_TRUE(slots) << slots.error().message;
  const auto& codecs = slots->lines[1].codecs;
  EXPECT_EQ(codecs.front().params.codec, rtp::Codec::Vp9);
  EXPECT_EQ(codecs.back().params.codec, rtp::Codec::H264);
  for (const ChosenCodec& codec : codecs) {
    const bool baseline = codec.params.h264_profile >> 16 == 0x42;
    EXPECT_TRUE(codec.params.codec == rtp::Codec::Vp9 || baseline);
  }
  EXPECT_EQ(slots->lines[0].codecs.front().params.codec, rtp::Codec::Opus) << "sound has no list";
  const auto refused = negotiation_.offer(offer_, both_, rules_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "no_shared_codec");
  EXPECT_EQ(Json(refused.error().details).dump(),
            R"({"have":["VP8"],"need":["VP9","H264/42e01f"]})");
}

TEST_F(NegotiationTest, IdsAboveFourteenNeedMixedExtensions) {
  sdp::Offer offer = offer_;
  for (sdp::HeaderExtension& extension : offer.sections[1].extensions) {
    if (extension.id == 4) extension.id = 16;
  }
  auto plan = negotiation_.offer(offer, both_, rules_);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lines[1].extensions.map.id(rtp::Extension::Mid), 16);
  offer.extmap_allow_mixed = false;
  plan = negotiation_.offer(offer, both_, rules_);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->lines[1].extensions.map.id(rtp::Extension::Mid), 0);
}

TEST_F(NegotiationTest, TakesTheDependencyDescriptorOfCodecsThatTellTheirLayersNowhereElse) {
  for (const auto& [file, taken] : {std::pair{"chromium-simulcast-av1-offer.sdp", true},
                                    {"chromium-simulcast-h264-offer.sdp", true},
                                    {"chromium-simulcast-vp8-offer.sdp", false},
                                    {"chromium-simulcast-vp9-offer.sdp", false}}) {
    const sdp::Offer offer = offer_of(file);
    const rtp::Mid video = offer.sections.back().mid;
    Negotiation negotiation = negotiation_;
    const auto plan =
        negotiation.offer(offer, std::vector<SendIntent>{{video, TrackSource::Camera}}, rules_);
    ASSERT_TRUE(plan) << plan.error().message;
    const auto& map = plan->lines.back().extensions.map;
    EXPECT_EQ(map.id(rtp::Extension::DependencyDescriptor) != 0, taken) << file;
  }
}

}  // namespace
}  // namespace parley::control
