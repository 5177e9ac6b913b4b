#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/load.h"

// Any text is a config or a one-line error, never anything else.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = parley::config::load_text(text, "fuzz.yaml");
  if (!config && config.error().find('\n') != std::string::npos) __builtin_trap();
  return 0;
}
