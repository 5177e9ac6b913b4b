#include <algorithm>
#include <utility>

#include "control/pages.h"
#include "control/recordings.h"
#include "control/signed_link.h"
#include "recorder/names.h"

// How recordings are fetched and watched: links that carry their own permission.
namespace parley::control {
namespace {

using State = RecordingRecord::State;

constexpr std::string_view kPrefix = "/v1/recordings/";
constexpr std::string_view kPlayer = "play";  // instead of a file's name, which has an ending

HttpResponse plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text) + "\n";
  return response;
}

RpcError not_ready() {
  return rpc_error(Status::FailedPrecondition, "recording_not_ready",
                   "the recording is not completed", "recording_id");
}

}  // namespace

RpcResult<Json> Recordings::links(const RecordingRecord& record,
                                  const std::optional<std::string>& file, std::int64_t ttl_s,
                                  std::string_view audience) const {
  if (record.state == State::Deleted) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "recording_deleted",
                                    "the files were deleted", "recording_id"));
  }
  if (record.state != State::Completed && record.files.empty()) {
    return tl::unexpected(not_ready());
  }
  const std::int64_t expires_ms = context_.wall_ms() + ttl_s * 1'000;
  const std::vector<std::string> names = record.file_names();
  if (names.empty()) return tl::unexpected(not_ready());
  if (file) {
    if (std::find(names.begin(), names.end(), *file) == names.end()) {
      return tl::unexpected(
          rpc_error(Status::NotFound, "file_not_found", "the recording has no such file", "file"));
    }
    return Json::object(
        {{"url", link(record, *file, expires_ms, audience)}, {"expires_at_ms", expires_ms}});
  }
  Json list = Json::array();
  for (const std::string& name : names) {
    list.push(Json::object({{"name", name},
                            {"url", link(record, name, expires_ms, audience)},
                            {"expires_at_ms", expires_ms}}));
  }
  return Json::object({{"page", link(record, kPlayer, expires_ms, audience)},
                       {"url", link(record, names.front(), expires_ms, audience)},
                       {"files", std::move(list)},
                       {"expires_at_ms", expires_ms}});
}

std::string Recordings::link(const RecordingRecord& record, std::string_view name,
                             std::int64_t expires_ms, std::string_view audience) const {
  return context_.config.control.public_url +
         sign_link(std::string(kPrefix) + record.id + "/" + std::string(name), expires_ms, audience,
                   link_key_);
}

HttpResponse Recordings::serve_player_of(const std::string& recording_id,
                                         const SignedLink& how) const {
  const RecordingRecord* record = find(recording_id);
  if (record == nullptr || record->state == State::Deleted) {
    return plain(404, "the recording is gone");
  }
  Json files = Json::array();
  const Json whole = record->to_json();
  for (const Json& file : *whole.find("files")->as_array()) {
    Json shown = file;
    shown.set("who", text_member(file, "participant_name"));
    shown.set("url", link(*record, text_member(file, "name"), how.expires_ms, how.audience));
    files.push(std::move(shown));
  }
  return serve_player(Json::object({{"room_name", record->room_name},
                                    {"started_ms", record->started_ms},
                                    {"duration_ms", record->duration_ms},
                                    {"truncated", record->truncated},
                                    {"chapters", record->chapters},
                                    {"files", std::move(files)}}),
                      origin_of(context_.config.recording.upload));
}

HttpResponse Recordings::serve(const HttpRequest& request) const {
  const auto signed_by = verify_link(request.path, request.query, link_key_, context_.wall_ms());
  if (!signed_by) {
    return plain(403, "this link is not valid: " + std::string(to_string(signed_by.error())));
  }
  const std::string_view rest = std::string_view(request.path).substr(kPrefix.size());
  const std::size_t slash = rest.find('/');
  const std::string id(rest.substr(0, slash));
  const std::string name(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
  if (name == kPlayer) return serve_player_of(id, *signed_by);
  const std::filesystem::path path = recorder_.file_path(id, name);
  HttpResponse response;
  if (path.empty()) {
    const RecordingRecord* record = find(id);
    const std::int64_t left_s = (signed_by->expires_ms - context_.wall_ms()) / 1'000;
    const std::string copy = record == nullptr ? "" : link_to_copy(*record, name, left_s);
    if (copy.empty()) return plain(404, "the recording is gone");
    response = plain(302, "it is in the object store");
    response.headers = {{"Location", copy}, {"Cache-Control", "private, no-store"}};
    return response;
  }
  response.content_type = std::string(recorder::content_type_of(name));
  if (response.content_type.starts_with("text/")) response.content_type += "; charset=utf-8";
  response.headers = {{"X-Content-Type-Options", "nosniff"},
                      {"Cache-Control", "private, no-store"},
                      {"Content-Disposition", "inline; filename=\"" + name + "\""}};
  response.file = path.string();
  return response;
}

}  // namespace parley::control
