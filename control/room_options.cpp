#include "control/room_options.h"

#include <array>

#include "control/codec_agreement.h"

namespace parley::control {
namespace {

constexpr std::int64_t kMostForwarded = 1'000;  // more than anybody has slots
constexpr std::int64_t kWeekS = 604'800;
constexpr std::array<std::string_view, 13> kOptions = {
    "max_participants", "empty_timeout_s", "departure_timeout_s",
    "recording",        "lobby",           "max_duration_ms",
    "on_host_left",     "last_n",          "loudest",
    "codecs",           "enable_chat",     "chat_slow_mode_s",
    "enable_data"};

void read_codecs(Params& p, std::vector<std::string>& codecs) {
  const Json::Array* list = p.array("codecs", CodecPolicy::kMaxNames);
  if (list == nullptr) return;
  std::vector<std::string> names;
  for (const Json& item : *list) {
    const std::string* text = item.as_string();
    names.push_back(text == nullptr ? std::string() : *text);
  }
  if (CodecPolicy::from(names)) {
    codecs = std::move(names);
  } else {
    p.refuse("codecs", "codecs are VP8, VP9, AV1, H265, H264 or H264/42e01f, the best first");
  }
}

}  // namespace

void read_room_options(Params& p, const config::Rooms& limits, RoomConfig& config) {
  const auto number = [&](std::string_view name, std::int64_t min, std::int64_t max,
                          std::uint32_t& into) {
    const auto value = p.optional_integer(name, min, max);
    if (value) into = static_cast<std::uint32_t>(*value);
  };
  number("max_participants", 1, limits.max_participants, config.max_participants);
  number("empty_timeout_s", 1, kWeekS, config.empty_timeout_s);
  number("departure_timeout_s", 0, kWeekS, config.departure_timeout_s);
  config.lobby = p.optional_flag("lobby").value_or(config.lobby);
  if (const auto ms = p.optional_integer("max_duration_ms", 1, kWeekS * 1'000)) {
    config.max_duration_ms = ms;
  }
  if (const auto n = p.optional_integer("last_n", 1, kMostForwarded)) {
    config.last_n = static_cast<std::uint32_t>(*n);
  }
  if (const auto n = p.optional_integer("loudest", 1, kMostForwarded)) {
    config.loudest = static_cast<std::uint32_t>(*n);
  }
  if (const auto text = p.optional_text("on_host_left", {1, 64})) {
    if (const auto end_after = read_on_host_left(*text)) {
      config.end_after_host_left_ms = *end_after;
    } else {
      p.refuse("on_host_left",
               "on_host_left must be \"continue\", \"end\" or \"end_after_s:N\", at most a day");
    }
  }
  read_codecs(p, config.codecs);
  config.chat = p.optional_flag("enable_chat").value_or(config.chat);
  number("chat_slow_mode_s", 0, kLongestSlowModeS, config.chat_slow_mode_s);
  config.data = p.optional_flag("enable_data").value_or(config.data);
  if (const Json::Object* recording = p.object("recording")) {
    const Json nested{Json::Object(*recording)};
    Params inner(nested);
    if (const auto when = inner.choice("auto", {"off", "session"})) {
      config.record_sessions = *when == "session";
    }
    read_recording_options(inner, config.recording);
    if (auto ok = inner.finish(); !ok) p.refuse_inside("recording", ok.error());
  }
}

Json read_room_defaults(Params& p, const config::Rooms& limits) {
  Json kept{Json::Object{}};
  const Json::Object* given = p.object("defaults");
  if (given == nullptr) return kept;
  const Json nested{Json::Object(*given)};
  Params inner(nested);
  RoomConfig any_room;
  read_room_options(inner, limits, any_room);
  if (auto ok = inner.finish(); !ok) p.refuse_inside("defaults", ok.error());
  // In an order of our own, so that the same defaults are the same record.
  for (const std::string_view name : kOptions) {
    const Json* value = nested.find(name);
    if (value != nullptr && !value->is_null()) kept.set(name, *value);
  }
  return kept;
}

tl::expected<void, std::string> check_codecs(const config::Rooms& server) {
  const auto policy = CodecPolicy::from(server.codecs);
  if (policy) return {};
  return tl::unexpected("rooms.codecs: \"" + policy.error() + "\" is no video codec");
}

RoomConfig default_room(const config::Rooms& server, const Tenant* tenant) {
  RoomConfig config;
  config.max_participants = server.max_participants;
  config.empty_timeout_s = server.empty_timeout_s;
  config.departure_timeout_s = server.departure_timeout_s;
  config.codecs = server.codecs;
  config.chat = server.enable_chat;
  config.data = server.enable_data;
  if (tenant == nullptr) return config;
  // They were checked when they were put. What the configuration does not allow any more is left
  // out, and the room gets what the server has.
  Params defaults(tenant->defaults);
  read_room_options(defaults, server, config);
  return config;
}

}  // namespace parley::control
