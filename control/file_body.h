#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

struct uv_loop_s;

namespace parley::control {

// One regular file, read piece by piece without blocking the loop (libuv's thread pool). Symbolic
// links at the end of the path, pipes, devices and folders are refused. Destroying it is safe at
// any time: an operation under way ends by itself and is told to nobody.
class FileBody {
 public:
  struct Info {
    std::uint64_t size = 0;
    std::string entity_tag;
  };
  static constexpr std::size_t kPieceBytes = 65'536;

  // The error is the errno of what went wrong: ENOENT, ELOOP, EISDIR for anything not regular.
  using Opened = std::function<void(tl::expected<Info, int>)>;
  // Valid during the call; empty at the end of the file.
  using Piece = std::function<void(tl::expected<std::string_view, int>)>;

  FileBody(uv_loop_s* loop, const std::string& path, Opened opened);
  ~FileBody();
  FileBody(const FileBody&) = delete;
  FileBody& operator=(const FileBody&) = delete;

  // Reads at most kPieceBytes. One read at a time, after `opened`.
  void read(std::uint64_t offset, std::uint64_t at_most, Piece piece);
  [[nodiscard]] bool reading() const noexcept;

 private:
  struct Job;
  Job* job_;  // owns itself while an operation is under way and we are gone
};

}  // namespace parley::control
