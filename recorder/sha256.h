#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rtp/types.h"

struct evp_md_ctx_st;  // EVP_MD_CTX

namespace parley::recorder {

using Sha256 = std::array<std::uint8_t, 32>;

// SHA-256 (FIPS 180-4) of bytes that come one after the other.
class Hasher {
 public:
  Hasher();

  void update(rtp::ConstBytes bytes);
  // Of all since the last one; then it begins anew.
  [[nodiscard]] Sha256 digest();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

[[nodiscard]] Sha256 sha256(rtp::ConstBytes bytes);
[[nodiscard]] Sha256 sha256(std::string_view text);
[[nodiscard]] std::string hex(rtp::ConstBytes bytes);  // lower-case
[[nodiscard]] std::optional<Sha256> from_hex(std::string_view text);

// SHA-256 of a file, a slice at a time, so that hashing an eight-hour file does not
// keep the writer from its writing.
class FileHash {
 public:
  static constexpr std::size_t kSlice = 1U << 20U;

  explicit FileHash(const std::filesystem::path& path);
  ~FileHash();
  FileHash(FileHash&&) noexcept;
  FileHash& operator=(FileHash&&) noexcept;

  // Reads on by a slice; false when there is no more.
  [[nodiscard]] bool step();
  // Lower-case hex of what was read; empty if the file could not be read.
  [[nodiscard]] std::string digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string sha256_of(const std::filesystem::path& path);

}  // namespace parley::recorder
