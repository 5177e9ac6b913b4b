#include "control/signed_link.h"

#include <gtest/gtest.h>

namespace parley::control {
namespace {

constexpr std::string_view kKey = "a key of the daemon's own, 32 bytes";
constexpr std::string_view kPath = "/v1/recordings/rec_x/0";

std::string query_of(const std::string& link) { return link.substr(link.find('?') + 1); }

TEST(SignedLink, LetsTheHolderInUntilItExpires) {
  const std::string link = sign_link(kPath, 1'000, "host & co", kKey);
  EXPECT_TRUE(link.starts_with("/v1/recordings/rec_x/0?expires=1000&for=host%20%26%20co&sig="));
  const auto verified = verify_link(kPath, query_of(link), kKey, 999);
  ASSERT_TRUE(verified.has_value());
  EXPECT_EQ(verified->audience, "host & co");
  EXPECT_EQ(verified->expires_ms, 1'000);
  EXPECT_EQ(verify_link(kPath, query_of(link), kKey, 1'000).error(), LinkError::Expired);
}

TEST(SignedLink, RefusesAnotherPathKeyTimeOrAudience) {
  const std::string query = query_of(sign_link(kPath, 1'000, "a", kKey));
  EXPECT_EQ(verify_link("/v1/recordings/rec_x/1", query, kKey, 0).error(), LinkError::BadSignature);
  EXPECT_EQ(verify_link(kPath, query, "another key", 0).error(), LinkError::BadSignature);
  for (const auto& [from, to] : {std::pair{"1000", "9000"}, std::pair{"for=a", "for=b"}}) {
    std::string changed = query;
    changed.replace(changed.find(from), std::string(from).size(), to);
    EXPECT_EQ(verify_link(kPath, changed, kKey, 0).error(), LinkError::BadSignature);
  }
}

TEST(SignedLink, DoesNotLetTextMoveBetweenItsParts) {
  const std::string query = query_of(sign_link("/a", 1'000, "b", kKey));
  const std::string signature = query.substr(query.find("sig="));
  EXPECT_FALSE(verify_link("/a\n4:1000", "expires=1000&for=b&" + signature, kKey, 0));
}

TEST(SignedLink, RefusesEveryTruncationAndChange) {
  const std::string query = query_of(sign_link(kPath, 1'000, "a", kKey));
  for (std::size_t size = 0; size < query.size(); ++size) {
    EXPECT_FALSE(verify_link(kPath, query.substr(0, size), kKey, 0)) << size;
  }
  for (std::size_t at = 0; at < query.size(); ++at) {
    std::string changed = query;
    changed[at] = changed[at] == 'B' ? 'C' : 'B';
    EXPECT_FALSE(verify_link(kPath, changed, kKey, 0)) << at;
  }
}

TEST(SignedLink, RefusesNumbersThatAreNone) {
  for (const std::string time : {"", "x", "1e3", "99999999999999999999", "+5", " 5"}) {
    EXPECT_EQ(verify_link(kPath, "expires=" + time + "&for=a&sig=AAAA", kKey, 0).error(),
              LinkError::Malformed);
  }
}

}  // namespace
}  // namespace parley::control
