#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/answer.h"
#include "control/chat_message.h"
#include "control/codec_agreement.h"
#include "control/context.h"
#include "control/page.h"
#include "control/people.h"
#include "control/room.h"
#include "control/rpc.h"

namespace parley::control {

// What others must hear of a session at once (recordings, the registry of peers).
struct SessionObserver {
  std::function<void(const Participant&, const Track&)> track_published;
  std::function<void(const Participant&, const Track&)> track_unpublished;
};

// Names of tracks and participants as they come from outside: ids.
enum class MutedBy : std::uint8_t { Self, Host, Api, Server };

// Somebody in the lobby: he has a socket and no media, and is not metered.
struct Waiting {
  std::string id;  // pa_..., which he keeps when he is let in
  JoinClaims claims;
  ConnectionId connection;
  std::int64_t since_ms = 0;

  [[nodiscard]] Json to_json() const;
};

// All microphones are muted, those of later comers too, until a host takes it back (A38). Who may
// mute others is free of it as soon as he unmutes himself.
struct MuteAll {
  bool unmute_allowed = true;
  std::vector<std::string> except;  // identities
  MutedBy by = MutedBy::Host;

  [[nodiscard]] bool covers(const Participant& participant) const;
};

// One meeting in a room, from its first participant to its end. It lives on one worker and spreads
// to others when it grows (spread(), session_media.cpp). It keeps the roster and the tracks,
// answers offers, fills slots and tells everybody of every change. Who may do what is checked
// before (actions.h); when it starts and ends is decided above (sessions.h).
class Session {
 public:
  Session(Context& context, const Room& room, std::size_t worker);
  ~Session();  // closes the worker's room
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const std::string& room_id() const noexcept { return room_id_; }
  [[nodiscard]] const std::string& room_name() const noexcept { return room_name_; }
  [[nodiscard]] const std::string& tenant() const noexcept { return tenant_; }
  [[nodiscard]] server::RoomId worker_room() const noexcept { return worker_room_; }
  // Where it began; more follow when it grows.
  [[nodiscard]] const std::vector<std::size_t>& workers() const noexcept { return workers_; }
  [[nodiscard]] std::int64_t started_ms() const noexcept { return started_ms_; }
  [[nodiscard]] std::size_t peak() const noexcept { return peak_; }
  [[nodiscard]] std::size_t total() const noexcept { return next_order_; }
  [[nodiscard]] bool ever_connected() const noexcept { return ever_connected_; }
  [[nodiscard]] const People& participants() const noexcept { return participants_; }
  [[nodiscard]] Participant* find(std::string_view participant_id) const {
    return participants_.find(participant_id);
  }
  [[nodiscard]] Participant* find_identity(std::string_view identity) const {
    return participants_.find_identity(identity);
  }
  [[nodiscard]] Participant* find_peer(server::PeerId peer) const {
    return participants_.find_peer(peer);
  }
  // A peer's number says which session it belongs to.
  [[nodiscard]] static server::RoomId worker_room_of(server::PeerId peer) noexcept {
    return server::RoomId(peer.value >> 32);
  }
  // The publisher and its track.
  struct TrackRef {
    Participant* participant = nullptr;
    Track* track = nullptr;
  };
  [[nodiscard]] TrackRef find_track(std::string_view track_id) const;
  [[nodiscard]] TrackRef find_track(server::TrackNo no) const;

  void observe(SessionObserver observer) { observer_ = std::move(observer); }

  // ---- roster (session.cpp)
  // `id`: of somebody who has waited.
  Participant& add(JoinClaims claims, ConnectionId connection, std::string id = {});
  // The socket is back: same participant, tracks and slots.
  void resume(Participant& participant, JoinClaims claims, ConnectionId connection);
  // The socket is gone, the person may come back.
  void lose_socket(Participant& participant);
  // Ends it for good. With `bye` its socket gets {reason} and is closed.
  void remove(const std::string& participant_id, std::string_view reason, bool bye);
  // Everybody at once, at the session's end: `left` is their event's reason, `bye` their client's.
  void remove_all(std::string_view left, std::string_view bye);
  struct ParticipantChange {
    std::optional<std::string> name;
    std::optional<Role> role;
    Permissions permissions;  // of that role
    std::optional<Json> attributes;
  };
  // Another role takes effect at once: what it does not allow to be published is not forwarded.
  void change(Participant& participant, ParticipantChange change);
  // Whoever was given another role, name or attributes keeps them for this session, whatever his
  // token says.
  void apply_given(JoinClaims& claims) const;
  [[nodiscard]] Json join_result(const Participant& participant, const Room& room) const;
  // All who are not hidden.
  [[nodiscard]] Json roster() const;

  // ---- who comes, changes and goes (session_roster.cpp)
  // In rooms with more people changes are told together, so often at most: while a room fills,
  // each of its members gets few messages.
  static constexpr std::size_t kToldAtOnce = 20;
  static constexpr std::chrono::milliseconds kRosterInterval{100};
  // Where only the number of people has changed, that often at most.
  static constexpr std::chrono::milliseconds kCountInterval{1'000};
  // What the result of a join has of the others at most, as JSON.
  static constexpr std::size_t kSnapshotBytes = 65'536;
  // Of those who are not hidden all are counted, and as many as `rooms.roster_limit` are listed,
  // which means that all others know them by name and hear what becomes of them. So is everybody
  // who matters to all: who publishes, may silence others or, while the list is not twice as long,
  // has raised his hand.
  [[nodiscard]] std::size_t shown() const noexcept { return shown_; }
  // Of those who are not hidden, or of those of them who are listed.
  void page_of_people(Page& page, bool listed_only) const;
  // He wants to be asked to speak, or no longer. False when it was so.
  bool raise_hand(Participant& participant, bool raised);

  // ---- lobby and host (session_lobby.cpp)
  static constexpr std::size_t kMaxWaiting = 200;
  [[nodiscard]] const std::vector<Waiting>& waiting() const noexcept { return waiting_; }
  [[nodiscard]] const Waiting* find_waiting(std::string_view participant_id) const;
  [[nodiscard]] const Waiting* find_waiting_identity(std::string_view identity) const;
  const Waiting& wait(JoinClaims claims, ConnectionId connection);
  // He becomes a participant. Null when nobody of this id waits.
  Participant* admit(std::string_view participant_id);
  // False when nobody of this id waits.
  bool stop_waiting(std::string_view participant_id, std::string_view reason, bool bye);
  [[nodiscard]] Json waiting_list() const;
  void set_end_after_host_left(std::optional<std::int64_t> ms) { end_after_host_left_ms_ = ms; }

  // ---- what is written and sent (session_chat.cpp)
  void tell_message(const ChatMessage& message);
  void tell_message_deleted(const std::string& message_id, std::string_view by);
  struct ChatRules {
    bool enabled = true;
    std::uint32_t slow_mode_s = 0;
    friend bool operator==(const ChatRules&, const ChatRules&) = default;
  };
  void set_chat_rules(ChatRules rules);
  [[nodiscard]] const ChatRules& chat_rules() const noexcept { return chat_rules_; }
  // Something of an application to others, which is not kept: to those of `to`, or to everybody
  // else. How many it went to.
  struct DataMessage {
    static constexpr std::size_t kMaxReceivers = 500;
    static constexpr std::size_t kMaxTopic = 128;
    const Participant* from = nullptr;  // nullptr: the backend
    std::string topic;
    Json data;
    std::optional<std::vector<std::string>> to;  // participant ids
  };
  std::size_t send_data(const DataMessage& message);
  void set_data_enabled(bool enabled) { data_enabled_ = enabled; }
  [[nodiscard]] bool data_enabled() const noexcept { return data_enabled_; }

  // ---- data channels (session_data.cpp)
  void data_opened(Participant& participant, const server::DataOpened& channel);
  void data_closed(Participant& participant, const server::DataClosed& channel);
  void data_received(Participant& from, const server::DataReceived& message);
  // Nothing without Participant::chat_channel().
  void send_chat(const Participant& participant, std::string_view text);

  // ---- countdowns (session_timers.cpp)
  // False when it runs already.
  bool start_timer(const std::string& timer_id, std::int64_t duration_ms, std::string_view by);
  bool cancel_timer(const std::string& timer_id, std::string_view by);
  [[nodiscard]] Json timer_list() const;

  // ---- media (session_media.cpp)
  [[nodiscard]] RpcResult<Json> offer(Participant& participant, std::string_view sdp,
                                      const std::vector<SendIntent>& intents);
  [[nodiscard]] RpcResult<void> want(Participant& participant, rtp::Mid mid, SlotWant want);
  // False when it already was so.
  bool set_muted(Participant& owner, Track& track, bool muted, MutedBy by);
  // Whether the owner may unmute it himself.
  [[nodiscard]] bool may_unmute(const Participant& owner, const Track& track) const;
  // From now on, for everybody who is there and who comes. How many tracks it has muted.
  std::size_t mute_all(MuteAll mute);
  // What mute_all() has stopped goes on. False when there was none.
  bool clear_mute_all(MutedBy by);
  [[nodiscard]] bool is_muted_by_host(const Participant& participant) const;
  // No picture is forwarded, or pictures are again.
  void withhold_pictures(bool withheld);
  void update_slots();
  // How many cameras and microphones go to each at most; nothing: as configured.
  void set_slot_limits(std::optional<std::uint32_t> last_n, std::optional<std::uint32_t> loudest);

  // ---- codecs (session_codecs.cpp)
  // What the room takes from now on: of new offers at once, of what is sent by asking for it.
  void set_codecs(CodecPolicy policy);
  // What is sent has come, or has changed its codec.
  void track_started(Participant& participant, const server::TrackStarted& event);

  // ---- what the worker says (session_media.cpp)
  void peer_connected(Participant& participant);
  void peer_away(Participant& participant, bool away);
  // The worker has forgotten it: tracks end, the person may offer again.
  void peer_closed(Participant& participant, server::CloseReason reason);
  void slot_switched(Participant& participant, const server::SlotSwitched& event);
  void slot_layer(Participant& participant, const server::SlotLayer& decision);
  // Of one worker.
  void speakers(std::size_t worker, const server::Speakers& told);

  // ---- what reaches whom and why (session_downlink.cpp)
  // One entry a slot, in the order of the m-lines, as subscription.get gives them.
  [[nodiscard]] Json subscriptions(const Participant& participant) const;
  // While the recorder watches the largest of everything is wanted, and it counts as a member who
  // does not decode every codec.
  void set_recorded(bool recorded);

  // ---- to everybody
  void notify(const Participant& participant, std::string_view method, Json params);
  void broadcast(std::string_view method, const Json& params, const Participant* except = nullptr);
  void event(std::string_view type, Json data);

  // Set by the owner: what happens when somebody's time to come back is over.
  std::function<void(const std::string& participant_id, std::string_view reason)> on_timeout;
  // Set by the owner: the last host has been gone for as long as the room allows.
  std::function<void()> on_host_left;
  // Set by the owner: somebody's media has ended by an offer of his.
  std::function<void(const std::string& participant_id)> on_offline;
  // Set by the owner: a request has come on somebody's data channel for chat.
  std::function<void(Participant& from, std::string_view text)> on_chat_request;
  // Set by the owner: the worker with the least to do but for these, if there is another.
  std::function<std::optional<std::size_t>(const std::vector<std::size_t>& but_for)> other_worker;

 private:
  // In larger rooms only the loudest are heard (slot_limits()).
  static constexpr std::size_t kManyPeople = 20;
  // A codec that is merely liked better is not asked for more often.
  static constexpr std::chrono::seconds kPreferAfter{10};
  // Nor is one that was asked for and did not come.
  static constexpr std::chrono::seconds kAskAgainAfter{1};

  // Of a participant's messages over data channels, and of what is delivered of them.
  static constexpr double kDataMessagesPerS = 500;
  static constexpr double kDataMessagesAtOnce = 1'000;
  static constexpr double kDeliveredBytesPerS = 2'097'152;
  static constexpr double kDeliveredBytesAtOnce = 8'388'608;

  [[nodiscard]] std::vector<const Participant*> receivers(
      const Participant& from, std::string_view label,
      const std::optional<std::vector<std::string>>& to) const;
  enum class RosterKind : std::uint8_t { Joined, Updated, Left };
  struct RosterChange {
    RosterKind kind = RosterKind::Joined;
    std::string participant_id;
    Json params;
  };
  // Somebody is there, or matters now as he did not before.
  void list_if_due(Participant& participant);
  void put_on_list(Participant& participant);
  // He leaves; others take his place in the list.
  void unlist(Participant& participant, std::string_view reason);
  void tell_roster(RosterKind kind, const Participant& about, Json params);
  void tell_count();
  void arm_roster(std::chrono::milliseconds after);
  void tell_roster_changes();
  // Of the listed but for him, those who publish first; how many did not fit in.
  struct Snapshot {
    Json participants;
    std::size_t omitted = 0;
  };
  [[nodiscard]] Snapshot snapshot_for(const Participant& newcomer) const;
  // As it is to be told now; nothing of who is not there any more, but that he has left.
  [[nodiscard]] std::optional<Json> told_as(const RosterChange& change) const;
  [[nodiscard]] std::uint64_t next_roster_change() const noexcept {
    return first_roster_change_ + roster_changes_.size();
  }
  [[nodiscard]] std::vector<ConnectionId> sockets(const Participant* except) const;
  void send_to(std::vector<ConnectionId> to, std::string_view method, const Json& params);
  // What is written and its rules, over data channels to who has them for it. `if_kept`: nothing
  // while the disk has it not.
  void tell_chat(std::string_view method, const Json& params, bool if_kept);
  void withhold_again(Participant& owner);
  void watch_host();
  void tell_admitters(std::string_view method, const Json& params);
  [[nodiscard]] std::optional<Waiting> take_waiting(std::string_view participant_id,
                                                    std::string_view reason);
  void drop_peer(Participant& participant);
  // Changes what is muted of a track, and tells the worker and everybody what came of it.
  template <class Change>
  bool change_mute(Participant& owner, Track& track, MutedBy by, const Change& change);
  [[nodiscard]] bool withholds(const Participant& owner, const Track& track) const noexcept;
  void unpublish(Participant& participant, std::size_t index);
  // True when tracks came or went.
  bool apply_tracks(Participant& participant, const sdp::Offer& offer, const Plan& plan,
                    const std::vector<server::PublishSection>& sections);
  // The worker for one peer more.
  [[nodiscard]] std::size_t worker_for_new_peer();
  void spread_to(std::size_t worker);
  void open_mirror(const Participant& owner, const Track& track, std::size_t worker);
  void apply_slots(Participant& participant, const sdp::Offer& offer, const Plan& plan);
  void replace_slots(Participant& participant, std::vector<Slot> slots,
                     std::vector<server::CodecParams> decodes);
  void update_slots(Participant& participant, const RankedTracks& tracks);
  [[nodiscard]] RankedTracks ranked_tracks() const;
  [[nodiscard]] SlotLimits slot_limits() const;
  void choose_dominant(const std::vector<server::TrackNo>& talkers);
  [[nodiscard]] Json speakers_now() const;  // as they are told to everybody
  void tell_slot(Participant& participant, Slot& slot, std::optional<server::TrackNo> track);
  [[nodiscard]] RpcResult<Plan> plan_offer(Participant& participant, Negotiation& negotiation,
                                           const sdp::Offer& offer,
                                           const std::vector<SendIntent>& intents);
  [[nodiscard]] std::vector<Viewer> viewers(const Participant* but_for) const;
  // Whether all that is published can go on to be seen by all when these slots are added.
  [[nodiscard]] RpcResult<void> check_slots(const Participant& newcomer, const sdp::Offer& offer,
                                            const Plan& plan,
                                            const std::vector<Viewer>& others) const;
  void codec_refused(Participant& participant, const RpcError& error);
  void update_codecs();
  void ask_codec(Participant& owner, Track& track, const server::CodecParams& codec);
  // What he may not have heard while his socket was lost.
  void ask_codecs_again(Participant& owner);
  void tell_if_undecodable(Participant& participant, Slot& slot);
  void set_state(Participant& participant, ParticipantState state);
  void arm_reconnect(Participant& participant);
  void say_bye(const Participant& participant, std::string_view reason);
  void left_event(const Participant& participant, std::string_view reason);
  void arm_end(Participant& participant);
  void cancel_timers(Participant& participant);
  void watch_quality(Participant& participant);
  void tell_quality(Participant& participant);
  void update_wanted();
  void note_wanted(const Slot& slot, bool there);
  [[nodiscard]] bool tell_more_wanted();
  void tell_wanted(const Participant& owner, Track& track);
  void tell_wanted(const Participant& owner, Track& track, std::uint32_t height, bool single);
  void tell_wanted_again(Participant& owner);
  void remember_change(const Participant& participant, const ParticipantChange& change);

  Context& context_;
  std::string id_;
  std::string room_id_;
  std::string room_name_;
  std::string tenant_;
  std::vector<std::size_t> workers_;        // each has the worker room open
  std::vector<server::Speakers> speakers_;  // as each of them told it
  std::optional<server::TrackNo> dominant_;
  server::RoomId worker_room_;
  std::int64_t started_ms_;
  std::size_t peak_ = 0;
  std::uint64_t next_order_ = 0;
  std::uint32_t last_peer_ = 0;
  bool ever_connected_ = false;
  std::optional<MuteAll> mute_all_;
  std::map<std::string, ParticipantChange, std::less<>> given_;  // by identity
  bool pictures_withheld_ = false;
  bool recorded_ = false;
  // Of all slots with video: which track is wanted how high by how many, and by how many that take
  // no layers of AV1.
  struct Wanted {
    std::map<std::uint32_t, std::size_t> heights;
    std::size_t without_layers = 0;
  };
  std::unordered_map<server::TrackNo, Wanted> wanted_;
  ViewerCounts viewers_;
  Timers::Id wanted_timer_ = 0;
  std::optional<std::uint32_t> last_n_;
  std::optional<std::uint32_t> loudest_;
  People participants_;
  std::size_t shown_ = 0;                     // of them, not hidden
  std::vector<Participant*> listed_;          // in the order in which they came onto the list
  std::vector<RosterChange> roster_changes_;  // not told yet
  std::uint64_t first_roster_change_ = 0;     // the number of the first of them
  bool count_changed_ = false;                // and not told
  Timers::Id roster_timer_ = 0;
  rtp::Time roster_due_{};
  std::vector<Waiting> waiting_;
  bool ending_ = false;  // all are being sent away
  bool had_host_ = false;
  std::optional<std::int64_t> host_absent_since_;
  std::optional<std::int64_t> end_after_host_left_ms_;
  Timers::Id host_timer_ = 0;
  bool upright_;  // it is to be recorded: pictures come as they are to be seen
  CodecPolicy codecs_;
  Timers::Id codec_timer_ = 0;
  struct Countdown {
    Timers::Id timer = 0;
    std::int64_t ends_at_ms = 0;
  };
  std::map<std::string, Countdown, std::less<>> timers_;
  ChatRules chat_rules_;
  bool data_enabled_;
  SessionObserver observer_;
};

}  // namespace parley::control
