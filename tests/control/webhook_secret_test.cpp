#include <string_view>

#include <gtest/gtest.h>

#include "control/webhooks.h"

namespace parley::control {
namespace {

TEST(WebhookSecret, IsRefusedWhenAnythingOfItIsCutOff) {
  const std::string_view whole = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";  // the fewest bytes
  EXPECT_TRUE(is_webhook_secret(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(is_webhook_secret(whole.substr(0, length))) << length;
  }
}

}  // namespace
}  // namespace parley::control
