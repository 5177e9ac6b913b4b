#include "control/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::control {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(Pages, LibraryAndPlayerAreThereWithoutTheDemo) {
  for (const char* path : {"/parley.js", "/parley-media.js", "/parley-signalling.js", "/player.js",
                           "/player.css", "/ui.js"}) {
    EXPECT_EQ(serve_page(path, false).status, 200) << path;
  }
  for (const char* path : {"/", "/demo", "/app.js", "/style.css", "/admin.html", "/admin.js"}) {
    EXPECT_EQ(serve_page(path, false).status, 404) << path;
    EXPECT_EQ(serve_page(path, true).status, 200) << path;
  }
  EXPECT_EQ(serve_page("/player.html", true).status, 404) << "it is for whoever has a link";
}

TEST(Pages, MediaMayComeFromTheStoreWhereThereIsOne) {
  EXPECT_THAT(header(serve_page("/", true, "https://calls.example.org"), "Content-Security-Policy"),
              HasSubstr("media-src 'self' blob: https://calls.example.org;"));
  EXPECT_THAT(header(serve_page("/", true), "Content-Security-Policy"), Not(HasSubstr("https://")));
}

TEST(Pages, NobodyEndsThePlayersDataFromWithin) {
  const HttpResponse page = serve_player(
      Json::object({{"room_name", "</script><script>alert(1)</script>"}, {"files", Json::array()}}),
      "");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.body, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page.body, HasSubstr("\\u003c/script>"));
  EXPECT_EQ(header(page, "Cache-Control"), "private, no-store");
}

}  // namespace
}  // namespace parley::control
