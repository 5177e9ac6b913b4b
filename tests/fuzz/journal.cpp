// A journal as a crash, or another program, may leave it, and what says how far it is.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "recorder/compose/growing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto contents = parley::recorder::journal::parse(text, text);
  if (contents) (void)contents->manifest.to_json();
  if (contents) (void)parley::compose::plan_of(*contents, "folder");
  return 0;
}
