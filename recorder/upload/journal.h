#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/disk_file.h"
#include "recorder/upload/store.h"

namespace parley::upload {

// How far the upload of one file is.
struct Progress {
  bool begun = false;     // an upload in parts was asked for, perhaps without hearing of it
  std::string upload_id;  // once it was heard of
  std::vector<Part> parts;
  bool kept = false;  // the store has it, with this hash
  std::string sha256;
};

// What an upload has reached, beside the files that it uploads: whoever is killed goes on there.
// Lines of JSON that are appended and synced one by one; a torn last one never happened. The first
// names where the files go: for another place it is begun anew.
//
//   {"to": "…"}
//   {"file": "a.webm", "begun": true}
//   {"file": "a.webm", "upload": "ID"}
//   {"file": "a.webm", "part": 1, "etag": "…", "sha256": "hex"}
//   {"file": "a.webm", "again": true}            what was said of it before does not count
//   {"file": "a.webm", "kept": true, "sha256": "hex"}
class Journal {
 public:
  static constexpr std::string_view kName = "upload.journal";
  static constexpr std::uintmax_t kMaxBytes = 64U << 20U;

  // What a journal holds, by file. Lines that make no sense end it: what follows never happened.
  struct Contents {
    std::string to;
    std::map<std::string, Progress, std::less<>> files;
    std::size_t bytes = 0;  // of whole lines
  };
  [[nodiscard]] static Contents parse(std::string_view text);

  // Opens the folder's for going on, or begins one.
  [[nodiscard]] static recorder::Disk<Journal> open(const std::filesystem::path& folder,
                                                    const std::string& to);

  [[nodiscard]] const Progress& of(const std::string& file) const;
  // Whether any upload in parts was ever begun.
  [[nodiscard]] bool had_parts() const noexcept { return had_parts_; }

  [[nodiscard]] recorder::Disk<void> begun(const std::string& file);
  [[nodiscard]] recorder::Disk<void> opened(const std::string& file, const std::string& upload_id);
  [[nodiscard]] recorder::Disk<void> sent(const std::string& file, const Part& part);
  [[nodiscard]] recorder::Disk<void> again(const std::string& file);
  [[nodiscard]] recorder::Disk<void> kept(const std::string& file, const std::string& sha256);

 private:
  Journal(recorder::DiskFile file, Contents contents);
  [[nodiscard]] recorder::Disk<void> add(const std::string& line);

  recorder::DiskFile file_;
  Contents contents_;
  bool had_parts_ = false;
};

}  // namespace parley::upload
