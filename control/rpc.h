#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/json.h"

namespace parley::control {

// JSON-RPC 2.0 as parley speaks it on every door: no batches, params by name, ids are strings or
// whole numbers below 2^53. Errors carry a number for JSON-RPC clients, a status word, and a stable
// `reason` for programs (control-api.md, section 5).

enum class Status : std::uint8_t {
  ParseError,
  InvalidRequest,
  MethodNotFound,
  InvalidArgument,
  Unauthenticated,
  PermissionDenied,
  NotFound,
  AlreadyExists,
  ResourceExhausted,
  FailedPrecondition,
  Aborted,
  Unavailable,
  DeadlineExceeded,
  Internal,
};
[[nodiscard]] int code_of(Status status) noexcept;
[[nodiscard]] std::string_view name_of(Status status) noexcept;  // "invalid_argument"
[[nodiscard]] int http_status_of(Status status) noexcept;        // for POST /v1/rpc

struct RpcError {
  Status status = Status::Internal;
  std::string reason;   // "room_full"; programs compare it
  std::string message;  // for people
  std::string field;    // which parameter, if one is to blame
  std::optional<std::int64_t> retry_after_ms;
  Json::Object details;  // further members of `data`

  [[nodiscard]] bool retryable() const noexcept {
    return status == Status::Unavailable || status == Status::ResourceExhausted ||
           status == Status::Aborted || status == Status::DeadlineExceeded;
  }
};
[[nodiscard]] RpcError rpc_error(Status status, std::string_view reason, std::string message,
                                 std::string_view field = {});

template <class T>
using RpcResult = tl::expected<T, RpcError>;

struct RpcRequest {
  Json id;
  std::string method;
  Json params = Json(Json::Object{});
};
// What is wrong with a message, and the id to answer under (null when there is none to trust).
struct BadRequest {
  Json id;
  RpcError error;
};
[[nodiscard]] tl::expected<RpcRequest, BadRequest> parse_request(std::string_view text);

[[nodiscard]] std::string rpc_answer(const Json& id, const Json& result);
// `trace_id` stands in the log line of the same failure.
[[nodiscard]] std::string rpc_error_answer(const Json& id, const RpcError& error,
                                           std::string_view trace_id);
[[nodiscard]] std::string rpc_notification(std::string_view method, const Json& params);

}  // namespace parley::control
