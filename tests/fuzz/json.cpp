// JSON: whatever is accepted is written as JSON that reads the same.
#include "control/json.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::control::Json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = Json::parse(text);
  // Any bytes at all can be written as a string.
  if (!Json::parse(Json(text.substr(0, 1'000)).dump())) std::abort();
  if (!value) return 0;
  const auto again = Json::parse(value->dump(), {1U << 24U, 32, 65'536});
  if (!again || !(*again == *value)) std::abort();
  return 0;
}
