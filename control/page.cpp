#include "control/page.h"

#include <charconv>
#include <system_error>

namespace parley::control {

Page::Page(Params& params, Order order)
    : limit_(
          static_cast<std::size_t>(params.optional_integer("limit", 1, kMaxLimit).value_or(100))),
      order_(order) {
  const auto token = params.optional_text("page_token", {1, 256});
  if (!token) return;
  // time~id~value, as result() wrote it
  const std::size_t first = token->find('~');
  const std::size_t second = token->rfind('~');
  const auto number = [](std::string_view text, auto& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size();
  };
  Key key;
  const bool good = first != std::string::npos && second > first &&
                    number(std::string_view(*token).substr(0, first), key.first) &&
                    number(std::string_view(*token).substr(second + 1), value_);
  if (!good) {
    params.refuse("page_token", "page_token is none that a list gave");
    return;
  }
  key.second = token->substr(first + 1, second - first - 1);
  after_ = std::move(key);
}

bool Page::takes(std::int64_t time_ms, std::string_view id) {
  if (after_) {
    const Key key(time_ms, id);
    if (order_ == Order::OldestFirst ? key <= *after_ : key >= *after_) return false;
  }
  if (rows_.as_array()->size() < limit_ && bytes_ < kMaxBytes) return true;
  more_ = true;
  return false;
}

void Page::add(Json row, std::int64_t time_ms, std::string_view id) {
  bytes_ += row.dump().size();
  rows_.push(std::move(row));
  last_ = {time_ms, std::string(id)};
}

Json Page::result(std::string_view name, std::uint64_t value) {
  Json json = Json::object({{std::string(name), std::move(rows_)}});
  if (more_) {
    json.set("next_page_token",
             std::to_string(last_.first) + "~" + last_.second + "~" + std::to_string(value));
  }
  return json;
}

}  // namespace parley::control
