#include "recorder/sha256.h"

#include <array>
#include <fstream>
#include <vector>

#include <openssl/evp.h>

namespace parley::recorder {

namespace {
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
}  // namespace

struct FileHash::State {
  std::ifstream file;
  std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};
  std::vector<char> buffer = std::vector<char>(kSlice);
  bool ok = false;
};

FileHash::FileHash(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  state_->file.open(path, std::ios::binary);
  state_->ok = state_->file.is_open() && state_->context &&
               EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1;
}
FileHash::~FileHash() = default;
FileHash::FileHash(FileHash&&) noexcept = default;
FileHash& FileHash::operator=(FileHash&&) noexcept = default;

bool FileHash::step() {
  if (!state_->ok) return false;
  state_->file.read(state_->buffer.data(), static_cast<std::streamsize>(kSlice));
  const auto count = static_cast<std::size_t>(state_->file.gcount());
  if (state_->file.bad() ||
      EVP_DigestUpdate(state_->context.get(), state_->buffer.data(), count) != 1) {
    state_->ok = false;
  }
  return state_->ok && count == kSlice;
}

std::string FileHash::digest() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (!state_->ok || EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &size) != 1) return {};
  state_->ok = false;
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += kHex[bytes[i] >> 4U];
    text += kHex[bytes[i] & 0xfU];
  }
  return text;
}

std::string sha256_of(const std::filesystem::path& path) {
  FileHash hash{path};
  while (hash.step()) continue;
  return hash.digest();
}

}  // namespace parley::recorder
