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

std::string key_of(const std::string& id) { return id.substr(0, id.find('/')); }

}  // namespace

std::string canonical_params(const Json& params) { return sorted(params).dump(); }

void Idempotency::load(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (row.kind != kKind) continue;
    const auto body = Json::parse_own(row.body);
    if (!body) continue;
    const Json* result = body->find("result");
    entries_[row.id] = {text_member(*body, "params"), result == nullptr ? Json() : *result,
                        row.created_ms};
    by_age_[key_of(row.id)].emplace(row.created_ms, row.id);
  }
  for (auto& [key, of_key] : by_age_) forget_old(of_key);
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
  const std::string id = id_of(scope, params);
  ByAge& of_key = by_age_[key_of(id)];
  forget_old(of_key);
  const std::int64_t now = context_.wall_ms();
  if (const auto old = entries_.find(id); old != entries_.end()) {
    of_key.erase({old->second.at_ms, id});
  }
  entries_[id] = {canonical_params(params), result, now};
  of_key.emplace(now, id);
  const Json body = Json::object({{"params", entries_[id].params}, {"result", result}});
  context_.outbox.put({std::string(kKind), id, "", body.dump(), now});
}

void Idempotency::forget_old(ByAge& of_key) {
  while (!of_key.empty()) {
    const auto& [at_ms, id] = *of_key.begin();
    if (at_ms + kKeepMs > context_.wall_ms() && of_key.size() < kMaxEntries) return;
    context_.outbox.remove(kKind, id);
    entries_.erase(id);
    of_key.erase(of_key.begin());
  }
}

}  // namespace parley::control
