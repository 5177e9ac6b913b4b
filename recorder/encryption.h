#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "config/config.h"

// The folder of recordings, encrypted by the kernel: fscrypt with policies of version 2
// (https://docs.kernel.org/filesystems/fscrypt.html). As long as the file system has the key,
// whoever may read the files reads them as ever, so nothing else of parley knows of it. Without the
// key names and contents are noise. Errors are for people and begin with the setting they are
// about.
namespace parley::recorder {

// By which policies name a key: made of it, and no secret.
using KeyIdentifier = std::array<std::uint8_t, 16>;

// What is in a key file: random bytes, as they are. Overwritten where it is let go of.
class EncryptionKey {
 public:
  static constexpr std::size_t kMinBytes = 32;  // of AES-256
  static constexpr std::size_t kMaxBytes = 64;  // of fscrypt

  // One that others may read is refused.
  [[nodiscard]] static tl::expected<EncryptionKey, std::string> read(
      const std::filesystem::path& file);
  ~EncryptionKey();
  EncryptionKey(EncryptionKey&&) noexcept = default;
  EncryptionKey& operator=(EncryptionKey&&) noexcept = default;

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] KeyIdentifier identifier() const;

 private:
  explicit EncryptionKey(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}
  std::vector<std::uint8_t> bytes_;
};

// The folder while its files can be read.
class OpenFolder {
 public:
  // Told why files could be read on after the end.
  using StillOpen = std::function<void(std::string_view why)>;

  // Gives the key to the file system; a folder that is new or empty is encrypted from now on.
  // Without a configured key only makes sure that the folder needs none. What fails leaves no key
  // behind that was not there before.
  [[nodiscard]] static tl::expected<OpenFolder, std::string> open(const config::Recording& config,
                                                                  StillOpen still_open);
  // Takes the key back. Nobody may have a file open there any more.
  ~OpenFolder();
  OpenFolder(OpenFolder&& other) noexcept;
  OpenFolder& operator=(OpenFolder&&) = delete;

  // Nothing: the folder is as any other.
  [[nodiscard]] const std::optional<KeyIdentifier>& key() const noexcept { return key_; }

 private:
  OpenFolder(std::filesystem::path beside, std::optional<KeyIdentifier> key, StillOpen still_open)
      : beside_(std::move(beside)), key_(key), still_open_(std::move(still_open)) {}

  std::filesystem::path beside_;  // of the same file system
  std::optional<KeyIdentifier> key_;
  StillOpen still_open_;
};

}  // namespace parley::recorder
