#include "control/api.h"
#include "server/log.h"

// The API's methods for whoever runs the server.
namespace parley::control {

RpcResult<Json> Api::server_info(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object({{"version", parts_.facts.version},
                       {"boot_id", parts_.facts.boot_id},
                       {"uptime_ms", parts_.context.wall_ms() - parts_.facts.started_ms},
                       {"workers", static_cast<std::uint64_t>(parts_.context.workers.size())},
                       {"rooms", static_cast<std::uint64_t>(parts_.rooms.size())},
                       {"sessions", static_cast<std::uint64_t>(parts_.sessions.running())},
                       {"participants", static_cast<std::uint64_t>(parts_.sessions.participants())},
                       {"store_healthy", parts_.context.outbox.healthy()}});
}

RpcResult<Json> Api::server_stats(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return Json::object({{"time_ms", parts_.context.wall_ms()}, {"metrics", parts_.server.stats()}});
}

RpcResult<Json> Api::server_drain(Call& call) {
  constexpr std::int64_t kDayMs = 86'400'000;
  const auto limit = call.params.optional_integer("limit_ms", 0, kDayMs);
  const bool cancel = call.params.optional_flag("cancel").value_or(false);
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  parts_.sessions.drain(!cancel,
                        limit ? std::optional(std::chrono::milliseconds(*limit)) : std::nullopt);
  return Json::object(
      {{"draining", !cancel}, {"sessions", static_cast<std::uint64_t>(parts_.sessions.running())}});
}

RpcResult<Json> Api::server_reload(Call& call) {
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  return parts_.server.reload();
}

// Until the next start or server.reload.
RpcResult<Json> Api::log_set(Call& call) {
  const auto level = call.params.choice("level", {"debug", "info", "warn", "error"});
  if (!level) call.params.refuse("level", "level is missing");
  if (auto ok = call.params.finish(); !ok) return tl::unexpected(ok.error());
  using config::LogLevel;
  server::log::set_level(*level == "debug"  ? LogLevel::Debug
                         : *level == "info" ? LogLevel::Info
                         : *level == "warn" ? LogLevel::Warn
                                            : LogLevel::Error);
  return Json::object({{"level", *level}});
}

}  // namespace parley::control
