#include "recorder/encryption.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/fscrypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/sha256.h"

namespace parley::recorder {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kKeyFile = "recording.encryption_key_file: ";
constexpr std::string_view kDirectory = "recording.directory: ";

tl::unexpected<std::string> refused(std::string_view setting, const fs::path& path,
                                    const std::string& why) {
  return tl::unexpected(std::string(setting) + path.string() + why);
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// 0, or what errno says.
template <class Argument>
int control(const fs::path& path, unsigned long request, Argument* argument) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  if (folder.get() < 0) return errno;
  return ::ioctl(folder.get(), request, argument) == 0 ? 0 : errno;
}

fscrypt_key_specifier specifier_of(const KeyIdentifier& key) {
  fscrypt_key_specifier specifier{};
  specifier.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
  std::copy(key.begin(), key.end(), std::begin(specifier.u.identifier));
  return specifier;
}

struct Policy {
  int error = 0;  // ENODATA: there is none
  KeyIdentifier key{};
};

Policy policy_of(const fs::path& folder) {
  fscrypt_get_policy_ex_arg asked{};
  asked.policy_size = sizeof asked.policy;
  Policy policy{control(folder, FS_IOC_GET_ENCRYPTION_POLICY_EX, &asked), {}};
  if (policy.error == 0 && asked.policy.version == FSCRYPT_POLICY_V2) {
    std::copy(std::begin(asked.policy.v2.master_key_identifier),
              std::end(asked.policy.v2.master_key_identifier), policy.key.begin());
  }
  return policy;
}

int set_policy(const fs::path& folder, const KeyIdentifier& key) {
  fscrypt_policy_v2 policy{};
  policy.version = FSCRYPT_POLICY_V2;
  policy.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS;
  policy.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS;
  policy.flags = FSCRYPT_POLICY_FLAGS_PAD_32;
  std::copy(key.begin(), key.end(), std::begin(policy.master_key_identifier));
  return control(folder, FS_IOC_SET_ENCRYPTION_POLICY, &policy);
}

bool has_key(const fs::path& beside, const KeyIdentifier& key) {
  fscrypt_get_key_status_arg asked{};
  asked.key_spec = specifier_of(key);
  return control(beside, FS_IOC_GET_ENCRYPTION_KEY_STATUS, &asked) == 0 &&
         asked.status == FSCRYPT_KEY_STATUS_PRESENT &&
         (asked.status_flags & FSCRYPT_KEY_STATUS_FLAG_ADDED_BY_SELF) != 0;
}

int add_key(const fs::path& beside, const EncryptionKey& key) {
  fscrypt_add_key_arg head{};
  head.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
  head.raw_size = static_cast<std::uint32_t>(key.bytes().size());
  alignas(fscrypt_add_key_arg) std::array<std::uint8_t, sizeof head + EncryptionKey::kMaxBytes>
      whole{};
  std::memcpy(whole.data(), &head, sizeof head);
  std::copy(key.bytes().begin(), key.bytes().end(), whole.begin() + sizeof head);
  const int error = control(beside, FS_IOC_ADD_ENCRYPTION_KEY, whole.data());
  OPENSSL_cleanse(whole.data(), whole.size());
  return error;
}

// Why files can still be read; empty: they cannot.
std::string remove_key(const fs::path& beside, const KeyIdentifier& key) {
  fscrypt_remove_key_arg asked{};
  asked.key_spec = specifier_of(key);
  const int error = control(beside, FS_IOC_REMOVE_ENCRYPTION_KEY, &asked);
  if (error != 0 && error != ENOKEY) return std::strerror(error);
  if ((asked.removal_status_flags & FSCRYPT_KEY_REMOVAL_STATUS_FLAG_OTHER_USERS) != 0) {
    return "another user has added the key, too";
  }
  if ((asked.removal_status_flags & FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY) != 0) {
    return "somebody has files open there";
  }
  return {};
}

std::string text_of(const KeyIdentifier& key) { return hex(key); }

bool is_unsupported(int error) { return error == ENOTTY || error == EOPNOTSUPP; }

tl::unexpected<std::string> unsupported(const fs::path& folder) {
  return refused(kDirectory, folder,
                 ": its file system does not encrypt; one of ext4 does after: tune2fs -O encrypt "
                 "DEVICE");
}

tl::unexpected<std::string> top_of_file_system(const fs::path& folder) {
  return refused(kDirectory, folder,
                 ": the top of a file system cannot be encrypted, name a folder in it");
}

// Above the folder where that is the same file system: who has the folder itself open would keep it
// from being closed.
fs::path beside(const fs::path& folder) {
  fs::path above = folder.parent_path();
  std::error_code error;
  while (!fs::exists(above, error) && above.has_relative_path()) above = above.parent_path();
  struct stat outer {};
  struct stat inner {};
  const bool there = ::stat(folder.c_str(), &inner) == 0 && ::stat(above.c_str(), &outer) == 0;
  return there && outer.st_dev != inner.st_dev ? folder : above;
}

// Without a key in the configuration.
tl::expected<void, std::string> needs_no_key(const fs::path& folder) {
  const Descriptor tried(folder, O_TMPFILE | O_WRONLY);
  if (tried.get() >= 0 || errno != ENOKEY) return {};
  return refused(kDirectory, folder,
                 " is encrypted and locked: name its key in recording.encryption_key_file");
}

// Whether the folder can be, or is already, one of this key. Changes nothing.
tl::expected<Policy, std::string> look(const fs::path& folder, const EncryptionKey& key,
                                       const std::string& key_file) {
  const Policy policy = policy_of(folder);
  if (policy.error == ENOENT) return policy;
  if (is_unsupported(policy.error)) return unsupported(folder);
  if (policy.error == 0 && policy.key != key.identifier()) {
    return refused(kDirectory, folder,
                   " is encrypted with the key " + text_of(policy.key) + ", " + key_file +
                       " holds " + text_of(key.identifier()));
  }
  if (policy.error == 0) return policy;
  if (policy.error != ENODATA) {
    return refused(kDirectory, folder, std::string(": ") + std::strerror(policy.error));
  }
  std::error_code error;
  if (fs::exists(folder / "lost+found", error)) return top_of_file_system(folder);
  if (fs::is_empty(folder, error)) return policy;
  return refused(kDirectory, folder,
                 " is not empty and not encrypted: move what is in it away, start parleyd, move it "
                 "back");
}

tl::expected<void, std::string> encrypt(const fs::path& folder, const KeyIdentifier& key) {
  std::error_code error;
  const bool is_new = fs::create_directories(folder, error);
  if (error) return refused(kDirectory, folder, ": " + error.message());
  const int failed = set_policy(folder, key);
  if (failed == 0) return {};
  if (is_new) ::rmdir(folder.c_str());
  if (failed == EPERM) return top_of_file_system(folder);
  if (failed == EEXIST) {
    return refused(kDirectory, folder, ": what it is in is encrypted with another key");
  }
  return refused(kDirectory, folder, std::string(": cannot encrypt it: ") + std::strerror(failed));
}

}  // namespace

tl::expected<EncryptionKey, std::string> EncryptionKey::read(const fs::path& file) {
  const Descriptor in(file, O_RDONLY | O_NONBLOCK);
  struct stat info {};
  if (in.get() < 0 || ::fstat(in.get(), &info) != 0) {
    return refused(kKeyFile, file, std::string(": ") + std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) return refused(kKeyFile, file, ": is no file");
  if ((info.st_mode & 077U) != 0) {
    return refused(kKeyFile, file, ": others may use it; chmod 600 " + file.string());
  }
  std::vector<std::uint8_t> bytes(kMaxBytes + 1);
  const ssize_t count = ::read(in.get(), bytes.data(), bytes.size());
  if (count < 0) return refused(kKeyFile, file, std::string(": ") + std::strerror(errno));
  bytes.resize(static_cast<std::size_t>(count));
  EncryptionKey key(std::move(bytes));
  if (key.bytes_.size() >= kMinBytes && key.bytes_.size() <= kMaxBytes) return key;
  return refused(kKeyFile, file,
                 ": 32 to 64 random bytes are wanted, nothing else; make them with: head -c 64 "
                 "/dev/urandom");
}

EncryptionKey::~EncryptionKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

// As the kernel makes it: HKDF-SHA512 (RFC 5869) without a salt, of "fscrypt\0" and a 1 for this
// use; one round of it is enough.
KeyIdentifier EncryptionKey::identifier() const {
  using Hash = std::array<std::uint8_t, 64>;
  constexpr std::array<std::uint8_t, 10> kInfo{'f', 's', 'c', 'r', 'y', 'p', 't', 0, 1, 1};
  const Hash salt{};
  Hash extracted{};
  Hash expanded{};
  HMAC(EVP_sha512(), salt.data(), static_cast<int>(salt.size()), bytes_.data(), bytes_.size(),
       extracted.data(), nullptr);
  HMAC(EVP_sha512(), extracted.data(), static_cast<int>(extracted.size()), kInfo.data(),
       kInfo.size(), expanded.data(), nullptr);
  OPENSSL_cleanse(extracted.data(), extracted.size());
  KeyIdentifier identifier{};
  std::copy_n(expanded.begin(), identifier.size(), identifier.begin());
  return identifier;
}

tl::expected<OpenFolder, std::string> OpenFolder::open(const config::Recording& config,
                                                       StillOpen still_open) {
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(fs::absolute(config.directory), error);
  if (error) return refused(kDirectory, config.directory, ": " + error.message());
  if (config.encryption_key_file.empty()) {
    if (auto ok = needs_no_key(folder); !ok) return tl::unexpected(ok.error());
    return OpenFolder({}, std::nullopt, nullptr);
  }
  const auto key = EncryptionKey::read(config.encryption_key_file);
  if (!key) return tl::unexpected(key.error());
  const auto policy = look(folder, *key, config.encryption_key_file);
  if (!policy) return tl::unexpected(policy.error());
  const fs::path place = beside(folder);
  const KeyIdentifier name = key->identifier();
  const bool was_there = has_key(place, name);
  if (const int failed = add_key(place, *key); failed != 0) {
    if (is_unsupported(failed)) return unsupported(folder);
    return refused(kDirectory, folder,
                   std::string(": cannot add the key: ") + std::strerror(failed));
  }
  if (policy->error != 0) {
    if (auto ok = encrypt(folder, name); !ok) {
      if (!was_there) static_cast<void>(remove_key(place, name));
      return tl::unexpected(ok.error());
    }
  }
  return OpenFolder(place, name, std::move(still_open));
}

OpenFolder::OpenFolder(OpenFolder&& other) noexcept
    : beside_(std::move(other.beside_)),
      key_(std::exchange(other.key_, std::nullopt)),
      still_open_(std::move(other.still_open_)) {}

OpenFolder::~OpenFolder() {
  if (!key_) return;
  const std::string why = remove_key(beside_, *key_);
  if (!why.empty() && still_open_) still_open_(why);
}

}  // namespace parley::recorder
