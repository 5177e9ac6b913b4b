#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace parley::control {

// Names that nobody can guess. Chance is an argument: tests pass a source of their own.
using RandomSource = std::function<void(std::span<std::uint8_t>)>;

// The operating system's generator through OpenSSL (RAND_bytes). When it fails the process ends:
// there is no safe way on without it.
void secure_random(std::span<std::uint8_t> into);

// "rm_" and 128 random bits as 26 characters of lower-case base32: safe in URLs, file names and
// where case is lost. random_id("rm").
[[nodiscard]] std::string random_id(std::string_view prefix,
                                    const RandomSource& source = secure_random);
// `characters` of the ice-char alphabet, 6 random bits each (RFC 8839, section 5.4).
[[nodiscard]] std::string random_ice_text(std::size_t characters,
                                          const RandomSource& source = secure_random);
[[nodiscard]] std::string random_ice_ufrag(const RandomSource& source = secure_random);  // 8
[[nodiscard]] std::string random_ice_pwd(const RandomSource& source = secure_random);    // 24
// Never 0 and below 2^31. Uniqueness is the caller's to check.
[[nodiscard]] std::uint32_t random_ssrc(const RandomSource& source = secure_random);
// 256 bits in the same letters, for secrets made at start.
[[nodiscard]] std::string random_secret(const RandomSource& source = secure_random);

}  // namespace parley::control
