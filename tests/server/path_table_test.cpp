#include "server/path_table.h"

#include <array>
#include <cstdint>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace parley::server {
namespace {

Path path(std::uint16_t port, int socket = 0) {
  return {TransportAddress::v4({192, 0, 2, 1}, 40'000),
          TransportAddress::v4({198, 51, 100, 1}, port), socket};
}

TEST(PathTable, FindsWhatIsThere) {
  PathTable<int> table;
  int owner = 0;
  EXPECT_EQ(table.find(path(1)), nullptr);
  table.set(path(1), owner);
  EXPECT_EQ(table.find(path(1)), &owner);
  EXPECT_EQ(table.find(path(2)), nullptr);
  EXPECT_EQ(table.find(path(1, 1)), nullptr) << "another socket is another path";
  table.remove(path(2));
  EXPECT_EQ(table.size(), 1U);
  table.remove(path(1));
  EXPECT_EQ(table.find(path(1)), nullptr);
  EXPECT_EQ(table.size(), 0U);
}

TEST(PathTable, APathHasOneOwnerTheLastOne) {
  PathTable<int> table;
  int first = 0;
  int second = 0;
  table.set(path(1), first);
  table.set(path(1), second);
  EXPECT_EQ(table.find(path(1)), &second);
  EXPECT_EQ(table.size(), 1U);
  table.remove(first);
  EXPECT_EQ(table.find(path(1)), &second);
}

// Against a map that does the same: added, given to others, removed by path and by owner, over
// several sizes of the table.
TEST(PathTable, IsAMap) {
  PathTable<int> table;
  std::map<std::uint16_t, int*> model;
  std::array<int, 40> owners{};
  std::mt19937 random(1);
  for (int step = 0; step < 20'000; ++step) {
    const auto port = static_cast<std::uint16_t>(1 + random() % 600);
    int& owner = owners[random() % owners.size()];
    const auto what = random() % 100;
    if (what < 60) {
      table.set(path(port), owner);
      model[port] = &owner;
    } else if (what < 98) {
      table.remove(path(port));
      model.erase(port);
    } else {
      table.remove(owner);
      std::erase_if(model, [&](const auto& entry) { return entry.second == &owner; });
    }
    ASSERT_EQ(table.size(), model.size());
    const auto asked = static_cast<std::uint16_t>(1 + random() % 600);
    const auto found = model.find(asked);
    ASSERT_EQ(table.find(path(asked)), found == model.end() ? nullptr : found->second);
  }
  for (std::uint16_t port = 1; port <= 600; ++port) {
    const auto found = model.find(port);
    ASSERT_EQ(table.find(path(port)), found == model.end() ? nullptr : found->second) << port;
  }
}

}  // namespace
}  // namespace parley::server
