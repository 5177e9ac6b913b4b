#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace parley::control {

// Whom a message on a data channel of server::kDataProtocol is for. In front of the message stand
// the number of those who are named, in one byte, and each of them as the length of his participant
// id, in one byte, and the id. Nobody named: everybody.
struct DataAddress {
  static constexpr std::size_t kMaxReceivers = 64;
  std::optional<std::vector<std::string>> to;
  std::size_t size = 0;  // the message comes behind so many bytes
};
// Nothing when it ends before its end, or names too many.
[[nodiscard]] std::optional<DataAddress> read_data_address(std::span<const std::uint8_t> bytes);

}  // namespace parley::control
