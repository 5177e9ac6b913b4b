#include "rtp/extensions.h"

#include <gtest/gtest.h>

namespace parley::rtp {
namespace {

TEST(Extensions, FindsEveryExtensionByItsUri) {
  for (std::size_t i = 0; i < kExtensionCount; ++i) {
    const auto extension = static_cast<Extension>(i);
    EXPECT_EQ(extension_of(uri_of(extension)), extension) << uri_of(extension);
  }
  EXPECT_EQ(uri_of(Extension::Mid), "urn:ietf:params:rtp-hdrext:sdes:mid");
  EXPECT_EQ(uri_of(Extension::AbsCaptureTime),
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time");
}

TEST(Extensions, KnowsNoOthers) {
  EXPECT_EQ(extension_of(""), std::nullopt);
  EXPECT_EQ(extension_of("urn:ietf:params:rtp-hdrext:encrypt"), std::nullopt);
}

TEST(ExtensionMap, MapsBothWays) {
  ExtensionMap map;
  map.set(Extension::Mid, 4);
  map.set(Extension::DependencyDescriptor, 17);
  EXPECT_EQ(map.id(Extension::Mid), 4);
  EXPECT_EQ(map.id(Extension::Rid), 0);
  EXPECT_EQ(map.find(17), Extension::DependencyDescriptor);
  EXPECT_EQ(map.find(0), std::nullopt) << "0 is padding, whatever is not negotiated";
  EXPECT_EQ(map.find(5), std::nullopt);
}

}  // namespace
}  // namespace parley::rtp
