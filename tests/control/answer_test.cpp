#include "control/answer.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/negotiation.h"

namespace parley::control {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string file(const std::string& name) {
  std::ifstream in(std::string(PARLEY_TEST_DATA) + "/sdp/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

const std::string kFingerprint =
    "sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

RandomSource counting_source() {
  return [n = std::uint8_t{0}](std::span<std::uint8_t> into) mutable {
    for (std::uint8_t& byte : into) byte = n++;
  };
}

struct Peer {
  std::uint32_t next_track = 100;
  Negotiation negotiation{[this] { return server::TrackNo(next_track++); }, counting_source()};
  NegotiationRules rules{Permissions::of(Role::Host), 16, 64};

  // Every m-line that can send is declared, as parley.js does.
  static std::vector<SendIntent> intents_of(const sdp::Offer& offer) {
    std::vector<SendIntent> intents;
    for (const sdp::Section& section : offer.sections) {
      if (!section.kind || !sdp::sends(section.direction)) continue;
      intents.push_back({section.mid, section.kind == rtp::MediaKind::Audio
                                          ? TrackSource::Microphone
                                          : TrackSource::Camera});
    }
    return intents;
  }
  std::string answer(const std::string& text) {
    const auto offer = sdp::parse(text);
    if (!offer) return offer.error();
    const auto plan = negotiation.offer(*offer, intents_of(*offer), rules);
    if (!plan) return plan.error().message;
    const AnswerTransport transport{
        kFingerprint,
        {{"192.0.2.1", 40'000}, {"2001:db8::1", 40'000}, {"192.0.2.1", 40'000, true}},
        0};
    return write_answer(*offer, *plan, transport);
  }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    EXPECT_TRUE(line.ends_with('\r')) << line;
    line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

TEST(Answer, AnswersASimulcastOfferOfChromiumToTheLetter) {
  const auto lines = lines_of(Peer().answer(file("chromium-simulcast-vp8-offer.sdp")));
  const std::vector<std::string> video_of_interest = {
      "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
      "c=IN IP4 0.0.0.0",
      "a=mid:1",
      "a=recvonly",
      "a=rtcp-mux",
      "a=rtcp-rsize",
  };
  const auto video = std::find(lines.begin(), lines.end(), video_of_interest.front());
  ASSERT_NE(video, lines.end());
  EXPECT_EQ(std::vector<std::string>(video, video + 6), video_of_interest);
  const std::vector<std::string> tail(video + 10, lines.end());
  EXPECT_EQ(tail, (std::vector<std::string>{
                      "a=rtpmap:96 VP8/90000",
                      "a=rtcp-fb:96 transport-cc",
                      "a=rtcp-fb:96 ccm fir",
                      "a=rtcp-fb:96 nack",
                      "a=rtcp-fb:96 nack pli",
                      "a=rtpmap:97 rtx/90000",
                      "a=fmtp:97 apt=96",
                      "a=extmap:13 urn:3gpp:video-orientation",
                      "a=extmap:3 http://www.ietf.org/id/"
                      "draft-holmer-rmcat-transport-wide-cc-extensions-01",
                      "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
                      "a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
                      "a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space",
                      "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
                      "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
                      "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
                      "a=rid:q recv",
                      "a=rid:h recv",
                      "a=rid:f recv",
                      "a=simulcast:recv q;h;f",
                  }));
}

TEST(Answer, OffersItsAddressesOnceAndTheTransportEverywhere) {
  const std::string answer = Peer().answer(file("chromium-simulcast-vp8-offer.sdp"));
  const auto lines = lines_of(answer);
  const auto count = [&](const std::string& start) {
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string& line) { return line.starts_with(start); });
  };
  EXPECT_EQ(count("a=candidate:"), 3);
  EXPECT_EQ(count("a=end-of-candidates"), 1);
  EXPECT_EQ(count("a=ice-ufrag:"), 2);
  EXPECT_EQ(count("a=fingerprint:" + kFingerprint), 2);
  EXPECT_EQ(count("a=setup:passive"), 2);
  EXPECT_EQ(count("a=ice-lite"), 1);
  EXPECT_THAT(answer, HasSubstr("a=group:BUNDLE 0 1\r\n"));
  EXPECT_THAT(answer, HasSubstr("a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host\r\n"));
  EXPECT_THAT(answer, HasSubstr("a=candidate:2 1 udp 2130706175 2001:db8::1 40000 typ host\r\n"
                                "a=candidate:3 1 tcp 1520434687 192.0.2.1 40000 typ host "
                                "tcptype passive\r\n"));
  EXPECT_THAT(answer, HasSubstr("a=candidate:2 1 udp 2130706175 2001:db8::1 40000 typ host\r\n"));
}

TEST(Answer, AnswersWhatOpusIsSaidToBeInEachDirection) {
  const auto answered = [](const std::string& file_name, const std::string& fmtp) {
    std::string text = file(file_name);
    const std::string from = "a=fmtp:111 minptime=10;useinbandfec=1";
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; ++at) {
      text.replace(at, from.size(), "a=fmtp:111 " + fmtp);
    }
    for (const std::string& line : lines_of(Peer().answer(text))) {
      if (line.starts_with("a=fmtp:111 ")) return line.substr(11);
    }
    return std::string();
  };
  const std::string sends = "chromium-sendrecv-default-offer.sdp";
  const std::string receives = "chromium-recvonly-10-offer.sdp";
  const std::string usual = "minptime=10;useinbandfec=1";
  for (const std::string& either : {sends, receives}) {
    EXPECT_EQ(answered(either, usual), usual);
    EXPECT_EQ(answered(either, "useinbandfec=1; usedtx=1"), "useinbandfec=1;usedtx=1");
    EXPECT_EQ(answered(either, "stereo=0;useinbandfec=1"), "useinbandfec=1");
  }
  EXPECT_EQ(answered(sends, usual + ";sprop-stereo=1"), usual + ";stereo=1");
  EXPECT_EQ(answered(sends, "stereo=1;" + usual), usual + ";stereo=1");
  EXPECT_EQ(answered(receives, "stereo=1;" + usual), usual + ";stereo=1;sprop-stereo=1");
  EXPECT_EQ(answered(receives, usual + ";sprop-stereo=1"), usual) << "he sends nothing here";
}

TEST(Answer, NeverTakesRedOfVideoFecOrWhatWeCannotCarry) {
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(PARLEY_TEST_DATA) + "/sdp")) {
    const std::string text = file(entry.path().filename().string());
    if (text.rfind("v=0", 0) != 0) continue;
    const std::string answer = Peer().answer(text);
    for (const char* word :
         {"red/90000", "ulpfec", "flexfec", "G722", "PCM", "CN/", "telephone-event", "goog-remb",
          "abs-send-time", "profile-id=2", "f4001f"}) {
      EXPECT_THAT(answer, Not(HasSubstr(word))) << entry.path();
    }
  }
}

// Who sends nothing learns his round trip by it, others from reports on what they send.
TEST(Answer, TakesTheRoundTripOfThoseWhoOnlyWatch) {
  const auto asking = [](const std::string& name) {
    std::string text = file(name);
    const std::string nack = "a=rtcp-fb:96 nack\r\n";
    text.insert(text.find(nack), "a=rtcp-fb:96 rrtr\r\n");
    return Peer().answer(text);
  };
  EXPECT_THAT(asking("chromium-recvonly-10-offer.sdp"), HasSubstr("a=rtcp-fb:96 rrtr\r\n"));
  EXPECT_THAT(asking("chromium-sendrecv-default-offer.sdp"), Not(HasSubstr("rrtr")));
  EXPECT_THAT(Peer().answer(file("chromium-recvonly-10-offer.sdp")), Not(HasSubstr("rrtr")));
}

TEST(Answer, KeepsTheOrderAndMidsOfEveryOfferAndCanBeReadBack) {
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(PARLEY_TEST_DATA) + "/sdp")) {
    const std::string name = entry.path().filename().string();
    const std::string text = file(name);
    // Answers in the collection carry a=setup:active and answers' directions: fine as offers, too.
    if (text.rfind("v=0", 0) != 0 || name.starts_with("janus-echotest-answer")) continue;
    const auto offer = sdp::parse(text);
    ASSERT_TRUE(offer) << name;
    const std::string answer_text = Peer().answer(text);
    const auto answer = sdp::parse(answer_text);
    ASSERT_TRUE(answer) << name << ": " << answer.error() << "\n" << answer_text;
    ASSERT_EQ(answer->sections.size(), offer->sections.size()) << name;
    for (std::size_t i = 0; i < offer->sections.size(); ++i) {
      EXPECT_EQ(answer->sections[i].mid, offer->sections[i].mid) << name;
      EXPECT_EQ(answer->sections[i].media, offer->sections[i].media) << name;
      EXPECT_FALSE(sdp::sends(answer->sections[i].direction) &&
                   !sdp::receives(offer->sections[i].direction))
          << name;
    }
  }
}

TEST(Answer, GivesEverySlotItsStreamAndSsrcs) {
  const std::string answer = Peer().answer(file("chromium-recvonly-10-offer.sdp"));
  const auto read = sdp::parse(answer);
  ASSERT_TRUE(read) << read.error();
  ASSERT_EQ(read->sections.size(), 10U);
  std::vector<rtp::Ssrc> all;
  for (std::size_t i = 0; i < 10; ++i) {
    const sdp::Section& section = read->sections[i];
    const bool audio = section.kind == rtp::MediaKind::Audio;
    EXPECT_EQ(section.direction, sdp::Direction::SendOnly);
    EXPECT_EQ(section.fid_groups.size(), audio ? 0U : 1U);
    EXPECT_EQ(section.ssrcs.size(), audio ? 1U : 2U);
    EXPECT_TRUE(section.msid.ends_with(audio ? "-a" : "-v")) << section.msid;
    all.insert(all.end(), section.ssrcs.begin(), section.ssrcs.end());
    const auto numbered = std::count_if(
        section.extensions.begin(), section.extensions.end(),
        [](const auto& one) { return one.uri.find("transport-wide-cc") != std::string::npos; });
    EXPECT_EQ(numbered, 1) << "what arrives is told, so that the way down can be measured";
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(std::count(all.begin(), all.end(), all[i]), 1);
  }
  EXPECT_THAT(answer, HasSubstr("a=msid:slot-0 slot-0-a\r\n"));
  EXPECT_THAT(answer, HasSubstr("a=msid:slot-0 slot-0-v\r\n"));
  EXPECT_THAT(answer, HasSubstr("transport-cc\r\n"));
}

TEST(Answer, TakesDataChannelsWhereTheyAreAllowed) {
  Peer peer;
  peer.rules.data = true;
  const std::string only = peer.answer(file("chromium-datachannel-offer.sdp"));
  EXPECT_THAT(only, HasSubstr("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                              "c=IN IP4 0.0.0.0\r\n"
                              "a=mid:0\r\n"
                              "a=sctp-port:5000\r\n"
                              "a=max-message-size:262144\r\n"
                              "a=ice-ufrag:"));
  EXPECT_THAT(only, HasSubstr("a=group:BUNDLE 0\r\n"));
  EXPECT_THAT(only, HasSubstr("a=candidate:1 1 udp"));
  EXPECT_THAT(only, Not(HasSubstr("rtcp-mux")));
  Peer other;
  other.rules.data = true;
  const std::string mixed = other.answer(file("chromium-sendrecv-default-max-bundle-offer.sdp"));
  EXPECT_THAT(mixed, HasSubstr("a=group:BUNDLE 0 1 2\r\n"));
}

TEST(Answer, RejectsADataChannelWithPortZero) {
  const std::string only = Peer().answer(file("chromium-datachannel-offer.sdp"));
  EXPECT_THAT(only, HasSubstr("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
  EXPECT_THAT(only, Not(HasSubstr("a=group:BUNDLE")));
  const std::string mixed = Peer().answer(file("chromium-sendrecv-default-max-bundle-offer.sdp"));
  EXPECT_THAT(mixed, HasSubstr("m=application 0 "));
  EXPECT_THAT(mixed, HasSubstr("a=group:BUNDLE 0 1\r\n"));
}

TEST(Answer, TurnsTheDirectionOfFirefoxExtensionsRound) {
  const std::string answer = Peer().answer(file("firefox-simulcast-vp8-offer.sdp"));
  EXPECT_THAT(answer,
              HasSubstr("a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"));
  EXPECT_THAT(answer, Not(HasSubstr("playout-delay")));          // offered for receiving only
  EXPECT_THAT(answer, Not(HasSubstr("dependency-descriptor")));  // VP8 does without
}

TEST(Answer, PutsTheH264ThatEverybodyDecodesFirst) {
  const std::string answer = Peer().answer(file("chromium-sendrecv-default-offer.sdp"));
  const auto read = sdp::parse(answer);
  ASSERT_TRUE(read);
  std::vector<std::string> fmtps;
  for (const sdp::Codec& codec : read->sections[1].codecs) {
    if (codec.name == "H264") fmtps.push_back(codec.fmtp);
  }
  ASSERT_EQ(fmtps.size(), 6U);
  EXPECT_THAT(fmtps[0], HasSubstr("packetization-mode=1;profile-level-id=42001f"));
  EXPECT_THAT(fmtps[1], HasSubstr("packetization-mode=1;profile-level-id=42e01f"));
  EXPECT_THAT(fmtps[2], HasSubstr("packetization-mode=0"));
}

// Redundancy is made here and for those who lose packets: publishers are not asked for it.
TEST(Answer, TakesRedForSlotsOnlyAndBehindOpus) {
  const std::string slots = Peer().answer(file("chromium-recvonly-10-offer.sdp"));
  EXPECT_THAT(slots, HasSubstr("m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n"));
  EXPECT_THAT(slots, HasSubstr("a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"));
  EXPECT_THAT(slots, Not(HasSubstr("red/90000")));
  for (const char* name :
       {"chromium-sendrecv-default-offer.sdp", "chromium-opus-red-first-offer.sdp"}) {
    const std::string publisher = Peer().answer(file(name));
    EXPECT_THAT(publisher, HasSubstr("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n")) << name;
    EXPECT_THAT(publisher, Not(HasSubstr(" red/"))) << name;
  }
  EXPECT_THAT(Peer().answer(file("firefox-recvonly-6-offer.sdp")), Not(HasSubstr(" red/")));
}

sdp::Section audio_with_red(std::string_view name, std::uint32_t rate, std::uint32_t channels,
                            std::string_view fmtp) {
  sdp::Section section;
  section.kind = rtp::MediaKind::Audio;
  section.codecs.push_back({rtp::PayloadType{11}, "opus", 48'000, 2, "", {}});
  section.codecs.push_back(
      {rtp::PayloadType{63}, std::string(name), rate, channels, std::string(fmtp), {}});
  return section;
}

TEST(AddRed, TakesOnlyWhatCarriesNothingButThisOpus) {
  const auto red_of = [](const sdp::Section& section) {
    auto codecs = choose_codecs(section);
    EXPECT_EQ(codecs.size(), 1U);
    add_red(section, codecs);
    EXPECT_EQ(codecs[0].red.has_value(), codecs[0].params.red_pt.has_value());
    return codecs[0].params.red_pt;
  };
  for (const char* fmtp : {"11/11", "11/11/11"}) {
    EXPECT_EQ(red_of(audio_with_red("red", 48'000, 2, fmtp)), rtp::PayloadType{63}) << fmtp;
  }
  for (const char* fmtp :
       {"", "11", "11/12", "12/11", "111/111", "11/", "/11", "11//11", "11 11"}) {
    EXPECT_FALSE(red_of(audio_with_red("red", 48'000, 2, fmtp))) << fmtp;
  }
  EXPECT_TRUE(red_of(audio_with_red("RED", 48'000, 2, "11/11")));
  EXPECT_FALSE(red_of(audio_with_red("red", 8'000, 2, "11/11")));
  EXPECT_FALSE(red_of(audio_with_red("red", 48'000, 1, "11/11")));
  EXPECT_FALSE(red_of(audio_with_red("rad", 48'000, 2, "11/11")));
}

TEST(Answer, KeepsWhatAnOfferSaysOfOpus) {
  const std::string answer = Peer().answer(file("chromium-munged-opus-dtx-offer.sdp"));
  EXPECT_THAT(answer, HasSubstr("a=fmtp:111 maxaveragebitrate=64000;minptime=10;usedtx=1;"
                                "useinbandfec=1;stereo=1\r\n"));
}

TEST(Answer, SaysAPublishingLimitWhenThereIsOne) {
  Peer peer;
  const auto offer = sdp::parse(file("chromium-simulcast-vp8-offer.sdp"));
  const auto plan = peer.negotiation.offer(*offer, Peer::intents_of(*offer), peer.rules);
  ASSERT_TRUE(plan);
  const std::string answer = write_answer(*offer, *plan, {"sha-256 AA", {}, 2'000});
  EXPECT_THAT(answer, HasSubstr("b=AS:2000\r\nb=TIAS:2000000\r\n"));
}

}  // namespace
}  // namespace parley::control
