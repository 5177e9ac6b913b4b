#include "control/sdp.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control::sdp {
namespace {

using ::testing::HasSubstr;

std::string file(const std::string& name) {
  std::ifstream in(std::string(PARLEY_TEST_DATA) + "/sdp/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> all_files() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(PARLEY_TEST_DATA) + "/sdp")) {
    if (entry.path().extension() == ".sdp") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A small valid description; `media` stands after its one m-line.
std::string small(const std::string& media = "") {
  return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
         "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:0\r\n" +
         media;
}

std::string error_of(const std::string& text) {
  const auto offer = parse(text);
  return offer ? "accepted" : offer.error();
}

TEST(Sdp, ReadsEveryDescriptionThatBrowsersWrote) {
  std::size_t read = 0;
  for (const std::string& name : all_files()) {
    const std::string text = file(name);
    if (text.rfind("v=0", 0) != 0) continue;  // two files hold what a browser refused
    const auto offer = parse(text);
    ASSERT_TRUE(offer) << name << ": " << offer.error();
    EXPECT_FALSE(offer->sections.empty()) << name;
    for (const Section& section : offer->sections) {
      EXPECT_FALSE(section.mid.empty()) << name;
      EXPECT_FALSE(section.ice_ufrag.empty()) << name;
      EXPECT_EQ(section.fingerprints.size(), 1U) << name;
    }
    ++read;
  }
  EXPECT_GE(read, 30U);
}

TEST(Sdp, ReadsASimulcastOfferOfChromium) {
  const auto offer = parse(file("chromium-simulcast-vp8-offer.sdp"));
  ASSERT_TRUE(offer) << offer.error();
  ASSERT_EQ(offer->sections.size(), 2U);
  EXPECT_TRUE(offer->extmap_allow_mixed);
  EXPECT_EQ(offer->bundle.size(), 2U);
  const Section& audio = offer->sections[0];
  EXPECT_EQ(audio.kind, rtp::MediaKind::Audio);
  EXPECT_EQ(audio.codecs.front().name, "opus");
  EXPECT_EQ(audio.codecs.front().channels, 2U);
  EXPECT_EQ(audio.codecs.front().fmtp, "minptime=10;useinbandfec=1");
  EXPECT_EQ(audio.direction, Direction::SendOnly);
  EXPECT_EQ(audio.ssrcs, std::vector<rtp::Ssrc>{rtp::Ssrc(3008890188)});
  EXPECT_EQ(audio.candidates, 4U);
  const Section& video = offer->sections[1];
  EXPECT_EQ(video.mid.view(), "1");
  EXPECT_EQ(video.simulcast_send.size(), 3U);
  EXPECT_EQ(video.simulcast_send.front().view(), "q");
  EXPECT_EQ(video.codecs.front().feedback.size(), 5U);
  EXPECT_EQ(video.ice_pwd, "gz+fYvElI0z5vQ22ihwvKWSk");
  EXPECT_EQ(video.setup, Setup::ActPass);
  EXPECT_EQ(video.fingerprints.front().digest.size(), 32U);
}

TEST(Sdp, FillsInWhatFirefoxSaysAtSessionLevel) {
  const auto offer = parse(file("firefox-simulcast-vp8-offer.sdp"));
  ASSERT_TRUE(offer) << offer.error();
  const Section& video = offer->sections[0];
  EXPECT_EQ(video.fingerprints.size(), 1U);
  EXPECT_EQ(video.direction, Direction::SendOnly);
  EXPECT_EQ(video.fid_groups.size(), 3U);
  EXPECT_EQ(video.ssrcs.size(), 6U);
  const auto receive_only = std::find_if(video.extensions.begin(), video.extensions.end(),
                                         [](const HeaderExtension& e) { return e.id == 6; });
  ASSERT_NE(receive_only, video.extensions.end());
  EXPECT_EQ(receive_only->direction, Direction::RecvOnly);
}

TEST(Sdp, AnEmptyOrCutDescriptionIsRefusedOrWhole) {
  const std::string text = file("chromium-sendrecv-default-offer.sdp");
  const auto whole = parse(text);
  ASSERT_TRUE(whole);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto cut = parse(std::string_view(text).substr(0, size));
    if (!cut) {
      EXPECT_THAT(cut.error(), HasSubstr("sdp line "));
      continue;
    }
    // A description may end after any whole line: then it says less, never something else.
    EXPECT_LE(cut->sections.size(), whole->sections.size());
  }
}

TEST(Sdp, NamesTheLineOfAMistake) {
  EXPECT_EQ(error_of(small("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n")),
            "sdp line 9: duplicate mid \"0\"");
  EXPECT_EQ(error_of("v=1\r\n"), "sdp line 1: unknown version \"1\"");
  EXPECT_EQ(error_of("v=0\r\ns=-\r\n"), "sdp line 2: expected o=, got \"s=-\"");
  EXPECT_EQ(error_of(""), "sdp line 0: ends before its s= line");
}

TEST(Sdp, RefusesHostileLinesByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"m=video -1 UDP/TLS/RTP/SAVPF 96\r\n", "port \"-1\" is not 0..65535"},
      {"m=video 65536 UDP/TLS/RTP/SAVPF 96\r\n", "port \"65536\""},
      {"m=video 9 UDP/TLS/RTP/SAVPF 96 96\r\n", "duplicate payload type \"96\""},
      {"m=video 9 UDP/TLS/RTP/SAVPF 128\r\n", "payload type \"128\""},
      {"m=video 9 UDP/TLS/RTP/SAVPF\r\n", "m-line without formats"},
      {"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "has no mid"},
      {"a=mid:1\r\n", "second mid"},
      {"a=rtpmap:96 VP8/0\r\n", "rtpmap"},
      {"a=rtpmap:96 VP8\r\n", "rtpmap"},
      {"a=rtpmap:96 VP8/90000\r\na=rtpmap:96 VP9/90000\r\n", "second rtpmap"},
      {"a=extmap:0 urn:x\r\n", "extmap id"},
      {"a=extmap:1 urn:x\r\na=extmap:1 urn:y\r\n", "duplicate extmap id"},
      {"a=extmap:1/both urn:x\r\n", "extmap direction"},
      {"a=rid:a both\r\n", "rid direction"},
      {"a=rid:a send\r\na=rid:a send\r\n", "duplicate rid"},
      {"a=simulcast:send a;b\r\n", "that no a=rid declares"},
      {"a=ssrc:4294967296 cname:x\r\n", "ssrc"},
      {"a=ssrc-group:FID 1 1\r\n", "FID group"},
      {"a=ice-ufrag:abc\r\n", "ice-ufrag"},
      {"a=ice-pwd:short\r\n", "ice-pwd"},
      {"a=fingerprint:sha-256 AA:BB\r\n", "fingerprint"},
      {"a=setup:maybe\r\n", "setup"},
      {"nonsense\r\n", "not of the form"},
      {"a=x\ry\r\n", "a control character"},
      {std::string("a=x\0y\r\n", 7), "a control character"},
      {"\r\n", "not of the form"},
  };
  for (const auto& [lines, what] : cases) {
    EXPECT_THAT(error_of(small(lines)), HasSubstr(what)) << lines;
  }
}

TEST(Sdp, ATextWithoutLineFeedsIsOneBadLine) {
  std::string text = small();
  std::erase(text, '\n');
  EXPECT_THAT(error_of(text), HasSubstr("sdp line 1: a control character"));
}

TEST(Sdp, HasLimits) {
  std::string many_lines = small();
  for (int i = 0; i < 8'000; ++i) many_lines += "a=x\r\n";
  EXPECT_THAT(error_of(many_lines), HasSubstr("more than 8000 lines"));
  EXPECT_THAT(error_of(small(std::string(300'000, 'a'))), HasSubstr("longer than 262144"));
  std::string many_sections = small();
  for (int i = 1; i <= 64; ++i) {
    many_sections += "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x" + std::to_string(i) + "\r\n";
  }
  EXPECT_THAT(error_of(many_sections), HasSubstr("more than 64 m-lines"));
  std::string ssrcs;
  for (int i = 0; i < 65; ++i) ssrcs += "a=ssrc:" + std::to_string(i) + " cname:x\r\n";
  EXPECT_THAT(error_of(small(ssrcs)), HasSubstr("more than 64 ssrcs"));
}

TEST(Sdp, IgnoresCandidatesOfAnyKindPolitely) {
  std::string lines;
  for (int i = 0; i < 1'000; ++i) {
    lines +=
        "a=candidate:1 1 udp 1 7f3c-mdns.local 9 typ host\r\n"
        "a=candidate:2 1 tcp 1 fe80::1%eth0 9 typ host tcptype active\r\n";
  }
  const auto offer = parse(small(lines));
  ASSERT_TRUE(offer) << offer.error();
  EXPECT_EQ(offer->sections[0].candidates, kMaxCandidates);
}

TEST(Sdp, TakesTheFirstAlternativeAndPausedStreamsOfSimulcast) {
  const auto offer = parse(
      small("a=rid:a send\r\na=rid:b send\r\na=rid:c send\r\na=simulcast:send ~a;b,c recv x\r\n"));
  ASSERT_TRUE(offer) << offer.error();
  ASSERT_EQ(offer->sections[0].simulcast_send.size(), 2U);
  EXPECT_EQ(offer->sections[0].simulcast_send[0].view(), "a");
  EXPECT_EQ(offer->sections[0].simulcast_send[1].view(), "b");
}

TEST(Sdp, GivesWildcardFeedbackToEveryPayloadType) {
  const auto offer = parse(small("a=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack\r\n"));
  ASSERT_TRUE(offer) << offer.error();
  EXPECT_EQ(offer->sections[0].codecs[0].feedback, std::vector<std::string>{"nack"});
}

}  // namespace
}  // namespace parley::control::sdp
