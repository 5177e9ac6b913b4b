#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/composing.h"
#include "control/context.h"
#include "control/listener.h"
#include "control/recording_options.h"
#include "control/rpc.h"
#include "control/session.h"
#include "control/signed_link.h"
#include "control/uploading.h"
#include "recorder/recorder.h"

namespace parley::control {

// One recording as the API knows it, kept in the store.
struct RecordingRecord {
  enum class State : std::uint8_t { Active, Paused, Processing, Completed, Failed, Deleted };
  struct Person {
    std::string participant_id;
    std::string identity;
    std::string name;
  };
  std::string id;
  std::string tenant;
  std::string room_id;
  std::string room_name;
  std::string session_id;
  State state = State::Active;
  std::int64_t started_ms = 0;
  std::int64_t duration_ms = 0;
  std::uint64_t size_bytes = 0;
  bool truncated = false;
  std::string end_reason;
  std::string manifest;  // file name
  std::vector<Person> people;
  std::vector<recorder::RecordedFile> files;
  RecordingOptions options;
  // Layouts and pauses since the start, in milliseconds of the recording.
  struct LayoutChange {
    std::int64_t at_ms = 0;
    std::string layout;
  };
  struct Pause {
    std::int64_t from_ms = 0;
    std::optional<std::int64_t> to_ms;  // none: it goes on
  };
  std::vector<LayoutChange> layouts;
  std::vector<Pause> pauses;
  std::string chapters;  // of the composite, as WebVTT
  // The tracks are on the disk, and are being made into one file; how far, in percent.
  bool composing = false;
  int percent = 0;
  // What went wrong, the reason for programs; of composing, too.
  std::string failure_reason;
  std::string failure_detail;
  // In the object store.
  struct Copy {
    // Delayed: it did not work, and is tried again. Failed: it is not.
    enum class State : std::uint8_t { None, Waiting, Delayed, Uploaded, Failed, Deleted };
    State state = State::None;
    std::string place;  // the bucket's address
    std::string bucket;
    std::string key_prefix;
    bool moves = false;  // the files here are to be removed
    std::int64_t uploaded_ms = 0;
    std::string reason;
    std::string detail;
    // Something of it may be there.
    [[nodiscard]] bool exists() const noexcept {
      return state != State::None && state != State::Deleted;
    }
  };
  Copy copy;
  bool local = true;  // its files are on this machine
  std::string deleted_reason;
  std::int64_t deleted_ms = 0;
  std::int64_t erased_ms = 0;  // when nothing of it was left anywhere

  [[nodiscard]] bool runs() const noexcept {
    return state == State::Active || state == State::Paused;
  }
  [[nodiscard]] bool is_over() const noexcept {
    return state == State::Completed || state == State::Failed || state == State::Deleted;
  }
  // When it is to be deleted.
  [[nodiscard]] std::optional<std::int64_t> delete_at_ms() const noexcept;
  [[nodiscard]] std::vector<std::string> file_names() const;
  [[nodiscard]] ComposeJob compose_job() const;
  [[nodiscard]] ComposeJob follow_job() const;  // of one that begins
  [[nodiscard]] bool is_live() const noexcept { return options.composite && options.live; }
  // Participants are not told where the store is and what it says.
  [[nodiscard]] Json to_json(bool for_backend = true) const;
  [[nodiscard]] Row to_row() const;
  [[nodiscard]] static std::optional<RecordingRecord> from_row(const Row& row);
};
[[nodiscard]] std::string_view name_of(RecordingRecord::State state) noexcept;
[[nodiscard]] std::string_view name_of(RecordingRecord::Copy::State state) noexcept;

// Ties sessions to the recorder: every published track of a recorded session is tapped from its
// worker, people are told before the first packet is kept, and finished files are served by signed
// links.
class Recordings {
 public:
  static constexpr std::size_t kMaxRecordings = 100'000;
  static constexpr std::size_t kMaxChanges = 1'000;  // of layouts, and pauses, in one recording

  // Has a finished recording composed; one of composing_events() follows. To be set before anything
  // else is called.
  std::function<void(ComposeJob job)> compose;
  // The same of one that begins, to be made while it runs: what is left is composed as usual.
  std::function<void(ComposeJob job)> compose_live;
  // Has one copied into the object store, or deleted there; one of uploading_events() follows.
  std::function<void(const std::string& recording_id, const std::string& key_prefix)> upload;
  std::function<void(const std::string& recording_id, const std::string& key_prefix,
                     const std::vector<std::string>& names)>
      remove_copy;

  // How many bytes of recordings a tenant may have. Not set: as many as there is room for.
  std::function<std::optional<std::uint64_t>(std::string_view tenant)> storage_limit;

  Recordings(Context& context, recorder::Recorder& recorder, std::string link_key);

  void load(const std::vector<Row>& rows);
  // After load(): `found` are those the recorder is making whole and will report; of any other
  // interrupted recording nothing was ever written.
  void expect_leftovers(const std::vector<std::string>& found);
  // Then: goes on with what was being composed, uploaded and deleted.
  void resume();
  // Watches its tracks from now on. `options`: how it is recorded where nobody says more; `record`:
  // from now on.
  void attach(Session& session, bool record, RecordingOptions options);
  void detach(const Session& session, std::string_view reason);

  // How a session is recorded where nobody says more.
  [[nodiscard]] RecordingOptions options_of(const Session& session) const;
  // The running one, if there is one already.
  [[nodiscard]] RpcResult<const RecordingRecord*> start(Session& session,
                                                        const RecordingOptions& options);
  // The composed picture's layout from now on. False when it is that already.
  [[nodiscard]] RpcResult<bool> set_layout(const std::string& recording_id,
                                           const std::string& layout);
  // Makes one picture of one that is over; in that layout all through, if one is given.
  [[nodiscard]] RpcResult<const RecordingRecord*> compose_again(
      const std::string& recording_id, const RecordingOptions& options,
      const std::optional<std::string>& layout);
  // What is to be told of composing.
  [[nodiscard]] Composing::Events composing_events();
  // What is to be told of uploading and of deleting in the store.
  [[nodiscard]] Uploading::Events uploading_events();
  // The session may not be recorded (any more), or may be again.
  void forbid(const Session& session, bool forbidden);
  // Nothing is kept from now on, or everything is again. False when it was so already; an error for
  // one that is over.
  [[nodiscard]] RpcResult<bool> pause(const std::string& recording_id);
  [[nodiscard]] RpcResult<bool> resume(const std::string& recording_id);
  // Copies one that is over and whose files are here into the store. False when it is there
  // already, or on its way.
  [[nodiscard]] RpcResult<bool> upload_now(const std::string& recording_id);
  // Deletes the files of one that is over, here and in the store, once that is kept;
  // recording.erased tells when nothing is left. False when they were deleted before.
  [[nodiscard]] RpcResult<bool> remove(const std::string& recording_id, std::string_view reason);
  // False when it was over already.
  bool stop(const std::string& recording_id, std::string_view reason);
  void on_recorder_event(const recorder::RecorderEvent& event);

  [[nodiscard]] const RecordingRecord* find(std::string_view recording_id) const;
  [[nodiscard]] const RecordingRecord* running_in(std::string_view session_id) const;
  // Of all recordings of the session; what still runs counts up to now.
  [[nodiscard]] std::int64_t recorded_ms(std::string_view session_id) const;
  // Of all the tenant's recordings, wherever they are, as far as their size is known.
  [[nodiscard]] std::uint64_t stored_bytes(std::string_view tenant) const;
  // Newest first.
  void for_each(const std::function<void(const RecordingRecord&)>& visit) const;
  // For the result of join: {recording_id, started_ms} or null.
  [[nodiscard]] Json info(const Session& session) const;

  // {url} for one file, {page, files: [{name, url, expires_at_ms}]} for all with the manifest, and
  // with the page that plays them.
  [[nodiscard]] RpcResult<Json> links(const RecordingRecord& record,
                                      const std::optional<std::string>& file, std::int64_t ttl_s,
                                      std::string_view audience) const;
  // A file, or that page.
  [[nodiscard]] HttpResponse serve(const HttpRequest& request) const;

 private:
  struct Tap {
    std::string track_id;
    server::TapId tap;
    std::size_t worker = 0;
  };
  struct Attached {
    Session* session = nullptr;
    RecordingOptions options;
  };
  struct Active {
    std::string recording_id;
    Session* session = nullptr;  // until detach()
    bool begun = false;          // told to everybody, taps may open
    bool paused = false;
    rtp::Time since{};  // where the recorder's time line begins, once begun
    std::vector<Tap> taps;
  };
  [[nodiscard]] static RpcError too_many_changes();
  void index(const RecordingRecord& record);
  // Of the oldest one of which nothing is left; false: there is none.
  bool forget_an_erased_one();
  void begin(const std::string& session_id);
  void add_track(Active& active, const Participant& participant, const Track& track);
  void remove_track(Active& active, const Track& track);
  void close_taps(Active& active);
  void tell(const RecordingRecord& record, std::string_view what, Json extra);
  void store(const RecordingRecord& record) { context_.outbox.put(record.to_row()); }
  void finish(const recorder::Completed& done);
  [[nodiscard]] bool settle_again(const RecordingRecord& record);
  void complete(RecordingRecord& record);
  // Of one that is over: what is to be done with its files. Before and after it is stored.
  void plan_keeping(RecordingRecord& record);
  // To the configured store, from the beginning.
  void aim_copy(RecordingRecord& record) const;
  void upload_when_stored(const RecordingRecord& record);
  void remove_when_stored(const RecordingRecord& record);
  void remove_here(const std::string& recording_id);
  void on_uploaded(const std::string& recording_id, const Uploading::UploadedFiles& files);
  [[nodiscard]] bool is_reachable(const RecordingRecord::Copy& copy) const;
  void on_not_uploaded(const std::string& recording_id, RecordingRecord::Copy::State state,
                       const std::string& reason, const std::string& detail);
  void on_copy_removed(const std::string& recording_id);
  void on_removed(const std::string& recording_id);
  void on_not_removed(const recorder::NotRemoved& what);
  void tell_if_erased(RecordingRecord& record);
  void look_after_files();
  [[nodiscard]] std::string link(const RecordingRecord& record, std::string_view name,
                                 std::int64_t expires_ms, std::string_view audience) const;
  [[nodiscard]] HttpResponse serve_player_of(const std::string& recording_id,
                                             const SignedLink& how) const;
  [[nodiscard]] std::string link_to_copy(const RecordingRecord& record, const std::string& name,
                                         std::int64_t ttl_s) const;
  void on_compose_progress(const std::string& recording_id, int percent);
  void on_composed(const std::string& recording_id, const ComposedFile& file);
  void on_not_composed(const std::string& recording_id, const std::string& reason,
                       const std::string& detail);
  // Since it has begun, as its files count.
  [[nodiscard]] std::int64_t recorded_for_ms(const RecordingRecord& record) const;
  void end_pause(RecordingRecord& record);
  void compose_when_stored(const RecordingRecord& record);
  void fail(const recorder::Failed& failed);
  void settle_when_stored(const std::string& recording_id);
  RecordingRecord* find_mutable(std::string_view recording_id);

  Context& context_;
  recorder::Recorder& recorder_;
  std::string link_key_;
  std::map<std::string, RecordingRecord, std::less<>> records_;
  std::map<std::pair<std::int64_t, std::string>, std::string> by_age_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_session_;
  std::map<std::string, Active, std::less<>> active_;  // by session
  std::map<std::string, Attached, std::less<>> sessions_;
  std::set<std::string, std::less<>> forbidden_;              // of those
  std::set<std::string, std::less<>> leftovers_;              // the recorder will report them
  std::set<std::pair<std::int64_t, std::string>> deadlines_;  // when to delete which
  std::set<std::string, std::less<>> leaving_;  // this machine, until nothing of them is left
  std::set<std::string, std::less<>> stuck_;    // of those: told that it did not work
};

}  // namespace parley::control
