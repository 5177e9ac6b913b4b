#include "control/recording_options.h"

namespace parley::control {

Json RecordingOptions::to_json() const {
  Json json = Json::object({{"mode", composite ? "composite" : "tracks"}});
  if (keep_days) json.set("keep_days", *keep_days);
  if (!upload) json.set("upload", false);
  if (stills) json.set("stills", true);
  if (!composite) return json;
  json.set("composite", Json::object({{"layout", layout},
                                      {"width", width},
                                      {"height", height},
                                      {"fps", fps},
                                      {"codec", codec},
                                      {"video_kbps", video_kbps},
                                      {"audio_kbps", audio_kbps},
                                      {"audio_only", audio_only},
                                      {"names", names},
                                      {"live", live}}));
  return json;
}

RecordingOptions RecordingOptions::from_json(const Json& json) {
  RecordingOptions options;
  options.composite = text_member(json, "mode") == "composite";
  if (const Json* days = json.find("keep_days"); days != nullptr && days->as_int()) {
    options.keep_days = static_cast<std::uint32_t>(*days->as_int());
  }
  if (const Json* upload = json.find("upload")) options.upload = *upload != Json(false);
  options.stills = flag_member(json, "stills");
  const Json* how = json.find("composite");
  if (how == nullptr) return options;
  const auto number = [&](std::string_view name, std::uint32_t& into) {
    into = static_cast<std::uint32_t>(integer_member(*how, name, into));
  };
  options.layout = text_member(*how, "layout");
  number("width", options.width);
  number("height", options.height);
  number("fps", options.fps);
  options.codec = text_member(*how, "codec");
  number("video_kbps", options.video_kbps);
  number("audio_kbps", options.audio_kbps);
  options.audio_only = flag_member(*how, "audio_only");
  options.names = flag_member(*how, "names");
  options.live = flag_member(*how, "live");
  return options;
}

std::vector<std::string> RecordingOptions::arguments() const {
  if (!composite) return {"--stills-only"};
  std::vector<std::string> list{
      "--size",       std::to_string(width) + "x" + std::to_string(height),
      "--fps",        std::to_string(fps),
      "--codec",      codec,
      "--video-kbps", std::to_string(video_kbps),
      "--audio-kbps", std::to_string(audio_kbps)};
  if (audio_only) list.emplace_back("--sound-only");
  if (!names) list.emplace_back("--no-names");
  if (live) list.emplace_back("--live");
  return list;
}

std::optional<std::string> read_layout(Params& params) {
  return params.choice("layout", {"grid", "speaker", "presenter", "pip"});
}

void read_composite(Params& params, RecordingOptions& options) {
  const Json::Object* how = params.object("composite");
  if (how == nullptr) return;
  const Json nested{Json::Object(*how)};
  Params inner(nested);
  const auto number = [&](std::string_view name, std::int64_t min, std::int64_t max,
                          std::uint32_t& into) {
    const auto value = inner.optional_integer(name, min, max);
    if (value) into = static_cast<std::uint32_t>(*value);
  };
  options.composite = true;
  options.layout = read_layout(inner).value_or(options.layout);
  number("width", 160, 4'096, options.width);
  number("height", 90, 4'096, options.height);
  if (options.width % 2 != 0) inner.refuse("width", "width must be even");
  if (options.height % 2 != 0) inner.refuse("height", "height must be even");
  number("fps", 1, 60, options.fps);
  options.codec = inner.choice("codec", {"h264", "vp9", "vp8"}).value_or(options.codec);
  number("video_kbps", 0, 50'000, options.video_kbps);
  number("audio_kbps", 16, 256, options.audio_kbps);
  options.audio_only = inner.optional_flag("audio_only").value_or(options.audio_only);
  options.names = inner.optional_flag("names").value_or(options.names);
  options.live = inner.optional_flag("live").value_or(options.live);
  if (auto ok = inner.finish(); !ok) params.refuse_inside("composite", ok.error());
}

void read_recording_options(Params& params, RecordingOptions& options) {
  const auto mode = params.choice("mode", {"tracks", "composite"});
  if (mode) options.composite = *mode == "composite";
  read_composite(params, options);
  if (const auto days = params.optional_integer("keep_days", 0, 36'500)) {
    options.keep_days = static_cast<std::uint32_t>(*days);
  }
  options.upload = params.optional_flag("upload").value_or(options.upload);
  options.stills = params.optional_flag("stills").value_or(options.stills);
  if (mode && *mode == "tracks" && options.composite) {
    params.refuse("composite", "composite is for the mode \"composite\"");
  }
}

}  // namespace parley::control
