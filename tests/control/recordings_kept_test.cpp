#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorded_fixture.h"

namespace parley::control {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using State = RecordingRecord::State;
using Copy = RecordingRecord::Copy::State;
using std::chrono::hours;

// Recordings with a store to go to; copying and deleting there are the test's.
class KeptTest : public RecordedTest {
 protected:
  KeptTest() {
    config.recording.upload.endpoint = "http://127.0.0.1:9000";
    config.recording.upload.bucket = "calls";
    config.recording.upload.access_key_id = "AKIDEXAMPLE";
    config.recording.upload.secret_access_key = "do not tell";
    start();
    room();
    join(1, "anna", "host");
    publish(1);
  }
  void start() {
    recordings->upload = [this](const std::string& id, const std::string& prefix) {
      asked.push_back("upload " + id + " to " + prefix);
    };
    recordings->remove_copy = [this](const std::string& id, const std::string& prefix,
                                     const std::vector<std::string>& names) {
      std::string all;
      for (const std::string& name : names) all += " " + name;
      asked.push_back("delete " + id + " from " + prefix + ":" + all);
    };
    recordings->load(store.all_rows());
    recordings->expect_leftovers({});
    recordings->resume();
    outbox->flush();
  }
  void restart() {
    crash();
    asked.clear();
    start();
  }
  [[nodiscard]] static std::string prefix(const std::string& id) {
    return "recordings/seller-1/" + id + "/";
  }
  [[nodiscard]] std::string upload_of(const std::string& id) const {
    return "upload " + id + " to " + prefix(id);
  }
  [[nodiscard]] std::string delete_of(const std::string& id) const {
    return "delete " + id + " from " + prefix(id) + ": anna-camera-1.webm manifest.json";
  }
  void uploaded(const std::string& id) {
    Uploading::UploadedFiles files;
    for (const auto& file : record(id).files) files[file.name] = file.sha256;
    uploaded(id, files);
  }
  void uploaded(const std::string& id, const Uploading::UploadedFiles& files) {
    recordings->uploading_events().on_uploaded(id, files);
    outbox->flush();
  }
  void removed_here(const std::string& id) {
    recordings->on_recorder_event(recorder::Removed{id});
    outbox->flush();
  }
  void remove(const std::string& id) {
    ASSERT_TRUE(recordings->remove(id, "deleted_by_api").has_value());
    outbox->flush();
  }
  [[nodiscard]] bool has_ended(const std::string& id) {
    const std::lock_guard lock(recorder_mutex);
    return recorder_ended.contains(id);
  }
  // A folder as of a recording that the recorder has written and is done with.
  [[nodiscard]] std::filesystem::path folder_of(const std::string& id) {
    while (!has_ended(id) || !recorder->remove(id)) std::this_thread::yield();
    const auto folder = std::filesystem::path(config.recording.directory) / id;
    std::filesystem::create_directories(folder);
    return folder;
  }
  // Its files are here.
  void write_files(const std::string& id) {
    std::ofstream(folder_of(id) / "manifest.json") << "{}";
  }
  // Ends as one that is not to be uploaded.
  std::string recorded_to_stay() {
    RecordingOptions options;
    options.upload = false;
    return recorded(options);
  }
  // "begun", "already" or the reason why not.
  std::string upload_now(const std::string& id) {
    const auto begun = recordings->upload_now(id);
    outbox->flush();
    return !begun ? begun.error().reason : *begun ? "begun" : "already";
  }
  [[nodiscard]] const RecordingRecord& record(const std::string& id) const {
    return *recordings->find(id);
  }
  // What a browser gets from the link to the first file.
  HttpResponse fetch(const std::string& id, std::int64_t ttl_s = 600) {
    const auto link = recordings->links(record(id), "anna-camera-1.webm", ttl_s, "test");
    const std::string url = link ? text(*link, "url") : "";
    HttpRequest request;
    request.path = url.substr(0, url.find('?'));
    request.query = url.substr(url.find('?') + 1);
    return recordings->serve(request);
  }

  std::vector<std::string> asked;
};

TEST_F(KeptTest, IsCopiedToTheStoreAndThenRemovedHere) {
  const std::string id = recorded();
  EXPECT_THAT(asked, ElementsAre(upload_of(id)));
  EXPECT_EQ(record(id).copy.state, Copy::Waiting);
  const auto folder = folder_of(id);
  uploaded(id);
  EXPECT_FALSE(std::filesystem::exists(folder));
  const Json data = *last_event("recording.uploaded").find("data");
  EXPECT_EQ(text(*data.find("stored"), "key_prefix"), prefix(id));
  EXPECT_EQ(*data.find("local"), Json(true)) << "until it is told that nothing is left";
  removed_here(id);
  EXPECT_EQ(*record(id).to_json().find("local"), Json(false));
  EXPECT_EQ(record(id).state, State::Completed);
}

TEST_F(KeptTest, StaysHereTooWhereThatIsWanted) {
  config.recording.upload.keep_local = true;
  const std::string id = recorded();
  const auto folder = folder_of(id);
  uploaded(id);
  EXPECT_TRUE(std::filesystem::exists(folder));
}

TEST_F(KeptTest, WhatWasKeptHereIsNotRemovedByALaterStart) {
  config.recording.upload.keep_local = true;
  const std::string id = recorded();
  const auto folder = folder_of(id);
  uploaded(id);
  config.recording.upload = {};  // the section is gone, and keep_local with it
  restart();
  EXPECT_TRUE(std::filesystem::exists(folder));
}

TEST_F(KeptTest, AnUploadThatLacksAFileDoesNotCount) {
  const std::string id = recorded();
  const auto folder = folder_of(id);
  asked.clear();
  uploaded(id, {{"manifest.json", "00"}});
  EXPECT_EQ(record(id).copy.state, Copy::Waiting);
  EXPECT_THAT(asked, ElementsAre(upload_of(id)));
  EXPECT_TRUE(std::filesystem::exists(folder));
  uploaded(id, {{"manifest.json", "00"}});
  EXPECT_EQ(record(id).copy.state, Copy::Failed) << "not for ever";
  EXPECT_THAT(asked, SizeIs(1));
  EXPECT_TRUE(std::filesystem::exists(folder));
}

TEST_F(KeptTest, MediaThatIsInNoListStaysHere) {
  const std::string id = recorded();
  const auto folder = folder_of(id);
  std::ofstream(folder / "bert-camera-1.webm.part") << "could not be finished";
  uploaded(id);
  EXPECT_EQ(record(id).copy.state, Copy::Uploaded);
  EXPECT_TRUE(std::filesystem::exists(folder));
}

TEST_F(KeptTest, ACopyInAnotherStoreIsNotCalledErased) {
  const std::string id = recorded();
  uploaded(id);
  removed_here(id);
  config.recording.upload.bucket = "another";
  asked.clear();
  EXPECT_NE(fetch(id).status, 302);
  remove(id);
  removed_here(id);
  EXPECT_THAT(asked, IsEmpty());
  EXPECT_EQ(count_events("recording.erased"), 0U);
}

TEST_F(KeptTest, ParticipantsAreNotToldOfTheStore) {
  const std::string id = recorded();
  recordings->uploading_events().on_delayed(id, "store_refused", "arn:aws:iam::1234");
  EXPECT_THAT(ask(1, "recording.list").dump(), Not(HasSubstr("arn:aws")));
}

TEST_F(KeptTest, LinksLeadToTheStoreOnceItIsThere) {
  const std::string id = recorded();
  EXPECT_EQ(fetch(id).status, 404) << "nothing on this disk, and not yet there";
  uploaded(id);
  const HttpResponse response = fetch(id);
  EXPECT_EQ(response.status, 302);
  ASSERT_EQ(response.headers.at(0).first, "Location");
  EXPECT_THAT(response.headers.at(0).second,
              AllOf(HasSubstr("http://127.0.0.1:9000/calls/" + prefix(id) + "anna-camera-1.webm?"),
                    HasSubstr("X-Amz-Expires=600&"), HasSubstr("X-Amz-Signature="),
                    Not(HasSubstr("do not tell"))));
  remove(id);
  EXPECT_NE(fetch(id).status, 302);
}

TEST_F(KeptTest, ADelayIsToldOnceAndOver) {
  const std::string id = recorded();
  recordings->uploading_events().on_delayed(id, "store_unavailable", "503 SlowDown");
  outbox->flush();
  const Json data = *last_event("recording.upload_delayed").find("data");
  EXPECT_EQ(text(*data.find("stored"), "reason"), "store_unavailable");
  EXPECT_EQ(text(data, "state"), "completed") << "it can be fetched meanwhile";
  uploaded(id);
  EXPECT_EQ(record(id).copy.reason, "");
}

TEST_F(KeptTest, ARestartGoesOnUploadingAndDeleting) {
  const std::string going = recorded();
  const std::string done = recorded();
  uploaded(done);
  const std::string deleted = recorded();
  uploaded(deleted);
  removed_here(deleted);
  remove(deleted);
  restart();
  EXPECT_THAT(asked, testing::UnorderedElementsAre(upload_of(going), delete_of(deleted)));
}

TEST_F(KeptTest, NothingIsUploadedThatIsNotWanted) {
  const std::string id = recorded_to_stay();
  EXPECT_THAT(asked, IsEmpty());
  EXPECT_EQ(record(id).to_json().find("stored"), nullptr);
}

TEST_F(KeptTest, WhatWasToStayIsUploadedWhenSomebodyAsks) {
  const std::string id = recorded_to_stay();
  write_files(id);
  EXPECT_EQ(upload_now(id), "begun");
  EXPECT_THAT(asked, ElementsAre(upload_of(id)));
  EXPECT_EQ(upload_now(id), "already") << "on its way";
  restart();
  EXPECT_THAT(asked, ElementsAre(upload_of(id)));
  uploaded(id);
  EXPECT_EQ(upload_now(id), "already") << "there";
  EXPECT_EQ(count_events("recording.uploaded"), 1U);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(config.recording.directory) / id));
}

TEST_F(KeptTest, AFailedUploadIsTriedAgainWhenSomebodyAsks) {
  const std::string id = recorded();
  write_files(id);
  recordings->uploading_events().on_failed(id, "local_damaged", "anna-camera-1.webm");
  asked.clear();
  EXPECT_EQ(upload_now(id), "begun");
  EXPECT_THAT(asked, ElementsAre(upload_of(id)));
  EXPECT_EQ(record(id).copy.state, Copy::Waiting);
  EXPECT_EQ(record(id).copy.reason, "");
}

TEST_F(KeptTest, WhatCannotBeUploadedSaysWhy) {
  EXPECT_EQ(upload_now("rec_none"), "recording_deleted");
  const std::string runs = text(ask(1, "recording.start"), "recording_id");
  EXPECT_EQ(upload_now(runs), "recording_not_over");
  static_cast<void>(ask(1, "recording.stop"));
  recordings->on_recorder_event(recorder::Failed{runs, "no_media", "", {}});
  EXPECT_EQ(upload_now(runs), "recording_not_here") << "there never were any files";
  const std::string id = recorded_to_stay();
  EXPECT_EQ(upload_now(id), "recording_not_here");
  config.recording.upload = {};
  EXPECT_EQ(upload_now(id), "no_object_store");
  remove(id);
  EXPECT_EQ(upload_now(id), "recording_deleted");
}

TEST_F(KeptTest, WhatWaitsGoesToTheStoreThatIsConfiguredByThen) {
  const std::string id = recorded();
  config.recording.upload.bucket = "another";
  restart();
  EXPECT_THAT(asked, ElementsAre(upload_of(id)));
  uploaded(id);
  EXPECT_THAT(fetch(id).headers.at(0).second, HasSubstr("http://127.0.0.1:9000/another/"));
}

TEST_F(KeptTest, WhatIsComposedAnewIsUploadedAfterThatAndNotRemovedBefore) {
  const std::string id = recorded();
  const auto folder = folder_of(id);
  ASSERT_TRUE(recordings->compose_again(id, {}, std::nullopt).has_value());
  outbox->flush();
  uploaded(id);  // of the tracks, which went on
  EXPECT_TRUE(std::filesystem::exists(folder));
  EXPECT_EQ(record(id).state, State::Processing);
  asked.clear();
  recordings->composing_events().on_done(id, {"composite.mp4", 4'900, 500, "abc", {}, {}});
  outbox->flush();
  EXPECT_THAT(asked, ElementsAre(upload_of(id)));
  uploaded(id);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(KeptTest, WhatIsInTheStoreAloneIsNotComposed) {
  const std::string id = recorded();
  uploaded(id);
  removed_here(id);
  EXPECT_EQ(recordings->compose_again(id, {}, std::nullopt).error().reason, "recording_moved");
}

TEST_F(KeptTest, IsErasedWhenNothingIsLeftAnywhere) {
  const std::string id = recorded();
  uploaded(id);
  asked.clear();
  remove(id);
  EXPECT_THAT(asked, ElementsAre(delete_of(id)));
  EXPECT_EQ(count_events("recording.deleted"), 1U);
  removed_here(id);
  EXPECT_EQ(count_events("recording.erased"), 0U) << "the copy is still there";
  wall_ms += 60'000;
  recordings->uploading_events().on_deleted(id);
  outbox->flush();
  ASSERT_EQ(count_events("recording.erased"), 1U);
  const Json proof = *last_event("recording.erased").find("data");
  EXPECT_EQ(*proof.find("erased_ms"), Json(wall_ms));
  EXPECT_EQ(text(proof, "deleted_reason"), "deleted_by_api");
  EXPECT_EQ(text(proof.find("files")->as_array()->at(0), "sha256"), "a1b2");
  restart();
  EXPECT_THAT(asked, IsEmpty());
  EXPECT_EQ(count_events("recording.erased"), 1U);
}

TEST_F(KeptTest, AnUploadThatIsUnderWayIsDeletedToo) {
  const std::string id = recorded();
  asked.clear();
  remove(id);
  EXPECT_THAT(asked, ElementsAre(delete_of(id)));
  uploaded(id);  // said in the last moment
  EXPECT_EQ(count_events("recording.uploaded"), 0U);
}

TEST_F(KeptTest, ATenantsRecordingsHaveALimit) {
  std::optional<std::uint64_t> limit;
  recordings->storage_limit = [&](std::string_view) { return limit; };
  const std::string id = recorded();
  EXPECT_EQ(recordings->stored_bytes("seller-1"), 1'000U);
  limit = 1'001;
  const std::string second = recorded();
  EXPECT_EQ(text(ask(1, "recording.start"), "reason"), "storage_exhausted");
  remove(second);
  EXPECT_EQ(recordings->stored_bytes("seller-1"), 1'000U);
  EXPECT_NE(text(ask(1, "recording.start"), "recording_id"), "");
}

TEST_F(KeptTest, ASessionThatIsNotRecordedByItselfSaysWhy) {
  recordings->storage_limit = [](std::string_view) { return std::optional<std::uint64_t>(0); };
  recordings->attach(session(), true, {});
  outbox->flush();
  EXPECT_EQ(text(*last_event("recording.refused").find("data"), "reason"), "storage_exhausted");
}

// Without a store.
class RetentionTest : public RecordedTest {
 protected:
  RetentionTest() {
    config.recording.keep_days = 30;
    recordings->resume();
    room("main", [](RoomConfig& c) { c.recording.keep_days = 2; });
    join(1, "anna", "host");
    publish(1);
  }
};

TEST_F(RetentionTest, IsDeletedSoManyDaysAfterItsEnd) {
  const std::string id = recorded();
  const std::int64_t at = wall_ms + 5'000 + 2 * 86'400'000;
  EXPECT_EQ(*last_event("recording.completed").find("data")->find("delete_at_ms"), Json(at));
  wait(hours(47));
  EXPECT_EQ(recordings->find(id)->state, State::Completed);
  wait(hours(2));
  EXPECT_EQ(recordings->find(id)->state, State::Deleted);
  EXPECT_EQ(text(*last_event("recording.deleted").find("data"), "deleted_reason"),
            "kept_long_enough");
}

TEST_F(RetentionTest, ItsDeadlineOutlivesARestart) {
  const std::string id = recorded();
  crash();
  recordings->load(store.all_rows());
  recordings->expect_leftovers({});
  wall_ms += 3 * 86'400'000;
  recordings->resume();
  EXPECT_EQ(recordings->find(id)->state, State::Deleted) << "it was due while nobody was there";
}

TEST_F(RetentionTest, TheConfiguredDaysHoldWhereNobodySaysMore) {
  RecordingOptions options;
  const auto started = recordings->start(session(), options);
  ASSERT_TRUE(started.has_value());
  EXPECT_EQ((*started)->options.keep_days, 30U);
}

TEST_F(RetentionTest, NoneIsForEver) {
  RecordingOptions options;
  options.keep_days = 0;
  const auto started = recordings->start(session(), options);
  const std::string id = (*started)->id;
  outbox->flush();
  recordings->stop(id, "stopped_by_api");
  recordings->on_recorder_event(completed(id));
  wait(hours(24 * 400));
  EXPECT_EQ(recordings->find(id)->state, State::Completed);
}

}  // namespace
}  // namespace parley::control
