#include "control/time_zone.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace parley::control {
namespace {

using namespace std::chrono;
using testing::HasSubstr;

using Bytes = std::vector<std::uint8_t>;

Bytes file_of(const std::string& name) {
  std::ifstream in(std::string(PARLEY_TEST_DATA) + "/tzif/" + name, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

Tzif zone_of(const std::string& name) {
  auto zone = Tzif::parse(file_of(name));
  EXPECT_TRUE(zone) << zone.error();
  return std::move(*zone);
}

std::string error_of(const Bytes& bytes) {
  const auto zone = Tzif::parse(bytes);
  return zone ? "" : zone.error();
}

constexpr std::size_t kOldBytes = 44 + 6 + 1;  // zic's empty 32-bit half

TEST(Tzif, KnowsWhatWasAndWhatWillBe) {
  const Tzif berlin = zone_of("berlin");
  EXPECT_EQ(berlin.offset_at(-2'500'000'000), 3'208);  // local mean time
  EXPECT_EQ(berlin.offset_at(-776'000'000), 10'800);   // 1945, double summer time
  EXPECT_EQ(berlin.offset_at(1'774'745'999), 3'600);
  EXPECT_EQ(berlin.offset_at(1'774'746'000), 7'200);
  EXPECT_EQ(berlin.offset_at(2'855'858'400), 7'200);  // July 2060
  EXPECT_EQ(berlin.next_change(1'774'745'999), 1'774'746'000);
}

TEST(Tzif, RefusesEachTruncation) {
  const Bytes whole = file_of("berlin");
  ASSERT_EQ(error_of(whole), "");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(error_of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))),
              "")
        << length;
  }
}

TEST(Tzif, NamesWhatIsWrong) {
  const Bytes whole = file_of("berlin");
  ASSERT_EQ(whole.at(kOldBytes), 'T');
  const auto with = [&](std::size_t at, std::uint8_t byte) {
    Bytes bytes = whole;
    bytes.at(at) = byte;
    return error_of(bytes);
  };
  EXPECT_THAT(with(0, 'X'), HasSubstr("not a TZif file"));
  EXPECT_THAT(with(4, 0), HasSubstr("version 1"));
  EXPECT_THAT(with(kOldBytes, 'X'), HasSubstr("second header"));
  EXPECT_THAT(with(kOldBytes + 32, 0xff), HasSubstr("cut off"));  // four billion changes
  const std::size_t data = kOldBytes + 44;
  EXPECT_THAT(with(data + 8, 0x80), HasSubstr("out of order"));
  const std::size_t changes =
      std::size_t{whole.at(kOldBytes + 34)} << 8U | whole.at(kOldBytes + 35);
  EXPECT_THAT(with(data + changes * 8, 0xff), HasSubstr("names an offset"));
  EXPECT_THAT(with(data + changes * 9, 0x7f), HasSubstr("more than a day"));
  EXPECT_THAT(with(whole.size() - 2, 'x'), HasSubstr("footer"));
}

TEST(Tzif, RefusesFilesThatCountLeapSeconds) {
  Bytes bytes = file_of("berlin");
  bytes.at(kOldBytes + 31) = 1;
  bytes.insert(bytes.end() - 28, 12, 0);  // its record, before the footer
  EXPECT_THAT(error_of(bytes), HasSubstr("leap seconds"));
}

TEST(TimeZone, ADayThatWasSkippedHasNoLength) {
  const Tzif file = zone_of("apia");
  const TimeZone apia("Pacific/Apia", &file);
  const sys_days skipped = 2011y / December / 30;
  EXPECT_EQ(apia.begin_of(skipped), 1'325'239'200);
  EXPECT_EQ(apia.begin_of(skipped + days(1)), 1'325'239'200);
  EXPECT_EQ(apia.day_at(1'325'239'199), skipped - days(1));
  EXPECT_EQ(apia.day_at(1'325'239'200), skipped + days(1));
}

TEST(TimeZone, AClockThatGoesBackOverMidnightDoesNotEndTheDayThatBegan) {
  const Tzif file = zone_of("st_johns");
  const TimeZone zone("America/St_Johns", &file);
  const sys_days seventh = 2010y / November / 7;  // at 00:01 it was 23:01 again
  EXPECT_EQ(zone.begin_of(seventh), 1'289'097'000);
  EXPECT_EQ(zone.day_at(1'289'096'999), seventh - days(1));
  EXPECT_EQ(zone.day_at(1'289'097'000 + 1'800), seventh);
  EXPECT_EQ(zone.begin_of(seventh + days(1)), 1'289'187'000);
}

TEST(TimeZone, IsFoundByOffsetOrName) {
  EXPECT_EQ(TimeZone::find("Z")->name(), "UTC");
  EXPECT_EQ(TimeZone::find("+00:00")->name(), "UTC");
  EXPECT_EQ(TimeZone::find("-03:30")->begin_of(sys_days{}), 12'600);
  for (const char* name : {"Europe/Berlin", "America/Argentina/ComodRivadavia", "Etc/GMT+5"}) {
    const auto zone = TimeZone::find(name);
    ASSERT_TRUE(zone) << zone.error();
    EXPECT_EQ(zone->name(), name);
  }
  EXPECT_EQ(TimeZone::find("Europe/Berlin")->begin_of(2026y / July / 1), 1'782'856'800);
}

TEST(TimeZone, SaysWhyThereIsNone) {
  const auto why = [](std::string_view name) {
    const auto zone = TimeZone::find(name);
    return zone ? "" : zone.error();
  };
  for (const char* name : {"Europe/Atlantis", "Europe", "Etc/GMT+99", "CEST"}) {
    EXPECT_THAT(why(name), HasSubstr("there is no time zone")) << name;
  }
  for (const std::string& name :
       {std::string("../../etc/passwd"), std::string("/etc/passwd"), std::string("Europe/../UTC"),
        std::string("Europe//Berlin"), std::string("Europe/"), std::string("right/Europe/Berlin"),
        std::string("localtime"), std::string("tzdata.zi"), std::string("+25:00"), std::string(""),
        std::string("Europe/Berlin\0", 14), std::string(65, 'A')}) {
    EXPECT_THAT(why(name), HasSubstr("timezone must be")) << name;
  }
}

TEST(TimeZone, ASystemWithoutZonesOrWithOthersFilesSaysSo) {
  const std::string directory = testing::TempDir() + "/zones_" + std::to_string(getpid());
  std::filesystem::remove_all(directory);
  EXPECT_THAT(read_zone(directory, "Europe/Berlin").error(), HasSubstr("tzdata"));
  std::filesystem::create_directories(directory);
  const auto write = [&](const std::string& text) {
    std::ofstream(directory + "/Nowhere", std::ios::binary) << text;
    return read_zone(directory, "Nowhere").error();
  };
  EXPECT_THAT(write("root:x:0:0"), HasSubstr("not a TZif file"));
  EXPECT_THAT(write(""), HasSubstr("cannot be read"));
  EXPECT_THAT(write(std::string(70'000, 'x')), HasSubstr("cannot be read"));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace parley::control
