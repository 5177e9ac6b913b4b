#include "control/websocket.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/control/websocket_frames.h"

namespace parley::control {
namespace {

using test::close_payload;
using test::frame;
using test::FrameOptions;
using test::text;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kLimit = 262'144;

struct Outcome {
  std::vector<std::string> messages;
  std::vector<test::ServerFrame> frames;
  std::optional<std::uint16_t> failed;
  std::optional<std::uint16_t> peer_close;
  [[nodiscard]] unsigned close_code() const {
    return !frames.empty() && frames.back().opcode == 8 ? frames.back().close_code() : 0;
  }
};

Outcome feed(std::string_view bytes, std::size_t piece = SIZE_MAX, std::size_t limit = kLimit) {
  WebSocket socket(limit);
  Outcome outcome;
  std::string output;
  for (std::size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size())) {
    socket.receive(bytes.substr(at, piece), outcome.messages);
    socket.take_output(output);
  }
  outcome.failed = socket.failed_with();
  outcome.peer_close = socket.peer_close();
  while (auto next = test::take_frame(output)) outcome.frames.push_back(std::move(*next));
  EXPECT_TRUE(output.empty());
  return outcome;
}

// Autobahn 1.1: text of every length form.
TEST(WebSocket, TakesTextOfEveryLengthForm) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 128U, 65'535U, 65'536U, 262'144U}) {
    const std::string payload(size, 'x');
    for (const std::size_t piece : {std::size_t{1}, std::size_t{997}, SIZE_MAX}) {
      if (piece == 1 && size > 70'000) continue;
      EXPECT_THAT(feed(text(payload), piece).messages, ElementsAre(payload)) << size;
    }
  }
}

TEST(WebSocket, TakesManyMessagesFromOneRead) {
  EXPECT_THAT(feed(text("a") + text("b") + text("") + text("c")).messages,
              ElementsAre("a", "b", "", "c"));
}

TEST(WebSocket, RefusesBinaryMessages) {
  const Outcome outcome = feed(frame(2, "x"));
  EXPECT_EQ(outcome.close_code(), 1003U);
  EXPECT_EQ(outcome.failed, 1003);
}

TEST(WebSocket, NamesTheFirstOfTwoFaults) {
  EXPECT_EQ(feed(frame(2, "x") + frame(3, "")).close_code(), 1003U);
  const Outcome outcome = feed(frame(2, "x") + frame(8, close_payload(1000)));
  EXPECT_EQ(outcome.close_code(), 1003U);
  EXPECT_EQ(outcome.peer_close, std::nullopt);
}

// Autobahn 2: pings and pongs.
TEST(WebSocket, AnswersPingsWithTheirPayload) {
  const std::string payload(125, '\xFE');
  const Outcome outcome = feed(frame(9, "") + frame(9, "hi") + frame(9, payload) + frame(10, "x"));
  ASSERT_EQ(outcome.frames.size(), 3U);
  EXPECT_EQ(outcome.frames[0].opcode, 10U);
  EXPECT_EQ(outcome.frames[1].payload, "hi");
  EXPECT_EQ(outcome.frames[2].payload, payload);
}

TEST(WebSocket, AnswersAPingWithinAFragmentedMessage) {
  const Outcome outcome =
      feed(frame(1, "a", {.fin = false}) + frame(9, "p") + frame(0, "b", {.fin = false}) +
           frame(10, "unasked") + frame(0, "c"));
  EXPECT_THAT(outcome.messages, ElementsAre("abc"));
  ASSERT_EQ(outcome.frames.size(), 1U);
  EXPECT_EQ(outcome.frames[0].payload, "p");
}

// Autobahn 3 and 4: reserved bits and opcodes; 5: fragmentation; and what RFC 6455 section 5 adds.
TEST(WebSocket, ClosesWith1002OnEveryViolationOfFraming) {
  std::vector<std::pair<std::string, std::string>> cases = {
      {"unmasked", frame(1, "x", {.mask = false})},
      {"unmasked empty", frame(1, "", {.mask = false})},
      {"unmasked ping", frame(9, "", {.mask = false})},
      {"ping of 126 bytes", frame(9, std::string(126, 'x'))},
      {"pong of 126 bytes", frame(10, std::string(126, 'x'))},
      {"close of 126 bytes", frame(8, close_payload(1000, std::string(124, 'x')))},
      {"fragmented ping", frame(9, "x", {.fin = false})},
      {"fragmented pong", frame(10, "x", {.fin = false})},
      {"fragmented close", frame(8, close_payload(1000), {.fin = false})},
      {"continuation of nothing", frame(0, "x")},
      {"unfinished continuation of nothing", frame(0, "x", {.fin = false})},
      {"continuation after the end", frame(1, "a", {.fin = false}) + frame(0, "b") + frame(0, "c")},
      {"text within a message", frame(1, "a", {.fin = false}) + frame(1, "b")},
      {"length in 2 bytes that fits 7 bits", frame(1, "x", {.length_bytes = 2})},
      {"length in 8 bytes that fits 2", frame(1, std::string(200, 'x'), {.length_bytes = 8})},
      {"length with the top bit", frame(1, "x", {.length = 1ULL << 63U, .length_bytes = 8})},
      {"close of one byte", frame(8, "x")},
  };
  for (const unsigned rsv : {1U, 2U, 3U, 4U, 5U, 6U, 7U}) {
    cases.emplace_back("text with rsv " + std::to_string(rsv), frame(1, "x", {.rsv = rsv}));
    cases.emplace_back("ping with rsv " + std::to_string(rsv), frame(9, "", {.rsv = rsv}));
    cases.emplace_back("close with rsv " + std::to_string(rsv), frame(8, "", {.rsv = rsv}));
  }
  for (const unsigned opcode : {3U, 4U, 5U, 6U, 7U, 11U, 12U, 13U, 14U, 15U}) {
    cases.emplace_back("opcode " + std::to_string(opcode), frame(opcode, ""));
    cases.emplace_back("opcode with payload " + std::to_string(opcode), frame(opcode, "x"));
    cases.emplace_back("opcode within a message " + std::to_string(opcode),
                       frame(1, "a", {.fin = false}) + frame(opcode, "x"));
  }
  // Autobahn 7.9: codes that must not be sent.
  for (const unsigned code :
       {0U, 1U, 999U, 1004U, 1005U, 1006U, 1015U, 1016U, 1100U, 2000U, 2999U, 5000U, 65'535U}) {
    cases.emplace_back("close code " + std::to_string(code), frame(8, close_payload(code)));
  }
  for (const auto& [what, bytes] : cases) {
    for (const std::size_t piece : {std::size_t{1}, SIZE_MAX}) {
      const Outcome outcome = feed(bytes + text("never read"), piece);
      EXPECT_EQ(outcome.close_code(), 1002U) << what;
      EXPECT_EQ(outcome.failed, 1002) << what;
      EXPECT_THAT(outcome.messages, testing::AnyOf(IsEmpty(), ElementsAre("ab"))) << what;
    }
  }
}

// Autobahn 5: what is allowed.
TEST(WebSocket, JoinsFragmentsOfAnySize) {
  std::string bytes = frame(1, "", {.fin = false});
  std::string whole;
  for (int i = 0; i < 1'000; ++i) {
    const std::string part(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
    bytes += frame(0, part, {.fin = false});
    whole += part;
  }
  bytes += frame(0, "");
  EXPECT_THAT(feed(bytes).messages, ElementsAre(whole));
  EXPECT_THAT(feed(bytes, 1).messages, ElementsAre(whole));
}

// Autobahn 6: UTF-8, also across fragments and reads.
TEST(WebSocket, TakesGoodUtf8HoweverItIsCut) {
  const std::vector<std::string> good = {"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5",
                                         "\xF0\x90\x80\x80",
                                         "\xF4\x8F\xBF\xBF",
                                         "\xEF\xBF\xBF",
                                         "\xED\x9F\xBF",
                                         "\xEE\x80\x80",
                                         "\xC2\x80",
                                         "\xE0\xA0\x80",
                                         std::string("\0", 1)};
  for (const std::string& payload : good) {
    EXPECT_THAT(feed(text(payload), 1).messages, ElementsAre(payload));
    for (std::size_t cut = 0; cut <= payload.size(); ++cut) {
      const std::string bytes =
          frame(1, payload.substr(0, cut), {.fin = false}) + frame(0, payload.substr(cut));
      EXPECT_THAT(feed(bytes).messages, ElementsAre(payload));
    }
  }
}

TEST(WebSocket, ClosesWith1007OnBadUtf8) {
  const std::vector<std::string> bad = {"\xCE\xBA\xED\xA0\x80 edited",
                                        "\xF8\x88\x80\x80\x80",
                                        "\xFC\x84\x80\x80\x80\x80",
                                        "\xC0\xAF",
                                        "\xE0\x80\xAF",
                                        "\xF0\x80\x80\xAF",
                                        "\xED\xA0\x80",
                                        "\xED\xBF\xBF",
                                        "\xF4\x90\x80\x80",
                                        "\x80",
                                        "\xBF",
                                        "\xFE",
                                        "\xFF",
                                        "\xC3",
                                        "\xE2\x82",
                                        "\xF0\x9D\x84",
                                        "ok\xC3\x28"};
  for (const std::string& payload : bad) {
    for (const std::size_t piece : {std::size_t{1}, SIZE_MAX}) {
      const Outcome outcome = feed(text(payload), piece);
      EXPECT_EQ(outcome.close_code(), 1007U) << payload;
      EXPECT_THAT(outcome.messages, IsEmpty());
    }
  }
  for (const std::string reason : {"\xC3\x28", "ab\xC3\x28", "abcdefgh\xFF", "\xC3"}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
      const Outcome outcome = feed(frame(9, "p") + frame(8, close_payload(1000, reason)), piece);
      EXPECT_EQ(outcome.close_code(), 1007U);
      EXPECT_EQ(outcome.peer_close, std::nullopt);
      ASSERT_EQ(outcome.frames.size(), 2U);
      EXPECT_EQ(outcome.frames.front().payload, "p");
    }
  }
}

TEST(WebSocket, TakesACloseReasonInPieces) {
  for (std::size_t piece = 1; piece < 20; ++piece) {
    const Outcome outcome = feed(frame(8, close_payload(3'915, "\xDD\xAC\x41\xE2\x82\xAC")), piece);
    EXPECT_EQ(outcome.peer_close, 3'915) << piece;
    EXPECT_EQ(outcome.close_code(), 3'915U);
  }
}

TEST(WebSocket, CutsACloseReasonBetweenCharacters) {
  WebSocket socket(kLimit);
  std::string reason = "x";
  for (int i = 0; i < 70; ++i) reason += "\xC3\xA9";
  EXPECT_TRUE(socket.send_close(1008, reason));
  std::string output;
  socket.take_output(output);
  const auto sent = test::take_frame(output);
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ(sent->payload.substr(2), reason.substr(0, 123));
  EXPECT_EQ(sent->payload.size(), 125U);
}

// Autobahn 7: the closing handshake.
TEST(WebSocket, AnswersACloseFrameWithItsCode) {
  for (const unsigned code : {1000U, 1001U, 1002U, 1003U, 1007U, 1008U, 1009U, 1010U, 1011U, 3000U,
                              3999U, 4000U, 4999U}) {
    const Outcome outcome = feed(frame(8, close_payload(code, std::string(123, 'r'))) + text("x"));
    EXPECT_EQ(outcome.close_code(), code);
    EXPECT_EQ(outcome.peer_close, code);
    EXPECT_EQ(outcome.failed, std::nullopt);
    EXPECT_THAT(outcome.messages, IsEmpty()) << "nothing is read after a close frame";
  }
}

TEST(WebSocket, AnswersAnEmptyCloseFrame) {
  const Outcome outcome = feed(frame(8, ""));
  ASSERT_EQ(outcome.frames.size(), 1U);
  EXPECT_EQ(outcome.frames[0].opcode, 8U);
  EXPECT_EQ(outcome.peer_close, WebSocket::kNoStatus);
}

TEST(WebSocket, TakesAMessageBeforeTheClose) {
  const Outcome outcome = feed(text("last") + frame(8, close_payload(1000)));
  EXPECT_THAT(outcome.messages, ElementsAre("last"));
  EXPECT_EQ(outcome.peer_close, 1000);
}

// Autobahn 9: sizes.
TEST(WebSocket, RefusesTooMuchAsSoonAsTheHeaderSaysSo) {
  for (const std::uint64_t length : {kLimit + 1, std::size_t{1} << 31U, std::size_t{1} << 62U}) {
    FrameOptions options;
    options.length = length;
    const Outcome outcome = feed(frame(1, "x", options));
    EXPECT_EQ(outcome.close_code(), 1009U) << length;
    EXPECT_EQ(outcome.failed, WebSocket::kTooBig);
  }
}

TEST(WebSocket, CountsFragmentsTogether) {
  EXPECT_THAT(feed(frame(1, "12345", {.fin = false}) + frame(0, "67890"), SIZE_MAX, 10).messages,
              ElementsAre("1234567890"));
  EXPECT_EQ(feed(frame(1, "12345", {.fin = false}) + frame(0, "678901"), SIZE_MAX, 10).close_code(),
            1009U);
}

TEST(WebSocket, WaitsForTheRestAtEveryTruncation) {
  const std::string bytes = text(std::string(300, 'x'));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Outcome outcome = feed(std::string_view(bytes).substr(0, size));
    EXPECT_THAT(outcome.messages, IsEmpty());
    EXPECT_THAT(outcome.frames, IsEmpty());
  }
}

TEST(WebSocket, SendsTextPingAndCloseAndThenNothing) {
  WebSocket socket(kLimit);
  EXPECT_TRUE(socket.send_text("hello"));
  EXPECT_TRUE(socket.send_ping());
  EXPECT_TRUE(socket.send_text(std::string(70'000, 'y')));
  EXPECT_TRUE(socket.send_close(1008, std::string(200, 'r')));
  EXPECT_FALSE(socket.send_text("late"));
  EXPECT_FALSE(socket.send_close(1000, ""));
  std::string output;
  socket.take_output(output);
  std::vector<test::ServerFrame> frames;
  while (auto next = test::take_frame(output)) frames.push_back(std::move(*next));
  ASSERT_EQ(frames.size(), 4U);
  EXPECT_EQ(frames[0].payload, "hello");
  EXPECT_EQ(frames[1].opcode, 9U);
  EXPECT_EQ(frames[2].payload.size(), 70'000U);
  EXPECT_EQ(frames.back().opcode, 8U);
  EXPECT_EQ(frames.back().close_code(), 1008U);
  EXPECT_LE(frames.back().payload.size(), 125U);
  EXPECT_TRUE(socket.closing());
}

}  // namespace
}  // namespace parley::control
