#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "control/http_range.h"
#include "tests/control/listener_fixture.h"

namespace parley::control {
namespace {

using test::ListenerTest;
using test::RawClient;

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

TEST_F(ListenerTest, ServesAFileAndItsParts) {
  const std::string content = pattern(100'000);
  write_file("a", content);
  start();
  RawClient client(port_);
  const auto whole = client.get("/file/a");
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->status, 200);
  EXPECT_EQ(whole->body, content);
  EXPECT_EQ(whole->fields.at("accept-ranges"), "bytes");
  EXPECT_EQ(whole->fields.at("content-type"), "video/webm");
  const std::string tag = whole->fields.at("etag");

  const auto part = client.get("/file/a", "Range: bytes=70000-70099\r\n");
  EXPECT_EQ(part->status, 206);
  EXPECT_EQ(part->body, content.substr(70'000, 100));
  EXPECT_EQ(part->fields.at("content-range"), "bytes 70000-70099/100000");
  EXPECT_EQ(client.get("/file/a", "Range: bytes=99990-\r\n")->body, content.substr(99'990));
  EXPECT_EQ(client.get("/file/a", "Range: bytes=-5\r\n")->body, content.substr(99'995));
  EXPECT_EQ(client.get("/file/a", "Range: bytes=0-999999\r\n")->body, content);

  const auto beyond = client.get("/file/a", "Range: bytes=100000-\r\n");
  EXPECT_EQ(beyond->status, 416);
  EXPECT_EQ(beyond->fields.at("content-range"), "bytes */100000");

  const std::string range = "Range: bytes=0-1\r\n";
  EXPECT_EQ(client.get("/file/a", range + "If-Range: " + tag + "\r\n")->status, 206);
  EXPECT_EQ(client.get("/file/a", range + "If-Range: \"other\"\r\n")->status, 200);
  EXPECT_EQ(client.get("/file/a", range + "If-Range: W/" + tag + "\r\n")->status, 200);
  const auto unchanged = client.get("/file/a", "If-None-Match: \"x\", W/" + tag + "\r\n");
  EXPECT_EQ(unchanged->status, 304);
  EXPECT_EQ(unchanged->fields.count("content-length"), 0U);

  const auto head = client.get("/file/a", range, "HEAD");
  EXPECT_EQ(head->status, 200) << "Range is for GET";
  EXPECT_EQ(head->fields.at("content-length"), "100000");
  EXPECT_EQ(client.get("/file/a", range)->body, content.substr(0, 2));
}

TEST_F(ListenerTest, ServesAnEmptyFile) {
  write_file("empty", "");
  start();
  RawClient client(port_);
  EXPECT_EQ(client.get("/file/empty")->status, 200);
  EXPECT_EQ(client.get("/file/empty", "Range: bytes=0-\r\n")->status, 416);
}

TEST_F(ListenerTest, OpensRegularFilesOnly) {
  write_file("real", "secret");
  std::filesystem::create_symlink(directory_ / "real", directory_ / "link");
  std::filesystem::create_directory(directory_ / "folder");
  ASSERT_EQ(mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  start();
  RawClient client(port_);
  for (const std::string name : {"none", "link", "folder", "pipe", "real/x"}) {
    EXPECT_EQ(client.get("/file/" + name)->status, 404) << name;
  }
  EXPECT_EQ(client.get("/file/real")->body, "secret");
}

TEST_F(ListenerTest, StreamsALargeFileToASlowReaderWithoutHoldingIt) {
  const std::string content = pattern(8'000'000);
  write_file("large", content);
  start();
  RawClient slow(port_);
  slow.send("GET /file/large HTTP/1.1\r\nHost: t\r\n\r\n");
  RawClient other(port_);
  EXPECT_EQ(other.get("/echo")->status, 200) << "nobody waits for it";
  EXPECT_EQ(slow.answer()->body, content);
}

TEST_F(ListenerTest, GivesUpOnAReaderThatTakesNothing) {
  config_.idle_timeout_ms = 200;
  write_file("large", pattern(8'000'000));
  start();
  RawClient stuck(port_);
  stuck.read_slowly();
  stuck.send("GET /file/large HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_TRUE(eventually([](const ListenerStats& now) { return now.timeouts == 1; }));
  EXPECT_TRUE(eventually([](const ListenerStats& now) { return now.open == 0; }));
}

TEST_F(ListenerTest, BreaksOffWhenAFileShrinks) {
  write_file("large", pattern(8'000'000));
  start();
  RawClient client(port_);
  client.read_slowly();
  client.send("GET /file/large HTTP/1.1\r\nHost: t\r\n\r\n");
  ASSERT_TRUE(client.more());
  std::filesystem::resize_file(directory_ / "large", 10);
  EXPECT_FALSE(client.answer().has_value());
}

TEST(HttpRange, ChoosesTheRangeOfTheRfc) {
  struct Case {
    std::string_view field;
    std::uint64_t size;
    int kind;  // 0 whole, 1 range, 2 unsatisfiable
    std::uint64_t first;
    std::uint64_t count;
  };
  constexpr Case kCases[] = {
      {"bytes=0-499", 10'000, 1, 0, 500},
      {"bytes=500-999", 10'000, 1, 500, 500},
      {"bytes=-500", 10'000, 1, 9'500, 500},
      {"bytes=9500-", 10'000, 1, 9'500, 500},
      {"bytes=0-0", 10'000, 1, 0, 1},
      {"bytes=-20000", 10'000, 1, 0, 10'000},
      {"bytes=0-18446744073709551615", 10, 1, 0, 10},
      {"bytes=0-99999999999999999999999", 10, 1, 0, 10},
      {"bytes=9-9", 10, 1, 9, 1},
      {"bytes=10-", 10, 2, 0, 0},
      {"bytes=10-20", 10, 2, 0, 0},
      {"bytes=99999999999999999999999-", 10, 2, 0, 0},
      {"bytes=-0", 10, 2, 0, 0},
      {"bytes=-5", 0, 2, 0, 0},
      {"bytes=0-", 0, 2, 0, 0},
      {"bytes=5-4", 10, 0, 0, 0},
      {"bytes=0-1,3-4", 10, 0, 0, 0},
      {"bytes=", 10, 0, 0, 0},
      {"bytes=-", 10, 0, 0, 0},
      {"bytes=a-b", 10, 0, 0, 0},
      {"bytes=+1-2", 10, 0, 0, 0},
      {"bytes=1--2", 10, 0, 0, 0},
      {"bytes=0x1-2", 10, 0, 0, 0},
      {"seconds=1-2", 10, 0, 0, 0},
      {"", 10, 0, 0, 0},
  };
  for (const Case& c : kCases) {
    const RangeChoice choice = choose_range(c.field, c.size);
    ASSERT_EQ(choice.index(), static_cast<std::size_t>(c.kind)) << c.field;
    if (const auto* range = std::get_if<ByteRange>(&choice)) {
      EXPECT_EQ(range->first, c.first) << c.field;
      EXPECT_EQ(range->count, c.count) << c.field;
    }
  }
}

TEST(HttpRange, WritesTheDateOfTheRfc) {
  EXPECT_EQ(http_date(784'111'777'000), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace parley::control
