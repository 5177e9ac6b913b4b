#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/context.h"
#include "control/listener.h"
#include "control/rpc.h"
#include "control/session.h"
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

  [[nodiscard]] bool runs() const noexcept {
    return state == State::Active || state == State::Paused;
  }
  [[nodiscard]] bool is_over() const noexcept {
    return state == State::Completed || state == State::Failed || state == State::Deleted;
  }
  [[nodiscard]] Json to_json() const;
  [[nodiscard]] Row to_row() const;
  [[nodiscard]] static std::optional<RecordingRecord> from_row(const Row& row);
};
[[nodiscard]] std::string_view name_of(RecordingRecord::State state) noexcept;

// Ties sessions to the recorder: every published track of a recorded session is tapped from its
// worker, people are told before the first packet is kept, and finished files are served by signed
// links.
class Recordings {
 public:
  static constexpr std::size_t kMaxRecordings = 100'000;

  Recordings(Context& context, recorder::Recorder& recorder, std::string link_key);

  void load(const std::vector<Row>& rows);
  // After load(): `found` are those the recorder is making whole and will report; of any other
  // interrupted recording nothing was ever written.
  void expect_leftovers(const std::vector<std::string>& found);
  // Watches its tracks from now on; begins to record when the room says so.
  void attach(Session& session, bool record);
  void detach(const Session& session, std::string_view reason);

  // The running one, if there is one already.
  [[nodiscard]] RpcResult<const RecordingRecord*> start(Session& session);
  // The session may not be recorded (any more), or may be again.
  void forbid(const Session& session, bool forbidden);
  // Nothing is kept from now on, or everything is again. False when it was so already; an error for
  // one that is over.
  [[nodiscard]] RpcResult<bool> pause(const std::string& recording_id);
  [[nodiscard]] RpcResult<bool> resume(const std::string& recording_id);
  // Deletes the files of one that is over, once that is kept. False when they were deleted before.
  [[nodiscard]] RpcResult<bool> remove(const std::string& recording_id);
  // False when it was over already.
  bool stop(const std::string& recording_id, std::string_view reason);
  void on_recorder_event(const recorder::RecorderEvent& event);

  [[nodiscard]] const RecordingRecord* find(std::string_view recording_id) const;
  [[nodiscard]] const RecordingRecord* running_in(std::string_view session_id) const;
  // Of all recordings of the session; what still runs counts up to now.
  [[nodiscard]] std::int64_t recorded_ms(std::string_view session_id) const;
  // Newest first.
  void for_each(const std::function<void(const RecordingRecord&)>& visit) const;
  // For the result of join: {recording_id, started_ms} or null.
  [[nodiscard]] Json info(const Session& session) const;

  // {url} for one file, {files: [{name, url, expires_at_ms}]} for all with the manifest.
  [[nodiscard]] RpcResult<Json> links(const RecordingRecord& record,
                                      const std::optional<std::string>& file, std::int64_t ttl_s,
                                      std::string_view audience) const;
  [[nodiscard]] HttpResponse serve(const HttpRequest& request) const;

 private:
  struct Tap {
    std::string track_id;
    server::TapId tap;
    std::size_t worker = 0;
  };
  struct Active {
    std::string recording_id;
    Session* session = nullptr;  // until detach()
    bool begun = false;          // told to everybody, taps may open
    bool paused = false;
    std::vector<Tap> taps;
  };
  void index(const RecordingRecord& record);
  void begin(const std::string& session_id);
  void add_track(Active& active, const Participant& participant, const Track& track);
  void remove_track(Active& active, const Track& track);
  void close_taps(Active& active);
  void tell(const RecordingRecord& record, std::string_view what, Json extra);
  void store(const RecordingRecord& record) { context_.outbox.put(record.to_row()); }
  void finish(const recorder::Completed& done);
  void fail(const recorder::Failed& failed);
  void settle_when_stored(const std::string& recording_id);
  RecordingRecord* find_mutable(std::string_view recording_id);

  Context& context_;
  recorder::Recorder& recorder_;
  std::string link_key_;
  std::map<std::string, RecordingRecord, std::less<>> records_;
  std::map<std::pair<std::int64_t, std::string>, std::string> by_age_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_session_;
  std::map<std::string, Active, std::less<>> active_;      // by session
  std::map<std::string, Session*, std::less<>> sessions_;  // attached
  std::set<std::string, std::less<>> forbidden_;           // of those
};

}  // namespace parley::control
