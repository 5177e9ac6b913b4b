#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "control/json.h"

namespace parley::control {

// What a participant may do. A role expands to these bits once, when its bearer joins; after that
// the daemon tests bits and never looks at role names again (control-api.md, section 6).

enum class Role : std::uint8_t { Host, CoHost, Participant, Viewer, Observer };
enum class Permission : std::uint16_t {
  PublishCamera = 1 << 0,
  PublishMicrophone = 1 << 1,
  PublishScreenShare = 1 << 2,
  Subscribe = 1 << 3,
  MuteOthers = 1 << 4,
  RemoveOthers = 1 << 5,
  EndSession = 1 << 6,
  Record = 1 << 7,
  ListRecordings = 1 << 8,
  AdmitOthers = 1 << 9,  // and lock the room
  RunTimers = 1 << 10,
  SendChat = 1 << 11,
  ModerateChat = 1 << 12,  // and write however slow the room is
  SendData = 1 << 13,
};

class Permissions {
 public:
  constexpr Permissions() = default;
  // Unless the tenant has a table of his own (role_table.h).
  [[nodiscard]] static Permissions of(Role role) noexcept;
  [[nodiscard]] static Permissions all() noexcept { return of(Role::Host); }
  [[nodiscard]] constexpr bool has(Permission permission) const noexcept {
    return (bits_ & static_cast<std::uint16_t>(permission)) != 0;
  }
  constexpr void add(Permission permission) noexcept {
    bits_ = static_cast<std::uint16_t>(bits_ | static_cast<unsigned>(permission));
  }
  constexpr void remove(Permission permission) noexcept {
    bits_ = static_cast<std::uint16_t>(bits_ & ~static_cast<unsigned>(permission));
  }
  [[nodiscard]] Json names() const;  // ["publish_camera", ...]
  friend constexpr bool operator==(Permissions, Permissions) = default;
  // What both allow.
  friend constexpr Permissions operator&(Permissions a, Permissions b) noexcept {
    a.bits_ = static_cast<std::uint16_t>(a.bits_ & b.bits_);
    return a;
  }

 private:
  std::uint16_t bits_ = 0;
};

[[nodiscard]] std::string_view name_of(Role role) noexcept;
[[nodiscard]] std::optional<Role> role_of(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(Permission permission) noexcept;
[[nodiscard]] std::optional<Permission> permission_of(std::string_view name) noexcept;

// What a track shows or carries; the word is the client's, checked against the m-line's kind.
enum class TrackSource : std::uint8_t { Camera, Microphone, ScreenShare, ScreenShareAudio };
[[nodiscard]] std::string_view name_of(TrackSource source) noexcept;
[[nodiscard]] std::optional<TrackSource> source_of(std::string_view name) noexcept;
[[nodiscard]] constexpr bool is_audio(TrackSource source) noexcept {
  return source == TrackSource::Microphone || source == TrackSource::ScreenShareAudio;
}
[[nodiscard]] Permission permission_for(TrackSource source) noexcept;

}  // namespace parley::control
