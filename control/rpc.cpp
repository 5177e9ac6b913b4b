#include "control/rpc.h"

namespace parley::control {
namespace {

constexpr std::int64_t kMaxId = (std::int64_t{1} << 53) - 1;  // beyond it JavaScript rounds
constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxMethodBytes = 64;

bool is_usable_id(const Json& id) {
  if (const std::string* text = id.as_string()) {
    return !text->empty() && text->size() <= kMaxIdBytes;
  }
  if (!id.is_int()) return false;
  const std::int64_t number = *id.as_int();
  return number >= -kMaxId && number <= kMaxId;
}

BadRequest bad(Json id, std::string_view reason, std::string message, std::string_view field) {
  return {std::move(id), rpc_error(Status::InvalidRequest, reason, std::move(message), field)};
}

}  // namespace

int code_of(Status status) noexcept {
  switch (status) {
    case Status::ParseError:
      return -32700;
    case Status::InvalidRequest:
      return -32600;
    case Status::MethodNotFound:
      return -32601;
    case Status::InvalidArgument:
      return -32602;
    case Status::Internal:
      return -32603;
    case Status::Unauthenticated:
      return -32001;
    case Status::PermissionDenied:
      return -32002;
    case Status::NotFound:
      return -32003;
    case Status::AlreadyExists:
      return -32004;
    case Status::ResourceExhausted:
      return -32005;
    case Status::FailedPrecondition:
      return -32006;
    case Status::Aborted:
      return -32007;
    case Status::Unavailable:
      return -32008;
    case Status::DeadlineExceeded:
      return -32009;
  }
  return -32603;
}

std::string_view name_of(Status status) noexcept {
  switch (status) {
    case Status::ParseError:
      return "parse_error";
    case Status::InvalidRequest:
      return "invalid_request";
    case Status::MethodNotFound:
      return "method_not_found";
    case Status::InvalidArgument:
      return "invalid_argument";
    case Status::Unauthenticated:
      return "unauthenticated";
    case Status::PermissionDenied:
      return "permission_denied";
    case Status::NotFound:
      return "not_found";
    case Status::AlreadyExists:
      return "already_exists";
    case Status::ResourceExhausted:
      return "resource_exhausted";
    case Status::FailedPrecondition:
      return "failed_precondition";
    case Status::Aborted:
      return "aborted";
    case Status::Unavailable:
      return "unavailable";
    case Status::DeadlineExceeded:
      return "deadline_exceeded";
    case Status::Internal:
      return "internal";
  }
  return "internal";
}

int http_status_of(Status status) noexcept {
  switch (status) {
    case Status::ParseError:
    case Status::InvalidRequest:
    case Status::InvalidArgument:
      return 400;
    case Status::Unauthenticated:
      return 401;
    case Status::PermissionDenied:
      return 403;
    case Status::MethodNotFound:
    case Status::NotFound:
      return 404;
    case Status::AlreadyExists:
    case Status::FailedPrecondition:
    case Status::Aborted:
      return 409;
    case Status::ResourceExhausted:
      return 429;
    case Status::Unavailable:
      return 503;
    case Status::DeadlineExceeded:
      return 504;
    case Status::Internal:
      return 500;
  }
  return 500;
}

RpcError rpc_error(Status status, std::string_view reason, std::string message,
                   std::string_view field) {
  RpcError error;
  error.status = status;
  error.reason = std::string(reason);
  error.message = std::move(message);
  error.field = std::string(field);
  return error;
}

tl::expected<RpcRequest, BadRequest> parse_request(std::string_view text) {
  auto json = Json::parse(text);
  if (!json) {
    return tl::unexpected(
        BadRequest{Json(), rpc_error(Status::ParseError, "parse_error", json.error())});
  }
  if (json->is_array()) {
    return tl::unexpected(
        bad(Json(), "batch", "batches are not served; send requests one by one", ""));
  }
  if (!json->is_object()) {
    return tl::unexpected(bad(Json(), "invalid_request", "a request is a JSON object", ""));
  }
  RpcRequest request;
  if (const Json* id = json->find("id"); id == nullptr || !is_usable_id(*id)) {
    return tl::unexpected(bad(Json(), "invalid_id",
                              "id must be a string of 1..128 bytes or a whole number below 2^53",
                              "id"));
  } else {
    request.id = *id;
  }
  for (const auto& [name, value] : *json->as_object()) {
    if (name != "jsonrpc" && name != "id" && name != "method" && name != "params") {
      return tl::unexpected(
          bad(request.id, "unknown_field", "a request has no member of this name", name));
    }
  }
  const Json* version = json->find("jsonrpc");
  if (version == nullptr || *version != Json("2.0")) {
    return tl::unexpected(bad(request.id, "invalid_version", "jsonrpc must be \"2.0\"", "jsonrpc"));
  }
  const Json* method = json->find("method");
  const std::string* method_name = method == nullptr ? nullptr : method->as_string();
  if (method_name == nullptr || method_name->empty() || method_name->size() > kMaxMethodBytes) {
    return tl::unexpected(
        bad(request.id, "invalid_method", "method must be a string of 1..64 bytes", "method"));
  }
  request.method = *method_name;
  if (const Json* params = json->find("params"); params != nullptr) {
    if (!params->is_object()) {
      return tl::unexpected(
          bad(request.id, "invalid_params", "params must be an object", "params"));
    }
    request.params = *params;
  }
  return request;
}

std::string rpc_answer(const Json& id, const Json& result) {
  return Json::object({{"jsonrpc", "2.0"}, {"id", id}, {"result", result}}).dump();
}

std::string rpc_error_answer(const Json& id, const RpcError& error, std::string_view trace_id) {
  Json data = Json::object({{"status", name_of(error.status)},
                            {"reason", error.reason},
                            {"retryable", error.retryable()}});
  if (error.retry_after_ms) data.set("retry_after_ms", *error.retry_after_ms);
  if (!error.field.empty()) data.set("field", error.field);
  for (const auto& [name, value] : error.details) data.set(name, value);
  data.set("trace_id", trace_id);
  const Json body = Json::object(
      {{"code", code_of(error.status)}, {"message", error.message}, {"data", std::move(data)}});
  return Json::object({{"jsonrpc", "2.0"}, {"id", id}, {"error", body}}).dump();
}

std::string rpc_notification(std::string_view method, const Json& params) {
  return Json::object({{"jsonrpc", "2.0"}, {"method", method}, {"params", params}}).dump();
}

}  // namespace parley::control
