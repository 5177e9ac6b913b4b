#include "control/data_address.h"

namespace parley::control {

std::optional<DataAddress> read_data_address(std::span<const std::uint8_t> bytes) {
  if (bytes.empty() || bytes[0] > DataAddress::kMaxReceivers) return std::nullopt;
  DataAddress address;
  const std::size_t count = bytes[0];
  if (count > 0) address.to.emplace();
  address.size = 1;
  for (std::size_t i = 0; i < count; ++i) {
    const auto rest = bytes.subspan(address.size);
    if (rest.empty() || rest.size() - 1 < rest[0]) return std::nullopt;
    const auto id = rest.subspan(1, rest[0]);
    address.to->emplace_back(id.begin(), id.end());
    address.size += 1 + id.size();
  }
  return address;
}

}  // namespace parley::control
