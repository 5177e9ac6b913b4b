#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "call_fixture.h"

// Who decodes what, and what publishers are asked for (A31).
namespace parley::control {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;
const Names kH264Only = {"VP8", "VP9", "AV1"};  // what such a client lacks
const Names kVp8Only = {"H264", "VP9", "AV1"};
const Names kNoH264 = {"H264"};

class Codecs : public CallTest {
 protected:
  // An offer of Chromium's in which these video codecs have names that nobody knows.
  static std::string sdp(const std::string& file, const Names& lacks) {
    std::ifstream in(std::string(PARLEY_TEST_DATA) + "/sdp/" + file);
    std::stringstream stream;
    stream << in.rdbuf();
    std::string text = stream.str();
    for (const std::string& name : lacks) {
      const std::string from = " " + name + "/90000";
      for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += 4) {
        text.replace(at, from.size(), " x" + name + "/90000");
      }
    }
    return text;
  }
  Json publish_camera(std::uint64_t connection, const Names& lacks = {}) {
    Json tracks = Json::array();
    tracks.push(Json::object({{"mid", "1"}, {"source", "camera"}}));
    return offer_text(connection, sdp("chromium-sendrecv-default-offer.sdp", lacks),
                      std::move(tracks));
  }
  Json watch(std::uint64_t connection, const Names& lacks = {}) {
    return offer_text(connection, sdp("chromium-recvonly-10-offer.sdp", lacks));
  }
  Json join_and_publish(std::uint64_t connection, const Names& lacks = {}) {
    join(connection, "publisher");
    return publish_camera(connection, lacks);
  }
  Json join_and_watch(std::uint64_t connection, const Names& lacks = {}) {
    join(connection, "viewer" + std::to_string(connection));
    return watch(connection, lacks);
  }
  // What comes of the only track.
  void arrives(const server::CodecParams& codec) {
    const Participant& publisher = *session().find_identity("publisher");
    worker_says({server::TrackStarted{*publisher.peer, publisher.tracks.front().no, codec}});
  }
  void arrives(rtp::Codec name) {
    const auto& codecs = session().find_identity("publisher")->tracks.front().section.codecs;
    for (const server::CodecParams& codec : codecs) {
      if (codec.codec == name) return arrives(codec);
    }
    FAIL() << "was not offered";
  }
  std::vector<std::string> wanted(std::uint64_t connection) {
    std::vector<std::string> codecs;
    for (const Json& told : notified(connection, "track.codec_wanted")) {
      codecs.push_back(text(told, "codec"));
    }
    return codecs;
  }
  static std::string first_format(const Json& answered) {
    const std::string sdp = text(answered, "sdp");
    const std::size_t at = sdp.find("m=video");
    const std::size_t from = sdp.find("SAVPF ", at) + 6;
    return sdp.substr(from, sdp.find_first_of(" \r", from) - from);
  }
};

TEST_F(Codecs, WhoLacksACodecMakesThePublisherChangeAndSeesWhyHeWaits) {
  room();
  join_and_publish(1);
  arrives(rtp::Codec::Vp8);
  EXPECT_NE(text(join_and_watch(2, kH264Only), "sdp"), "");
  const auto told = notified(1, "track.codec_wanted");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(text(told[0], "mid"), "1");
  EXPECT_EQ(text(told[0], "track_id"), session().find_identity("publisher")->tracks[0].id);
  EXPECT_EQ(text(told[0], "codec"), "H264/42001f");
  EXPECT_EQ(told[0].find("payload_type")->as_int(), 102);
  EXPECT_EQ(told[0].find("packetization_mode")->as_int(), 1);

  auto assigned = notified(2, "slot.assigned");
  ASSERT_THAT(assigned, SizeIs(1));
  EXPECT_TRUE(assigned[0].find("track_id")->is_null());
  EXPECT_EQ(text(assigned[0], "reason"), "no_shared_codec");
  const auto state = [&] {
    const auto& viewer = *session().find_identity("viewer2");
    return text(session().subscriptions(viewer).as_array()->at(1), "state");
  };
  EXPECT_EQ(state(), "undecodable");
  arrives(rtp::Codec::H264);
  EXPECT_EQ(state(), "waiting");
  EXPECT_THAT(notified(2, "slot.assigned"), SizeIs(1)) << "the picture is not there yet";
  const auto assign = commands_of<server::Assign>().back();
  worker_says({server::SlotSwitched{assign.peer, assign.slot, assign.track, 720}});
  assigned = notified(2, "slot.assigned");
  ASSERT_THAT(assigned, SizeIs(2));
  EXPECT_EQ(text(assigned[1], "source"), "camera");
  EXPECT_THAT(wanted(1), SizeIs(1));
}

// He would get the smallest one alone.
TEST_F(Codecs, WhoTakesNoLayersOfAv1MakesThePublisherSendASingleOne) {
  room();
  join_and_publish(1);
  arrives(rtp::Codec::Av1);
  const auto single = [&] {
    const auto told = notified(1, "track.wanted");
    return !told.empty() && *told.back().find("single_layer")->as_bool();
  };
  const std::string without = sdp("chromium-recvonly-10-offer.sdp", {});
  constexpr std::string_view kOther = "urn:3gpp:video-orientation";
  std::string with_descriptor = without;
  for (std::size_t at = 0; (at = with_descriptor.find(kOther, at)) != std::string::npos;) {
    with_descriptor.replace(at, kOther.size(), rtp::uri_of(rtp::Extension::DependencyDescriptor));
  }
  join(2, "viewer2");
  offer_text(2, with_descriptor);
  EXPECT_FALSE(single());
  join(3, "viewer3");
  offer_text(3, without);
  EXPECT_TRUE(single());
  ask(3, "leave");
  wait(3'000ms);
  EXPECT_TRUE(single()) << "he may be back soon";
  wait(2'001ms);
  EXPECT_FALSE(single());
}

TEST_F(Codecs, APictureThatCannotBeDecodedAnyMoreIsHiddenWithAReason) {
  room();
  join_and_publish(1);
  join_and_watch(2, kNoH264);
  arrives(rtp::Codec::Vp8);
  const auto assign = commands_of<server::Assign>().back();
  worker_says({server::SlotSwitched{assign.peer, assign.slot, assign.track, 720}});
  arrives(rtp::Codec::H264);  // whatever the client thought
  const auto assigned = notified(2, "slot.assigned");
  ASSERT_THAT(assigned, SizeIs(2));
  EXPECT_EQ(text(assigned[1], "reason"), "no_shared_codec");
  EXPECT_THAT(wanted(1), ElementsAre("VP8"));
  arrives(rtp::Codec::Vp8);
  worker_says({server::SlotSwitched{assign.peer, assign.slot, assign.track, 720}});
  EXPECT_FALSE(notified(2, "slot.assigned").back().find("track_id")->is_null());
}

TEST_F(Codecs, TheAnswerBeginsWithTheCodecThatAllDecode) {
  room();
  join_and_watch(2, kH264Only);
  const Json answered = join_and_publish(1);
  EXPECT_EQ(first_format(answered), "102");
  EXPECT_THAT(text(answered, "sdp"), HasSubstr("VP8/90000")) << "for a change in mid-call";
  EXPECT_THAT(wanted(1), IsEmpty());
}

TEST_F(Codecs, ANewcomerWhoCouldNotSeeThePublisherIsRefused) {
  room();
  join_and_publish(1, kNoH264);
  commands.clear();
  const Json refused = join_and_watch(2, kH264Only);
  EXPECT_EQ(text(refused, "reason"), "no_shared_codec");
  EXPECT_EQ(refused.find("have")->as_array()->front(), Json("H264/42001f"));
  EXPECT_EQ(*refused.find("need"), Json(Json::Array{"VP8", "AV1", "VP9"}));
  EXPECT_THAT(commands_of<server::SetPeer>(), IsEmpty());
  const Json event = *last_event("participant.failed").find("data");
  EXPECT_EQ(text(event, "reason"), "no_shared_codec");
  EXPECT_EQ(*event.find("need"), *refused.find("need"));
  watch(2, kH264Only);
  const auto types = event_types();
  EXPECT_EQ(std::count(types.begin(), types.end(), "participant.failed"), 1) << "once is enough";
  EXPECT_NE(text(watch(2), "sdp"), "") << "with more codecs he may come";
}

TEST_F(Codecs, APublisherWhomSomebodyCouldNotSeeIsRefused) {
  room();
  join_and_watch(2, kVp8Only);
  const Json refused = join_and_publish(1, {"VP8"});
  EXPECT_EQ(text(refused, "reason"), "no_shared_codec");
  EXPECT_EQ(*refused.find("need"), Json(Json::Array{"VP8"}));
  EXPECT_THAT(session().find_identity("publisher")->tracks, IsEmpty());
  EXPECT_NE(text(publish_camera(1), "sdp"), "");
}

TEST_F(Codecs, WhoIsInTheCallCannotGiveUpTheLastSharedCodec) {
  room();
  join_and_publish(1, kNoH264);
  join_and_watch(2);
  const auto before = session().find_identity("viewer2")->decodes;
  EXPECT_EQ(text(watch(2, kH264Only), "reason"), "no_shared_codec");
  EXPECT_EQ(session().find_identity("viewer2")->decodes, before);
}

TEST_F(Codecs, ARoomsListLimitsTheAnswerAndRefusesTheRest) {
  room("main", [](RoomConfig& c) { c.codecs = {"H264/42e01f", "VP8"}; });
  const Json answered = join_and_publish(1);
  EXPECT_EQ(first_format(answered), "102");
  EXPECT_THAT(text(answered, "sdp"), HasSubstr("VP8/90000"));
  EXPECT_THAT(text(answered, "sdp"), Not(HasSubstr("VP9/90000")));
  const Json refused = join_and_watch(2, {"VP8", "H264"});
  EXPECT_EQ(text(refused, "reason"), "no_shared_codec");
  EXPECT_EQ(*refused.find("need"), Json(Json::Array{"H264/42e01f", "VP8"}));
}

TEST_F(Codecs, WhatTheRoomLikesBetterIsTakenUpAgainWhenPeopleHaveSettled) {
  room("main", [](RoomConfig& c) { c.codecs = {"H264/42e01f", "VP8"}; });
  join_and_publish(1);
  join_and_watch(2, kVp8Only);
  EXPECT_THAT(wanted(1), ElementsAre("VP8"));
  ask(2, "leave");
  wait(9s);
  EXPECT_THAT(wanted(1), SizeIs(1));
  join_and_watch(3, kVp8Only);
  ask(3, "leave");
  EXPECT_THAT(wanted(1), SizeIs(1)) << "he still sends what they decoded";
  wait(2s);
  EXPECT_THAT(wanted(1), ElementsAre("VP8", "H264/42001f"));
  wait(60s);
  EXPECT_THAT(wanted(1), SizeIs(2));
}

TEST_F(Codecs, WithoutAListNobodyChangesBack) {
  room();
  join_and_publish(1);
  join_and_watch(2, kH264Only);
  ask(2, "leave");
  join_and_watch(3);
  wait(60s);
  EXPECT_THAT(wanted(1), ElementsAre("H264/42001f"));
  EXPECT_EQ(first_format(publish_camera(1)), "102") << "nor by an offer for another reason";
}

TEST_F(Codecs, APublishersOwnChoiceStandsWhileAllDecodeIt) {
  room();
  join_and_publish(1);
  join_and_watch(2, kNoH264);
  arrives(rtp::Codec::Vp9);
  EXPECT_THAT(wanted(1), IsEmpty());
  join_and_watch(3, {"VP8"});
  EXPECT_THAT(wanted(1), IsEmpty()) << "VP9 is what all have, and what is sent";
}

TEST_F(Codecs, AClientThatDoesNotObeyIsNotAskedAllTheTime) {
  room();
  join_and_publish(1);
  join_and_watch(2, kNoH264);
  for (int i = 0; i < 20; ++i) {
    arrives(rtp::Codec::H264);
    arrives(rtp::Codec::Vp8);
    wait(100ms);
  }
  EXPECT_LE(wanted(1).size(), 3U);
}

TEST_F(Codecs, WhoWasAskedWhileHisSocketWasLostIsAskedAgain) {
  room();
  join_and_publish(1);
  arrives(rtp::Codec::Vp8);
  rtc->closed({1}, 1006);
  join_and_watch(2, kH264Only);
  EXPECT_THAT(wanted(1), IsEmpty());
  join(3, "publisher");
  EXPECT_THAT(wanted(3), ElementsAre("H264/42001f"));
}

TEST_F(Codecs, WhileItIsRecordedNobodySendsWhatCannotBeWritten) {
  room();
  join(1, "publisher");
  std::string offered = sdp("chromium-sendrecv-default-offer.sdp", {});
  offered.replace(offered.find("VP8/90000"), 4, "H265/");
  Json tracks = Json::array();
  tracks.push(Json::object({{"mid", "1"}, {"source", "camera"}}));
  EXPECT_EQ(first_format(offer_text(1, offered, tracks)), "96");
  session().set_recorded(true);
  outbox->flush();
  EXPECT_THAT(wanted(1), ElementsAre("H264/42001f"));
}

TEST_F(Codecs, AnotherListOfTheRoomIsAskedForInTheRunningCall) {
  Room& main = room();
  join_and_publish(1);
  join_and_watch(2);
  main.config.codecs = {"VP9"};
  sessions->room_changed(session(), main);
  outbox->flush();
  EXPECT_THAT(wanted(1), ElementsAre("VP9"));
}

}  // namespace
}  // namespace parley::control
