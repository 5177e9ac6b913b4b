#include <gtest/gtest.h>

#include "control/api.h"

namespace parley::control {
namespace {

bool is_page_token(std::string_view token) {
  const Json request = Json::object({{"page_token", token}});
  Params params(request);
  const Page page(params);
  return params.finish().has_value();
}

TEST(Page, ItsTokenIsRefusedWhenAnythingOfItIsCutOff) {
  const std::string_view whole = "1795000000000~rm_4sKf0~7";
  EXPECT_TRUE(is_page_token(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(is_page_token(whole.substr(0, length))) << length;
  }
}

TEST(Page, RefusesTokensThatNoListGave) {
  for (const char* token : {"x", "~~", "1~a", "~a~1", "1~a~", "1~a~-1", "1~a~1 ", " 1~a~1",
                            "9223372036854775808~a~1", "1~a~18446744073709551616"}) {
    EXPECT_FALSE(is_page_token(token)) << token;
  }
  EXPECT_FALSE(is_page_token("1~" + std::string(256, 'a') + "~1"));
}

TEST(Page, AnIdMayHoldWhatSeparates) { EXPECT_TRUE(is_page_token("-1~a~b~c~7")); }

}  // namespace
}  // namespace parley::control
