// Page tokens: any text may come as one, and what a list gives goes on behind its last row. The
// input is a token, and the id of a row.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "control/api.h"

namespace {

using namespace parley::control;

std::optional<Page> page_of(const Json& request, Page::Order order) {
  Params params(request);
  Page page(params, order);
  if (!params.finish()) return std::nullopt;
  return page;
}

// Two rows, of which the first page has one.
void turn_the_page(const std::string& id, Page::Order order) {
  const std::int64_t first = order == Page::Order::OldestFirst ? 1'000 : 1'001;
  const std::int64_t second = 2'001 - first;
  auto page = page_of(Json::object({{"limit", 1}}), order);
  if (!page || !page->takes(first, id)) std::abort();
  page->add(Json(id), first, id);
  if (page->takes(second, id)) std::abort();
  const std::string token = text_member(page->result("rows", id.size()), "next_page_token");
  auto next = page_of(Json::object({{"page_token", token}}), order);
  if (!next || next->first_value() != id.size()) std::abort();
  if (next->takes(first, id) || !next->takes(second, id)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const Page::Order order : {Page::Order::OldestFirst, Page::Order::NewestFirst}) {
    const auto page = page_of(Json::object({{"page_token", text}}), order);
    if (page && !page->first_value()) std::abort();
    // No id of ours is longer, and each can be read as a text.
    if (page && size <= 64) turn_the_page(text, order);
  }
  return 0;
}
