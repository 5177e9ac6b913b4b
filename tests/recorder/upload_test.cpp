#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/upload/journal.h"
#include "recorder/upload/reply.h"
#include "recorder/upload/signature.h"
#include "recorder/upload/uploader.h"
#include "tests/recorder/support.h"

// What can be said of uploads without a store; tests/upload has one that checks and breaks things.
namespace parley::upload {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

// The examples of Amazon's S3 API reference, "Signature Calculations for the Authorization Header:
// Transferring Payload in a Single Chunk" and "Authenticating Requests: Using Query Parameters".
class Signature : public testing::Test {
 protected:
  static constexpr std::int64_t kThen = 1'369'353'600;  // 2013-05-24
  Place place_ = *Place::of("https://s3.amazonaws.com", "examplebucket", "us-east-1", true);
  Credentials credentials_{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", {}};

  [[nodiscard]] std::string authorization(const Request& request) const {
    return signed_headers(request, place_, credentials_, kThen).back().second;
  }
};

TEST_F(Signature, OfAGet) {
  EXPECT_EQ(authorization({"GET", "/test.txt", {}, {{"range", "bytes=0-9"}}, sha256("")}),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(Signature, OfAPut) {
  EXPECT_THAT(authorization({"PUT",
                             place_.path("test$file.text"),
                             {},
                             {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                              {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                             sha256("Welcome to Amazon S3.")}),
              EndsWith("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST_F(Signature, OfAQueryWithoutAValue) {
  EXPECT_THAT(authorization({"GET", "/", {{"lifecycle", ""}}, {}, sha256("")}),
              EndsWith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST_F(Signature, OfAQueryInAnyOrder) {
  EXPECT_THAT(authorization({"GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}, sha256("")}),
              EndsWith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST_F(Signature, OfALink) {
  EXPECT_EQ(presigned_url(place_, credentials_, "test.txt", kThen, 86'400),
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST_F(Signature, TakesATokenThatIsLentAlong) {
  credentials_.session_token = "lent";
  const auto headers =
      signed_headers({"GET", "/a", {}, {}, sha256("")}, place_, credentials_, kThen);
  EXPECT_THAT(headers, testing::Contains(testing::Pair("x-amz-security-token", "lent")));
  EXPECT_THAT(headers.back().second, HasSubstr("x-amz-date;x-amz-security-token,"));
  EXPECT_THAT(presigned_url(place_, credentials_, "a", kThen, 60),
              HasSubstr("&X-Amz-Security-Token=lent"));
}

TEST(Place, NamesTheBucketInPathOrHost) {
  const auto in_path = Place::of("http://127.0.0.1:9000/", "calls", "eu-1", false);
  ASSERT_TRUE(in_path.has_value());
  EXPECT_EQ(in_path->url("a b/c+d.webm"), "http://127.0.0.1:9000/calls/a%20b/c%2Bd.webm");
  EXPECT_EQ(in_path->url(""), "http://127.0.0.1:9000/calls");
  const auto in_host = Place::of("https://Store.example:443", "calls", "eu-1", true);
  ASSERT_TRUE(in_host.has_value());
  EXPECT_EQ(in_host->url("a.webm"), "https://calls.store.example/a.webm");
}

TEST(Place, RefusesWhatIsNoAddress) {
  for (const char* endpoint : {"", "store.example", "ftp://store.example", "http://", "http://a/b",
                               "http://user@store", "http://a b", "https://store?x"}) {
    EXPECT_FALSE(Place::of(endpoint, "calls", "eu-1", false).has_value()) << endpoint;
  }
  EXPECT_FALSE(Place::of("http://store", "a/b", "eu-1", false).has_value());
  EXPECT_FALSE(Place::of("http://store", "a", "", false).has_value());
}

constexpr std::string_view kOpen =
    "<?xml version=\"1.0\"?><ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/\">"
    "<UploadIdMarker></UploadIdMarker><IsTruncated>false</IsTruncated>"
    "<Upload><Key>a/b.webm</Key><UploadId>x&amp;y&lt;&#43;&#x2f;=&unknown;</UploadId></Upload>"
    "<Upload><Key>a/c.webm</Key><UploadId>z</UploadId></Upload></ListMultipartUploadsResult>";

TEST(Reply, GivesElementsByTheirWholeName) {
  const auto uploads = elements(kOpen, "Upload");
  ASSERT_EQ(uploads.size(), 2U);
  EXPECT_EQ(text_in(uploads[0], "UploadId"), "x&y<+/=&unknown;");
  EXPECT_EQ(text_in(uploads[1], "Key"), "a/c.webm");
  EXPECT_EQ(text_in(kOpen, "UploadIdMarker"), "");
  EXPECT_EQ(text_in(kOpen, "Code"), std::nullopt);
  EXPECT_EQ(xml_escaped("\"a&b\""), "&quot;a&amp;b&quot;");
}

TEST(Reply, CutAnywhereGivesNoElementThatWasNotThere) {
  for (std::size_t size = 0; size < kOpen.size(); ++size) {
    const std::string_view cut = kOpen.substr(0, size);
    EXPECT_TRUE(elements(cut, "ListMultipartUploadsResult").empty());
    for (const std::string_view upload : elements(cut, "Upload")) {
      EXPECT_TRUE(text_in(upload, "UploadId").has_value());
    }
  }
}

Part part(int number, std::string etag, std::uint8_t byte) {
  Part made{number, std::move(etag), {}};
  made.sha256.fill(byte);
  return made;
}

TEST(UploadJournal, TellsWhereItWas) {
  const recorder::test::TemporaryFolder folder;
  {
    auto journal = Journal::open(folder.path(), "here");
    ASSERT_TRUE(journal.has_value());
    ASSERT_TRUE(journal->begun("a.webm").has_value());
    ASSERT_TRUE(journal->opened("a.webm", "id+/=").has_value());
    ASSERT_TRUE(journal->sent("a.webm", part(1, "\"e1\"", 1)).has_value());
    ASSERT_TRUE(journal->sent("a.webm", part(2, "\"e2\"", 2)).has_value());
    ASSERT_TRUE(journal->kept("b.vtt", "abc").has_value());
  }
  auto journal = Journal::open(folder.path(), "here");
  ASSERT_TRUE(journal.has_value());
  EXPECT_TRUE(journal->had_parts());
  EXPECT_EQ(journal->of("a.webm").upload_id, "id+/=");
  EXPECT_THAT(journal->of("a.webm").parts, ElementsAre(part(1, "\"e1\"", 1), part(2, "\"e2\"", 2)));
  EXPECT_TRUE(journal->of("b.vtt").kept);
  // A part that is sent once more makes those after it unsent.
  ASSERT_TRUE(journal->sent("a.webm", part(1, "\"e3\"", 3)).has_value());
  EXPECT_THAT(journal->of("a.webm").parts, ElementsAre(part(1, "\"e3\"", 3)));
  ASSERT_TRUE(journal->again("a.webm").has_value());
  EXPECT_FALSE(journal->of("a.webm").begun);
  EXPECT_TRUE(Journal::open(folder.path(), "here")->of("b.vtt").kept);
  EXPECT_FALSE(Journal::open(folder.path(), "elsewhere")->of("b.vtt").kept);
}

TEST(UploadJournal, CutAnywhereHoldsTheWholeLinesBefore) {
  const std::string text =
      "{\"to\":\"here\"}\n{\"file\":\"a\",\"begun\":true}\n{\"file\":\"a\",\"upload\":\"u\"}\n"
      "{\"file\":\"a\",\"part\":1,\"etag\":\"e\",\"sha256\":\"" +
      std::string(64, '0') + "\"}\n{\"file\":\"a\",\"kept\":true,\"sha256\":\"f\"}\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string_view cut(text.data(), size);
    const Journal::Contents contents = Journal::parse(cut);
    EXPECT_EQ(contents.bytes, cut.rfind('\n') + 1) << size;
    const auto a = contents.files.find("a");
    EXPECT_EQ(a != contents.files.end() && a->second.kept, size == text.size());
  }
  // What follows a spoilt line was written by nobody that we know.
  EXPECT_TRUE(
      Journal::parse("{\"to\":\"x\"}\nspoilt\n{\"file\":\"a\",\"kept\":true}\n").files.empty());
}

TEST(FilesIn, AreAllThatTheManifestNames) {
  const auto files = files_in(
      R"({"schema":1,"files":[{"name":"a.webm","size_bytes":3,"sha256":"aa"}],"composites":[)"
      R"({"name":"composite.mp4","size_bytes":4,"sha256":"bb","extras":[)"
      R"({"name":"chapters.vtt","size_bytes":5,"sha256":"cc"}]}]})");
  ASSERT_TRUE(files.has_value()) << files.error().detail;
  ASSERT_EQ(files->size(), 3U);
  EXPECT_EQ(files->at(1).name, "composite.mp4");
  EXPECT_EQ(files->at(2).size, 5U);
}

TEST(FilesIn, OfTwoCompositesTheChaptersAreThoseOfTheNewest) {
  const auto files =
      files_in(R"({"schema":1,"files":[],"composites":[)"
               R"({"name":"composite.mp4","size_bytes":4,"sha256":"b1","extras":[)"
               R"({"name":"chapters.vtt","size_bytes":5,"sha256":"c1"}]},)"
               R"({"name":"composite-sound.mp4","size_bytes":6,"sha256":"b2","extras":[)"
               R"({"name":"chapters.vtt","size_bytes":7,"sha256":"c2"}]}]})");
  ASSERT_TRUE(files.has_value()) << files.error().detail;
  ASSERT_EQ(files->size(), 3U);
  EXPECT_EQ(files->back().name, "chapters.vtt");
  EXPECT_EQ(files->back().sha256, "c2");
}

TEST(FilesIn, RefusesNamesThatLeaveTheFolder) {
  for (const char* name : {"../a", "/etc/passwd", "a/b", ".hidden", ""}) {
    const auto files = files_in(std::string(R"({"schema":1,"files":[{"name":")") + name +
                                R"(","size_bytes":3,"sha256":"aa"}]})");
    ASSERT_FALSE(files.has_value()) << name;
    EXPECT_EQ(files.error().reason, "bad_manifest");
  }
}

}  // namespace
}  // namespace parley::upload
