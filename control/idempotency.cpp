#include "control/idempotency.h"

#include <algorithm>

#include "control/room.h"

namespace parley::control {
namespace {

constexpr std::string_view kKind = "idempotency";

Json sorted(const Json& value) {
  if (const Json::Array* array = value.as_array()) {
    Json::Array out;
    for (const Json& item : *array) out.push_back(sorted(item));
    return Json(std::move(out));
  }
  const Json::Object* object = value.as_object();
  if (object == nullptr) return value;
  Json::Object out;
  for (const auto& [name, member] : *object) {
    if (name != "idempotency_key") out.emplace_back(name, sorted(member));
  }
  std::sort(out.begin(), out.end(),
            [](const Json::Member& a, const Json::Member& b) { return a.first < b.first; });
  return Json(std::move(out));
}

std::string id_of(std::string_view scope, const Json& params) {
  return std::string(scope) + "/" + text_member(params, "idempotency_key");
}

}  // namespace

std::string canonical_params(const Json& params) { return sorted(params).dump(); }

void Idempotency::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != kKind) continue;
    const auto body = Json::parse(row.body);
    if (!body) continue;
    const Json* result = body->find("result");
    entries_[row.id] = {text_member(*body, "params"), result == nullptr ? Json() : *result,
                        row.created_ms};
    by_age_[{row.created_ms, row.id}] = true;
  }
  forget_old();
}

RpcResult<std::optional<Json>> Idempotency::find(std::string_view scope, const Json& params) {
  if (params.find("idempotency_key") == nullptr) return std::optional<Json>();
  const auto it = entries_.find(id_of(scope, params));
  if (it == entries_.end() || it->second.at_ms + kKeepMs <= context_.wall_ms()) {
    return std::optional<Json>();
  }
  if (it->second.params != canonical_params(params)) {
    return tl::unexpected(rpc_error(Status::FailedPrecondition, "idempotency_mismatch",
                                    "this key was used with other params", "idempotency_key"));
  }
  Json result = it->second.result;
  result.set("replayed", true);
  return std::optional<Json>(std::move(result));
}

void Idempotency::remember(std::string_view scope, const Json& params, const Json& result) {
  if (params.find("idempotency_key") == nullptr) return;
  forget_old();
  const std::string id = id_of(scope, params);
  const std::int64_t now = context_.wall_ms();
  if (const auto old = entries_.find(id); old != entries_.end()) {
    by_age_.erase({old->second.at_ms, id});
  }
  entries_[id] = {canonical_params(params), result, now};
  by_age_[{now, id}] = true;
  const Json body = Json::object({{"params", entries_[id].params}, {"result", result}});
  context_.outbox.put({std::string(kKind), id, "", body.dump(), now});
}

void Idempotency::forget_old() {
  while (!by_age_.empty()) {
    const auto& [at_ms, id] = by_age_.begin()->first;
    if (at_ms + kKeepMs > context_.wall_ms() && entries_.size() < kMaxEntries) return;
    context_.outbox.remove(kKind, id);
    entries_.erase(id);
    by_age_.erase(by_age_.begin());
  }
}

}  // namespace parley::control
