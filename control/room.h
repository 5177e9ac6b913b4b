#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/json.h"
#include "control/recording_options.h"
#include "control/store.h"

namespace parley::control {

// A room: the lasting thing with a name that sessions take place in. Plain data and its JSON, for
// the API and for the store.

inline constexpr std::int64_t kLongestSlowModeS = 3'600;

// What the backend decided when it created the room.
struct RoomConfig {
  std::string tenant;
  std::string name;  // unique within the tenant
  std::optional<std::int64_t> starts_at_ms;
  std::optional<std::int64_t> expires_at_ms;
  std::uint32_t max_participants = 0;
  std::uint32_t empty_timeout_s = 0;
  std::uint32_t departure_timeout_s = 0;
  bool record_sessions = false;                 // recording.auto: "session"
  RecordingOptions recording;                   // how, whoever starts it
  bool lobby = false;                           // who is no host waits until one lets him in
  std::optional<std::int64_t> max_duration_ms;  // of a session
  // Cameras and microphones that go to each at most; nothing: as configured (Session::slot_limits).
  std::optional<std::uint32_t> last_n;
  std::optional<std::uint32_t> loudest;
  // What becomes of a session that its last host has left: after so long it ends.
  std::optional<std::int64_t> end_after_host_left_ms;
  std::vector<std::string> codecs;     // of video, the best first (codec_agreement.h); empty: all
  bool chat = true;                    // people may write to each other
  std::uint32_t chat_slow_mode_s = 0;  // each only so often
  bool data = true;                    // applications may send data, with data channels too
  Json attributes = Json(Json::Object{});
  friend bool operator==(const RoomConfig&, const RoomConfig&) = default;
};

enum class RoomState : std::uint8_t { Scheduled, Open, Locked, Expired };
[[nodiscard]] std::string_view name_of(RoomState state) noexcept;

// Bars an identity's tokens that were issued at or before the ban.
struct Ban {
  std::string identity;
  std::int64_t at_ms = 0;
};

struct Room {
  static constexpr std::size_t kMaxBans = 1'000;

  std::string id;
  RoomConfig config;
  std::int64_t created_ms = 0;
  std::int64_t version = 1;
  std::vector<Ban> bans;
  bool locked = false;       // nobody new comes in
  bool expiry_told = false;  // room.expired has been sent

  [[nodiscard]] RoomState state(std::int64_t now_ms) const noexcept;
  [[nodiscard]] bool is_banned(std::string_view identity, std::int64_t token_issued_ms) const;
  // As the API shows it; the caller adds what is going on in it.
  [[nodiscard]] Json to_json(std::int64_t now_ms) const;
  [[nodiscard]] Row to_row() const;
  [[nodiscard]] static std::optional<Room> from_row(const Row& row);
};

[[nodiscard]] Json config_json(const RoomConfig& config);
// "continue", "end" or "end_after_s:120" (also "end_after_ms:"), and what it stands for.
[[nodiscard]] std::optional<std::optional<std::int64_t>> read_on_host_left(std::string_view text);

}  // namespace parley::control
