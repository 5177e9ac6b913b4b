#include "control/random_id.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include <openssl/rand.h>

namespace parley::control {
namespace {

// RFC 4648's base32 letters in lower case, so that ids survive file systems that fold case.
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kIceChars =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base32(std::span<const std::uint8_t> bytes) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = (bits << 8U) | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text += kBase32[(bits >> count) & 31U];
    }
  }
  if (count > 0) text += kBase32[(bits << (5 - count)) & 31U];
  return text;
}

}  // namespace

void secure_random(std::span<std::uint8_t> into) {
  if (RAND_bytes(into.data(), static_cast<int>(into.size())) != 1) {
    std::fputs("parley: the system's random generator failed\n", stderr);
    std::abort();
  }
}

std::string random_id(std::string_view prefix, const RandomSource& source) {
  std::array<std::uint8_t, 16> bytes{};
  source(bytes);
  return std::string(prefix) + "_" + base32(bytes);
}

std::string random_ice_text(std::size_t characters, const RandomSource& source) {
  std::string text;
  while (text.size() < characters) {
    std::array<std::uint8_t, 32> bytes{};
    source(bytes);
    for (const std::uint8_t byte : bytes) {
      if (text.size() < characters) text += kIceChars[byte & 63U];
    }
  }
  return text;
}

std::string random_ice_ufrag(const RandomSource& source) { return random_ice_text(8, source); }

std::string random_ice_pwd(const RandomSource& source) { return random_ice_text(24, source); }

std::uint32_t random_ssrc(const RandomSource& source) {
  for (;;) {
    std::array<std::uint8_t, 4> bytes{};
    source(bytes);
    std::uint32_t ssrc = 0;
    for (const std::uint8_t byte : bytes) ssrc = (ssrc << 8U) | byte;
    ssrc &= 0x7fff'ffffU;
    if (ssrc != 0) return ssrc;
  }
}

std::string random_secret(const RandomSource& source) {
  std::array<std::uint8_t, 32> bytes{};
  source(bytes);
  return base32(bytes);
}

}  // namespace parley::control
