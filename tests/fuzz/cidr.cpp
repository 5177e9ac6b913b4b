// Address ranges: what is taken is an address of digits, dots and colons with a prefix, and holds
// that address itself. Any text may be asked for.
#include "control/cidr.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::control::Cidr;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Cidr ten = *Cidr::parse("10.0.0.0/8");
  static const Cidr everything = *Cidr::parse("::/0");
  (void)ten.contains(text);
  if (everything.contains(text) && text.find(':') == std::string_view::npos) std::abort();
  const auto range = Cidr::parse(text);
  if (!range) return 0;
  if (text.find_first_not_of("0123456789abcdefABCDEF.:/") != std::string_view::npos) std::abort();
  if (!range->contains(text.substr(0, text.find('/')))) std::abort();
  return 0;
}
