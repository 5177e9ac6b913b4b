#include "server/log.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "server/loop.h"

namespace parley::server::log {
namespace {

struct State {
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
  config::LogFormat format = config::LogFormat::Text;

  std::mutex limits_mutex;
  struct Limit {
    std::string event;
    rtp::Time next{};
    std::uint64_t suppressed = 0;
  };
  // A handful of event names; the oldest place is reused, so the table cannot grow.
  std::array<Limit, 64> limits;
  std::size_t next_limit = 0;
};

State& state() {
  static State instance;
  return instance;
}

const char* pattern_of(config::LogFormat format) {
  return format == config::LogFormat::Json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                           : "%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v";
}

spdlog::logger& logger() {
  State& s = state();
  if (!s.logger) {
    s.logger = std::make_shared<spdlog::logger>("parley",
                                                std::make_shared<spdlog::sinks::stderr_sink_mt>());
    s.logger->set_pattern(pattern_of(s.format), spdlog::pattern_time_type::utc);
  }
  return *s.logger;
}

spdlog::level::level_enum level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::Debug:
      return spdlog::level::debug;
    case config::LogLevel::Info:
      return spdlog::level::info;
    case config::LogLevel::Warn:
      return spdlog::level::warn;
    case config::LogLevel::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Control characters would let a name forge lines; quotes would break the JSON.
void append_escaped(std::string& out, std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
}

bool plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c != '"' && c != '\\' && c != '=' && c != '\x7f';
  });
}

void append_value(std::string& out, const Value& value, bool json) {
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::same_as<T, std::string_view>) {
          if (!json && plain(v)) {
            out += v;
            return;
          }
          out += '"';
          append_escaped(out, v);
          out += '"';
        } else if constexpr (std::same_as<T, bool>) {
          out += v ? "true" : "false";
        } else {
          fmt::format_to(std::back_inserter(out), "{}", v);
        }
      },
      value.variant());
}

std::string line_of(std::string_view event, Fields fields, std::uint64_t suppressed) {
  const bool json = state().format == config::LogFormat::Json;
  std::string line;
  line.reserve(160);
  if (json) {
    line += R"("event":)";
    append_value(line, event, true);
  } else {
    line += event;
  }
  const auto append = [&](std::string_view key, const Value& value) {
    if (json) {
      line += ",\"";
      append_escaped(line, key);
      line += "\":";
    } else {
      line += ' ';
      line += key;
      line += '=';
    }
    append_value(line, value, json);
  };
  for (const Field& field : fields) append(field.key, field.value);
  if (suppressed > 0) append("suppressed", suppressed);
  return line;
}

void write(spdlog::level::level_enum level, std::string_view event, Fields fields,
           std::uint64_t suppressed = 0) {
  spdlog::logger& target = logger();
  if (!target.should_log(level)) return;
  const std::string line = line_of(event, fields, suppressed);
  target.log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void start(const config::Log& config) {
  State& s = state();
  s.format = config.format;
  {
    const std::lock_guard lock(s.limits_mutex);
    s.limits = {};
  }
  s.pool = std::make_shared<spdlog::details::thread_pool>(config.queue_lines, 1);
  s.logger = std::make_shared<spdlog::async_logger>(
      "parley", std::make_shared<spdlog::sinks::stderr_sink_mt>(), s.pool,
      spdlog::async_overflow_policy::overrun_oldest);
  s.logger->set_level(level_of(config.level));
  s.logger->set_pattern(pattern_of(config.format), spdlog::pattern_time_type::utc);
  s.logger->flush_on(spdlog::level::info);
}

void stop() {
  State& s = state();
  s.pool
      .reset();  // writes what is queued and joins its thread; only then nobody else has the logger
  s.logger.reset();
}

void set_level(config::LogLevel level) { logger().set_level(level_of(level)); }

void debug(std::string_view event, Fields fields) { write(spdlog::level::debug, event, fields); }
void info(std::string_view event, Fields fields) { write(spdlog::level::info, event, fields); }
void warn(std::string_view event, Fields fields) { write(spdlog::level::warn, event, fields); }
void error(std::string_view event, Fields fields) { write(spdlog::level::err, event, fields); }

void limited(std::string_view event, Fields fields) {
  State& s = state();
  const rtp::Time now = Loop::now();
  std::uint64_t suppressed = 0;
  {
    const std::lock_guard lock(s.limits_mutex);
    auto found = std::find_if(s.limits.begin(), s.limits.end(),
                              [&](const State::Limit& limit) { return limit.event == event; });
    if (found == s.limits.end()) {
      found = s.limits.begin() + static_cast<std::ptrdiff_t>(s.next_limit);
      s.next_limit = (s.next_limit + 1) % s.limits.size();
      *found = {std::string(event), rtp::Time{}, 0};
    }
    if (now < found->next) {
      ++found->suppressed;
      return;
    }
    suppressed = found->suppressed;
    found->suppressed = 0;
    found->next = now + std::chrono::seconds(1);
  }
  write(spdlog::level::warn, event, fields, suppressed);
}

std::uint64_t overruns() noexcept {
  const State& s = state();
  return s.pool ? s.pool->overrun_counter() : 0;
}

}  // namespace parley::server::log
