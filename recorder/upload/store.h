#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "recorder/upload/signature.h"

namespace parley::upload {

// Why something could not be done: for programs and for people.
struct Failure {
  // store_unavailable: try again later. store_refused: somebody has to change something first.
  // bad_settings, bad_manifest, local_damaged, disk_error.
  std::string reason;
  std::string detail;
  std::string code;  // the store's own, or its HTTP status
};
template <class T>
using Result = tl::expected<T, Failure>;
[[nodiscard]] inline tl::unexpected<Failure> failed(std::string reason, std::string detail,
                                                    std::string code = {}) {
  return tl::unexpected(Failure{std::move(reason), std::move(detail), std::move(code)});
}

struct StoreSettings {
  Place place;
  Credentials credentials;
  std::string encryption;     // x-amz-server-side-encryption: AES256 or aws:kms
  std::string kms_key_id;     // of the latter
  std::string storage_class;  // x-amz-storage-class
  std::string ca_file;        // PEM, of who signed the store's certificate; empty: the system's
  std::chrono::milliseconds timeout{30'000};   // without a byte coming or going
  int tries = 5;                               // of a request that may be repeated
  std::chrono::milliseconds first_pause{200};  // between them, twice as long each time
  std::uint64_t max_bytes_per_s = 0;           // of what is sent; 0: no limit
  std::function<void()> alive;                 // called once a second or so while bytes go
};

// An object as the store says that it has it.
struct Stored {
  std::uint64_t size = 0;
  std::string checksum;  // x-amz-checksum-sha256; empty: it keeps none
};
struct Part {
  int number = 0;
  std::string etag;
  Sha256 sha256{};
  friend bool operator==(const Part&, const Part&) = default;
};
struct OpenUpload {
  std::string key;
  std::string id;
};

// Objects of an S3-compatible store, one request after the other. What the store or the way to it
// may do better next time is repeated; `wall_s` is asked for the time that goes under signatures.
class Store {
 public:
  static constexpr std::size_t kMaxReply = 4U << 20U;

  Store(StoreSettings settings, std::function<std::int64_t()> wall_s);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Its bucket's address.
  [[nodiscard]] std::string name() const { return settings_.place.url({}); }
  // Waits before the next try of something that was tried so often; false: that was the last one.
  [[nodiscard]] bool wait(int tried) const;

  [[nodiscard]] Result<void> put(const std::string& key, const std::string& content_type,
                                 rtp::ConstBytes bytes);
  // An upload in parts: its id. Not repeated by itself: where the answer was lost an upload may be
  // open that nobody knows, see open_uploads().
  [[nodiscard]] Result<std::string> begin(const std::string& key, const std::string& content_type);
  [[nodiscard]] Result<Part> put_part(const std::string& key, const std::string& upload_id,
                                      int number, rtp::ConstBytes bytes);
  // Fails with the code NoSuchUpload, too, when it was completed before, and with InvalidPart when
  // the store has lost one.
  [[nodiscard]] Result<void> complete(const std::string& key, const std::string& upload_id,
                                      const std::vector<Part>& parts);
  // One that is not there is no failure.
  [[nodiscard]] Result<void> abort(const std::string& key, const std::string& upload_id);
  // All whose key begins so.
  [[nodiscard]] Result<std::vector<OpenUpload>> open_uploads(const std::string& prefix);
  // Keys that begin so and have no slash after that; 10,000 at most, which are enough to do
  // something about before asking again.
  [[nodiscard]] Result<std::vector<std::string>> keys_below(const std::string& prefix);
  // Nothing: there is no such object.
  [[nodiscard]] Result<std::optional<Stored>> head(const std::string& key);
  // Reads all of it back.
  [[nodiscard]] Result<Sha256> sha256_of(const std::string& key);
  // One that is not there is no failure.
  [[nodiscard]] Result<void> remove(const std::string& key);

 private:
  struct Ask;
  struct Answer;
  [[nodiscard]] Result<Answer> once(const Ask& ask);
  // An answer that `is_whole` refuses was cut off on its way, and is asked for once more.
  [[nodiscard]] Result<Answer> patiently(const Ask& ask,
                                         const std::function<bool(const Answer&)>& is_whole = {});
  void add_keeping(Pairs& headers, const std::string& content_type) const;

  struct Connection;
  StoreSettings settings_;
  std::function<std::int64_t()> wall_s_;
  std::unique_ptr<Connection> connection_;
};

// Worth another try without anybody doing something.
[[nodiscard]] inline bool passes(const Failure& failure) noexcept {
  return failure.reason == "store_unavailable";
}

}  // namespace parley::upload
