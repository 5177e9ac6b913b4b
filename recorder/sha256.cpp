#include "recorder/sha256.h"

#include <fstream>
#include <vector>

#include <openssl/evp.h>

namespace parley::recorder {

Hasher::Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Hasher::update(rtp::ConstBytes bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

Sha256 Hasher::digest() {
  Sha256 bytes{};
  unsigned size = bytes.size();
  EVP_DigestFinal_ex(context_.get(), bytes.data(), &size);
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  return bytes;
}

Sha256 sha256(rtp::ConstBytes bytes) {
  Hasher hasher;
  hasher.update(bytes);
  return hasher.digest();
}

Sha256 sha256(std::string_view text) {
  return sha256(rtp::ConstBytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::string hex(rtp::ConstBytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xfU];
  }
  return text;
}

std::optional<Sha256> from_hex(std::string_view text) {
  Sha256 bytes{};
  if (text.size() != 2 * bytes.size()) return std::nullopt;
  const auto nibble = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = nibble(text[2 * i]);
    const int low = nibble(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(16 * high + low);
  }
  return bytes;
}

struct FileHash::State {
  std::ifstream file;
  Hasher hasher;
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kSlice);
  bool ok = false;
};

FileHash::FileHash(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  state_->file.open(path, std::ios::binary);
  state_->ok = state_->file.is_open();
}
FileHash::~FileHash() = default;
FileHash::FileHash(FileHash&&) noexcept = default;
FileHash& FileHash::operator=(FileHash&&) noexcept = default;

bool FileHash::step() {
  if (!state_->ok) return false;
  auto* const into = reinterpret_cast<char*>(state_->buffer.data());
  state_->file.read(into, static_cast<std::streamsize>(kSlice));
  const auto count = static_cast<std::size_t>(state_->file.gcount());
  state_->hasher.update(rtp::ConstBytes(state_->buffer).first(count));
  state_->ok = !state_->file.bad();
  return state_->ok && count == kSlice;
}

std::string FileHash::digest() {
  if (!state_->ok) return {};
  state_->ok = false;
  return hex(state_->hasher.digest());
}

std::string sha256_of(const std::filesystem::path& path) {
  FileHash hash{path};
  while (hash.step()) continue;
  return hash.digest();
}

}  // namespace parley::recorder
