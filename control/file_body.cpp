#include "control/file_body.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <uv.h>

#include "control/http_range.h"

namespace parley::control {

// Outlives the FileBody until the operation that libuv holds has ended; then it closes the file
// and deletes itself. That is why it is neither a member nor a unique_ptr.
struct FileBody::Job {
  uv_loop_t* loop = nullptr;
  uv_fs_t request{};
  uv_file file = -1;
  bool busy = false;
  bool orphaned = false;
  Opened opened;
  Piece piece;
  std::vector<char> buffer;

  static Job& of(uv_fs_t* request) { return *static_cast<Job*>(request->data); }

  // The result of the operation that ended; frees what libuv kept for it.
  ssize_t finish() {
    const ssize_t result = request.result;
    uv_fs_req_cleanup(&request);
    busy = false;
    return result;
  }
  void close_and_delete() {
    if (file >= 0) {
      // Synchronous: closing a file that was only read does not wait for the disk.
      uv_fs_t close{};
      uv_fs_close(loop, &close, file, nullptr);
      uv_fs_req_cleanup(&close);
    }
    delete this;  // see above: nobody else may be left who could
  }
  void fail(ssize_t error) {
    const Opened tell = std::move(opened);
    tell(tl::unexpected(static_cast<int>(-error)));
  }

  void on_open() {
    const ssize_t result = finish();
    if (result >= 0) file = static_cast<uv_file>(result);
    if (orphaned) return close_and_delete();
    if (result < 0) return fail(result);
    busy = true;
    uv_fs_fstat(loop, &request, file, [](uv_fs_t* done) { of(done).on_stat(); });
  }

  void on_stat() {
    const uv_stat_t stat = request.statbuf;
    const ssize_t result = finish();
    if (orphaned) return close_and_delete();
    if (result < 0) return fail(result);
    if (!S_ISREG(stat.st_mode)) return fail(-EISDIR);
    const auto modified =
        static_cast<std::int64_t>(stat.st_mtim.tv_sec) * 1'000'000'000 + stat.st_mtim.tv_nsec;
    const Opened tell = std::move(opened);
    tell(Info{stat.st_size, entity_tag(stat.st_size, modified, stat.st_ino)});
  }

  void on_read() {
    const ssize_t result = finish();
    if (orphaned) return close_and_delete();
    const Piece tell = std::move(piece);
    if (result < 0) {
      tell(tl::unexpected(static_cast<int>(-result)));
    } else {
      tell(std::string_view(buffer.data(), static_cast<std::size_t>(result)));
    }
  }
};

// The job frees itself once libuv is done with it (see Job).
FileBody::FileBody(uv_loop_s* loop, const std::string& path, Opened opened) : job_(new Job) {
  job_->loop = loop;
  job_->request.data = job_;
  job_->opened = std::move(opened);
  job_->busy = true;
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  uv_fs_open(loop, &job_->request, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0,
             [](uv_fs_t* done) { Job::of(done).on_open(); });
}

FileBody::~FileBody() {
  if (job_->busy) {
    job_->orphaned = true;
  } else {
    job_->close_and_delete();
  }
}

void FileBody::read(std::uint64_t offset, std::uint64_t at_most, Piece piece) {
  job_->buffer.resize(kPieceBytes);
  job_->piece = std::move(piece);
  job_->busy = true;
  const uv_buf_t buffer = uv_buf_init(
      job_->buffer.data(), static_cast<unsigned>(std::min<std::uint64_t>(at_most, kPieceBytes)));
  uv_fs_read(job_->loop, &job_->request, job_->file, &buffer, 1, static_cast<std::int64_t>(offset),
             [](uv_fs_t* done) { Job::of(done).on_read(); });
}

bool FileBody::reading() const noexcept { return job_->busy; }

}  // namespace parley::control
