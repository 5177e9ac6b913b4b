#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "control/json.h"
#include "control/params.h"

namespace parley::control {

// One page of a list: rows come in the order of (time, id), the token names the last one given, so
// that it holds even when that row is gone by the time of the next page.
class Page {
 public:
  static constexpr std::int64_t kMaxLimit = 1'000;
  // A page ends with the row that passes this, so that an answer fits into a socket's queue.
  static constexpr std::size_t kMaxBytes = 1'048'576;
  enum class Order : std::uint8_t { OldestFirst, NewestFirst };
  // Reads `limit` and `page_token`.
  explicit Page(Params& params, Order order = Order::OldestFirst);
  // True while the row belongs to this page.
  [[nodiscard]] bool takes(std::int64_t time_ms, std::string_view id);
  // The key after which it begins; the smallest of the first page.
  [[nodiscard]] std::int64_t begins_after() const noexcept {
    return after_ ? after_->first : std::numeric_limits<std::int64_t>::min();
  }
  // Nothing more goes in.
  [[nodiscard]] bool is_full() const noexcept { return more_; }
  void add(Json row, std::int64_t time_ms, std::string_view id);
  // `value` is given back by the next page's first_value().
  [[nodiscard]] Json result(std::string_view name, std::uint64_t value = 0);
  // Of the page before; nothing on the first one.
  [[nodiscard]] std::optional<std::uint64_t> first_value() const {
    return after_ ? std::optional(value_) : std::nullopt;
  }

 private:
  using Key = std::pair<std::int64_t, std::string>;
  std::size_t limit_;
  Order order_;
  std::optional<Key> after_;
  std::uint64_t value_ = 0;
  Key last_;
  bool more_ = false;
  std::size_t bytes_ = 0;
  Json rows_ = Json::array();
};

}  // namespace parley::control
