#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The client's half of RFC 6455 for tests: frames as a client sends them, also broken ones, and a
// reader for what the server sends.
namespace parley::control::test {

struct FrameOptions {
  bool fin = true;
  unsigned rsv = 0;  // RSV1 is 4
  bool mask = true;
  std::optional<std::uint64_t> length = std::nullopt;  // what the header says, if not the truth
  unsigned length_bytes = 0;                           // 2 or 8 to force a longer form than needed
};

inline void append_number(std::string& into, std::uint64_t number, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) into += static_cast<char>((number >> (8 * i)) & 0xFFU);
}

inline std::string frame(unsigned opcode, std::string_view payload, FrameOptions options = {}) {
  std::string bytes;
  bytes += static_cast<char>((options.fin ? 0x80U : 0U) | (options.rsv << 4U) | opcode);
  const std::uint64_t length = options.length.value_or(payload.size());
  const unsigned mask_bit = options.mask ? 0x80U : 0U;
  if (length > 0xFFFF || options.length_bytes == 8) {
    bytes += static_cast<char>(mask_bit | 127U);
    append_number(bytes, length, 8);
  } else if (length > 125 || options.length_bytes == 2) {
    bytes += static_cast<char>(mask_bit | 126U);
    append_number(bytes, length, 2);
  } else {
    bytes += static_cast<char>(mask_bit | static_cast<unsigned>(length));
  }
  constexpr std::string_view kMask = "\x37\xFA\x21\x3D";
  if (options.mask) bytes += kMask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    bytes += options.mask ? static_cast<char>(payload[i] ^ kMask[i % 4]) : payload[i];
  }
  return bytes;
}

inline std::string text(std::string_view payload) { return frame(1, payload); }

inline std::string close_payload(unsigned code, std::string_view reason = "") {
  std::string payload;
  append_number(payload, code, 2);
  return payload + std::string(reason);
}

struct ServerFrame {
  unsigned opcode = 0;
  bool fin = false;
  std::string payload;
  [[nodiscard]] unsigned close_code() const {
    if (payload.size() < 2) return 1005;
    return static_cast<unsigned>(static_cast<unsigned char>(payload[0])) * 256U +
           static_cast<unsigned char>(payload[1]);
  }
};

// Takes one whole frame from the front of `bytes`.
inline std::optional<ServerFrame> take_frame(std::string& bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i]));
  };
  std::uint64_t length = at(1) & 0x7FU;
  std::size_t header = 2;
  const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (bytes.size() < header + more) return std::nullopt;
  if (more > 0) {
    length = 0;
    for (std::size_t i = 0; i < more; ++i) length = length * 256 + at(header + i);
    header += more;
  }
  if (bytes.size() < header + length) return std::nullopt;
  ServerFrame result{static_cast<unsigned>(at(0) & 0x0FU), (at(0) & 0x80U) != 0,
                     bytes.substr(header, length)};
  bytes.erase(0, header + length);
  return result;
}

}  // namespace parley::control::test
