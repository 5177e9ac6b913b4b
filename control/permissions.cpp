#include "control/permissions.h"

#include <algorithm>
#include <array>
#include <utility>

namespace parley::control {
namespace {

constexpr std::array kRoles = {
    std::pair<Role, std::string_view>{Role::Host, "host"},
    std::pair<Role, std::string_view>{Role::CoHost, "co_host"},
    std::pair<Role, std::string_view>{Role::Participant, "participant"},
    std::pair<Role, std::string_view>{Role::Viewer, "viewer"},
    std::pair<Role, std::string_view>{Role::Observer, "observer"},
};
constexpr std::array kPermissions = {
    std::pair<Permission, std::string_view>{Permission::PublishCamera, "publish_camera"},
    std::pair<Permission, std::string_view>{Permission::PublishMicrophone, "publish_microphone"},
    std::pair<Permission, std::string_view>{Permission::PublishScreenShare, "publish_screen_share"},
    std::pair<Permission, std::string_view>{Permission::Subscribe, "subscribe"},
    std::pair<Permission, std::string_view>{Permission::MuteOthers, "mute_others"},
    std::pair<Permission, std::string_view>{Permission::RemoveOthers, "remove_others"},
    std::pair<Permission, std::string_view>{Permission::EndSession, "end_session"},
    std::pair<Permission, std::string_view>{Permission::Record, "record"},
    std::pair<Permission, std::string_view>{Permission::ListRecordings, "list_recordings"},
    std::pair<Permission, std::string_view>{Permission::AdmitOthers, "admit_others"},
    std::pair<Permission, std::string_view>{Permission::RunTimers, "run_timers"},
    std::pair<Permission, std::string_view>{Permission::SendChat, "send_chat"},
    std::pair<Permission, std::string_view>{Permission::ModerateChat, "moderate_chat"},
    std::pair<Permission, std::string_view>{Permission::SendData, "send_data"},
};
constexpr std::array kSources = {
    std::pair<TrackSource, std::string_view>{TrackSource::Camera, "camera"},
    std::pair<TrackSource, std::string_view>{TrackSource::Microphone, "microphone"},
    std::pair<TrackSource, std::string_view>{TrackSource::ScreenShare, "screen_share"},
    std::pair<TrackSource, std::string_view>{TrackSource::ScreenShareAudio, "screen_share_audio"},
};

template <class Table, class Key>
std::string_view name_in(const Table& table, Key key) noexcept {
  for (const auto& [value, name] : table) {
    if (value == key) return name;
  }
  return {};
}

template <class Key, std::size_t N>
std::optional<Key> key_in(const std::array<std::pair<Key, std::string_view>, N>& table,
                          std::string_view text) noexcept {
  for (const auto& [value, name] : table) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace

Permissions Permissions::of(Role role) noexcept {
  constexpr std::uint16_t kAll = 0x3fff;
  constexpr std::uint16_t kPublish = 0b111;
  constexpr auto kSubscribe = static_cast<std::uint16_t>(Permission::Subscribe);
  constexpr auto kWrite = static_cast<std::uint16_t>(static_cast<unsigned>(Permission::SendChat) |
                                                     static_cast<unsigned>(Permission::SendData));
  Permissions permissions;
  switch (role) {
    case Role::Host:
      permissions.bits_ = kAll;
      break;
    case Role::CoHost:
      permissions.bits_ = kAll;
      permissions.remove(Permission::EndSession);
      break;
    case Role::Participant:
      permissions.bits_ = kPublish | kSubscribe | kWrite;
      break;
    case Role::Viewer:
      permissions.bits_ = kSubscribe | kWrite;
      break;
    case Role::Observer:
      permissions.bits_ = kSubscribe;
      break;
  }
  return permissions;
}

Json Permissions::names() const {
  Json list = Json::array();
  for (const auto& [permission, name] : kPermissions) {
    if (has(permission)) list.push(name);
  }
  return list;
}

std::string_view name_of(Role role) noexcept { return name_in(kRoles, role); }
std::optional<Role> role_of(std::string_view name) noexcept { return key_in(kRoles, name); }
std::string_view name_of(Permission permission) noexcept {
  return name_in(kPermissions, permission);
}
std::optional<Permission> permission_of(std::string_view name) noexcept {
  return key_in(kPermissions, name);
}
std::string_view name_of(TrackSource source) noexcept { return name_in(kSources, source); }
std::optional<TrackSource> source_of(std::string_view name) noexcept {
  return key_in(kSources, name);
}

Permission permission_for(TrackSource source) noexcept {
  switch (source) {
    case TrackSource::Camera:
      return Permission::PublishCamera;
    case TrackSource::Microphone:
      return Permission::PublishMicrophone;
    case TrackSource::ScreenShare:
    case TrackSource::ScreenShareAudio:
      return Permission::PublishScreenShare;
  }
  return Permission::PublishScreenShare;
}

}  // namespace parley::control
