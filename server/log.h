#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

#include "config/config.h"

// Log lines for operators: an event name and key=value fields, written to standard error by a
// thread of their own. A full queue drops the oldest line and counts it, so nobody waits for a
// slow terminal. Never called per packet, never given keys or tokens.
//   log::info("peer_connected", {{"room", room.value}, {"worker", index}});
namespace parley::server::log {

class Value {
 public:
  // NOLINTBEGIN(google-explicit-constructor): a field list must read like a list.
  template <std::integral T>
  Value(T number) noexcept {
    if constexpr (std::same_as<T, bool>) {
      value_ = number;
    } else if constexpr (std::signed_integral<T>) {
      value_ = static_cast<std::int64_t>(number);
    } else {
      value_ = static_cast<std::uint64_t>(number);
    }
  }
  Value(double number) noexcept : value_(number) {}
  Value(std::string_view text) noexcept : value_(text) {}
  Value(const char* text) noexcept : value_(std::string_view(text)) {}
  template <class Text>
  requires std::convertible_to<const Text&, std::string_view> &&
      (!std::integral<Text>)Value(const Text& text) noexcept
      : value_(std::string_view(text)) {}
  // NOLINTEND(google-explicit-constructor)

  using Variant = std::variant<std::int64_t, std::uint64_t, double, bool, std::string_view>;
  [[nodiscard]] const Variant& variant() const noexcept { return value_; }

 private:
  Variant value_;
};

struct Field {
  std::string_view key;
  Value value;
};
using Fields = std::initializer_list<Field>;

// Before start() and after stop() lines are written at once, unqueued.
void start(const config::Log& config);
void stop();
// From now on. Any thread.
void set_level(config::LogLevel level);

void debug(std::string_view event, Fields fields = {});
void info(std::string_view event, Fields fields = {});
void warn(std::string_view event, Fields fields = {});
void error(std::string_view event, Fields fields = {});

// A warning that outsiders can provoke: at most one line a second per event name; the next line
// says how many were left out (`suppressed`). Any thread.
void limited(std::string_view event, Fields fields = {});

// Lines dropped because the queue was full.
[[nodiscard]] std::uint64_t overruns() noexcept;

}  // namespace parley::server::log
