#include "recorder/upload/uploader.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "recorder/names.h"
#include "recorder/sha256.h"
#include "recorder/upload/journal.h"

namespace parley::upload {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxParts = 10'000;  // of S3
constexpr int kTries = 3;                    // of a file that the store keeps otherwise
constexpr int kMaxLists = 100;               // of what is to be removed, 10,000 keys each

tl::unexpected<Failure> disk_failed(const recorder::DiskError& error) {
  return failed(error.reason, error.detail);
}

// False for one that is none of ours.
bool add_file(const Json& entry, std::vector<LocalFile>& files) {
  if (!entry.is_object()) return false;
  const Json name = entry.value("name", Json());
  const Json size = entry.value("size_bytes", Json());
  const Json hash = entry.value("sha256", Json());
  if (!name.is_string() || !recorder::is_file_name(name.get<std::string>()) ||
      !size.is_number_unsigned() || !hash.is_string() || files.size() >= kMaxFiles) {
    return false;
  }
  std::string text = name.get<std::string>();
  // Chapters and stills have the same names with each composite, and are those of the newest, which
  // is the last one.
  std::erase_if(files, [&](const LocalFile& file) { return file.name == text; });
  files.push_back({std::move(text), size.get<std::uint64_t>(), hash.get<std::string>()});
  return true;
}

const Json& list(const Json& object, const char* key) {
  static const Json kEmpty = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

Result<void> end_open_uploads(Store& store, const std::string& prefix) {
  auto open = store.open_uploads(prefix);
  if (!open) return tl::unexpected(open.error());
  for (const OpenUpload& one : *open) {
    if (!one.key.starts_with(prefix)) continue;  // a store that filters nothing
    if (auto ended = store.abort(one.key, one.id); !ended) return ended;
  }
  return {};
}

// What lies there though no record names it: of an upload that was killed, or put there by hand.
Result<std::size_t> remove_others(Store& store, const std::string& prefix) {
  std::size_t removed = 0;
  std::vector<std::string> before;
  for (int list = 0; list < kMaxLists; ++list) {
    auto keys = store.keys_below(prefix);
    if (!keys) return tl::unexpected(keys.error());
    if (keys->empty()) return removed;
    if (*keys == before) return failed("store_unavailable", before.front() + ": it is still there");
    for (const std::string& key : *keys) {
      if (auto done = store.remove(key); !done) return tl::unexpected(done.error());
      ++removed;
    }
    before = *std::move(keys);
  }
  return failed("store_unavailable", prefix + ": somebody puts objects there all the time");
}

// A file read once, in parts, with the hash of all of it at the end.
class Reader {
 public:
  Reader(const std::filesystem::path& path, std::uint64_t part_bytes)
      : file_(path, std::ios::binary), buffer_(static_cast<std::size_t>(part_bytes)) {
    std::error_code error;
    // One that is not there will not come back.
    opened_ = file_.is_open() || !std::filesystem::exists(path, error);
  }
  // The next part; empty at the end, or where it cannot be read.
  [[nodiscard]] rtp::ConstBytes next() {
    auto* const into = reinterpret_cast<char*>(buffer_.data());
    file_.read(into, static_cast<std::streamsize>(buffer_.size()));
    const auto count = static_cast<std::size_t>(std::max<std::streamsize>(0, file_.gcount()));
    const auto bytes = rtp::ConstBytes(buffer_).first(count);
    hash_.update(bytes);
    return bytes;
  }
  // False where it could not be opened or read, which may be better later.
  [[nodiscard]] bool well() const { return opened_ && !file_.bad(); }
  [[nodiscard]] Sha256 digest() { return hash_.digest(); }

 private:
  std::ifstream file_;
  bool opened_ = false;
  std::vector<std::uint8_t> buffer_;
  recorder::Hasher hash_;
};

class Uploader {
 public:
  Uploader(const Job& job, Store& store, const Report& report, Journal journal)
      : job_(job), store_(store), report_(report), journal_(std::move(journal)) {}

  Result<std::vector<Kept>> run(const std::vector<LocalFile>& files) {
    for (const LocalFile& file : files) all_ += file.size;
    std::vector<Kept> kept;
    for (const LocalFile& file : files) {
      if (auto done = keep(file); !done) return tl::unexpected(done.error());
      kept.push_back({file.name, key_of(file), file.size, file.sha256});
    }
    // Of an upload whose beginning was never heard of, its parts would be paid for ever.
    if (journal_.had_parts()) {
      if (auto ended = end_open_uploads(store_, job_.key_prefix); !ended) {
        return tl::unexpected(ended.error());
      }
    }
    return kept;
  }

 private:
  [[nodiscard]] std::string key_of(const LocalFile& file) const {
    return job_.key_prefix + file.name;
  }
  // More than 10,000 parts are not taken.
  [[nodiscard]] std::uint64_t part_bytes_of(const LocalFile& file) const {
    return std::max(job_.part_bytes, (file.size + kMaxParts - 1) / kMaxParts);
  }

  Result<void> keep(const LocalFile& file) {
    const Progress& before = journal_.of(file.name);
    if (before.kept && before.sha256 == file.sha256) {  // when this was noted
      auto still = is_kept(file, checksums_of(file, before.parts));
      if (!still) return tl::unexpected(still.error());
      if (*still) return told(done_ + file.size);
    }
    if (before.kept) {  // it was composed anew, or somebody deleted it there
      if (auto noted = journal_.again(file.name); !noted) return disk_failed(noted.error());
    }
    const std::uint64_t begun_at = done_;
    for (int tried = 1;; ++tried) {
      done_ = begun_at;
      auto sent = file.size <= job_.part_bytes ? send_whole(file) : send_parts(file);
      if (!sent) return tl::unexpected(sent.error());
      auto same = is_kept(file, *sent);
      if (!same) return tl::unexpected(same.error());
      if (*same) break;
      if (auto noted = journal_.again(file.name); !noted) return disk_failed(noted.error());
      if (tried == kTries) {
        return failed("store_unavailable",
                      key_of(file) + ": the store keeps other bytes than it was sent");
      }
    }
    if (auto noted = journal_.kept(file.name, file.sha256); !noted) {
      return disk_failed(noted.error());
    }
    return told(begun_at + file.size);
  }

  Result<void> told(std::uint64_t done) {
    done_ = done;
    if (report_ && !report_(done_, all_)) return failed("stopped", "nobody listens any more");
    return {};
  }

  // The checksums by which the store may say that it has it.
  using Checksums = std::vector<std::string>;

  [[nodiscard]] static tl::unexpected<Failure> damaged(const LocalFile& file) {
    return failed("local_damaged", file.name + ": it is not what the manifest says");
  }

  // What a store may say of the file, that went in these parts or, without any, whole: its hash, or
  // that of its parts' hashes.
  [[nodiscard]] static Checksums checksums_of(const LocalFile& file,
                                              const std::vector<Part>& parts) {
    Checksums checksums;
    if (const auto whole = from_hex(file.sha256)) checksums.push_back(base64(*whole));
    if (parts.empty()) return checksums;
    std::string hashes;
    for (const Part& part : parts) {
      hashes.append(reinterpret_cast<const char*>(part.sha256.data()), part.sha256.size());
    }
    checksums.push_back(base64(sha256(hashes)) + "-" + std::to_string(parts.size()));
    return checksums;
  }

  [[nodiscard]] static tl::unexpected<Failure> unreadable(const LocalFile& file) {
    return failed("disk_error", file.name + ": it cannot be read now");
  }

  Result<Checksums> send_whole(const LocalFile& file) {
    Reader reader(job_.folder / file.name, file.size + 1);
    const rtp::ConstBytes bytes = reader.next();
    const Sha256 hash = reader.digest();
    if (!reader.well()) return unreadable(file);
    if (bytes.size() != file.size || hex(hash) != file.sha256) return damaged(file);
    auto put = store_.put(key_of(file), std::string(recorder::content_type_of(file.name)), bytes);
    if (!put) return tl::unexpected(put.error());
    return checksums_of(file, {});
  }

  Result<Checksums> send_parts(const LocalFile& file) {
    for (int tried = 1;; ++tried) {
      auto sent = try_parts(file);
      if (sent || !is_lost(sent.error())) return sent;
      const std::string id = journal_.of(file.name).upload_id;
      if (auto ended = store_.abort(key_of(file), id); !ended) return tl::unexpected(ended.error());
      if (auto noted = journal_.again(file.name); !noted) return disk_failed(noted.error());
      if (tried == kTries) return failed("store_unavailable", sent.error().detail);
    }
  }

  // The store has forgotten the upload, or parts of it: all of it is sent anew.
  [[nodiscard]] static bool is_lost(const Failure& failure) {
    return failure.code == "NoSuchUpload" || failure.code == "InvalidPart" ||
           failure.code == "InvalidPartOrder";
  }

  Result<Checksums> try_parts(const LocalFile& file) {
    const std::string key = key_of(file);
    const std::uint64_t begun_at = done_;
    if (journal_.of(file.name).upload_id.empty()) {
      if (auto begun = begin(file); !begun) return tl::unexpected(begun.error());
    }
    const std::string id = journal_.of(file.name).upload_id;
    const std::vector<Part> before = journal_.of(file.name).parts;
    std::vector<Part> parts;
    std::uint64_t size = 0;
    Reader reader(job_.folder / file.name, part_bytes_of(file));
    for (rtp::ConstBytes bytes = reader.next(); !bytes.empty(); bytes = reader.next()) {
      const auto number = static_cast<int>(parts.size()) + 1;
      const bool sent =
          parts.size() < before.size() && before[parts.size()].sha256 == sha256(bytes);
      if (sent) {
        parts.push_back(before[parts.size()]);
      } else {
        auto part = store_.put_part(key, id, number, bytes);
        if (!part) return tl::unexpected(part.error());
        if (auto noted = journal_.sent(file.name, *part); !noted) return disk_failed(noted.error());
        parts.push_back(*std::move(part));
      }
      size += bytes.size();
      if (auto ok = told(begun_at + std::min(size, file.size)); !ok) {
        return tl::unexpected(ok.error());
      }
    }
    if (!reader.well()) return unreadable(file);
    const Sha256 whole = reader.digest();
    if (size != file.size || hex(whole) != file.sha256) {
      if (auto ended = store_.abort(key, id); !ended) return tl::unexpected(ended.error());
      if (auto noted = journal_.again(file.name); !noted) return disk_failed(noted.error());
      return damaged(file);
    }
    const Checksums checksums = checksums_of(file, parts);
    if (auto completed = store_.complete(key, id, parts); !completed) {
      if (completed.error().code != "NoSuchUpload") return tl::unexpected(completed.error());
      // Perhaps it was completed, and the answer got lost.
      auto there = is_kept(file, checksums);
      if (!there) return tl::unexpected(there.error());
      if (!*there) return tl::unexpected(completed.error());
    }
    return checksums;
  }

  // Asked for until an id is heard; what may have been begun without it is ended before each try.
  Result<void> begin(const LocalFile& file) {
    const std::string key = key_of(file);
    for (int tried = 1;; ++tried) {
      if (journal_.of(file.name).begun) {
        if (auto ended = end_open_uploads(store_, key); !ended) return ended;
      } else if (auto noted = journal_.begun(file.name); !noted) {
        return disk_failed(noted.error());
      }
      auto id = store_.begin(key, std::string(recorder::content_type_of(file.name)));
      if (id) {
        if (auto noted = journal_.opened(file.name, *id); !noted) {
          return disk_failed(noted.error());
        }
        return {};
      }
      if (!passes(id.error()) || !store_.wait(tried)) return tl::unexpected(id.error());
    }
  }

  Result<bool> is_kept(const LocalFile& file, const Checksums& checksums) {
    auto stored = store_.head(key_of(file));
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored || (*stored)->size != file.size) return false;
    const std::string& checksum = (*stored)->checksum;
    if (std::find(checksums.begin(), checksums.end(), checksum) != checksums.end()) return true;
    // It keeps none, or one of another form: what it gives back is what it has.
    auto hash = store_.sha256_of(key_of(file));
    if (!hash) return tl::unexpected(hash.error());
    return hex(*hash) == file.sha256;
  }

  const Job& job_;
  Store& store_;
  const Report& report_;
  Journal journal_;
  std::uint64_t done_ = 0;
  std::uint64_t all_ = 0;
};

}  // namespace

Result<std::vector<LocalFile>> files_in(std::string_view manifest) {
  const auto wrong = [](std::string what) {
    return failed("bad_manifest", "manifest.json: " + std::move(what));
  };
  const Json root = Json::parse(manifest, nullptr, false);
  if (!root.is_object()) return wrong("it is no JSON object");
  if (root.value("schema", Json()) != 1) return wrong("its schema is not 1");
  std::vector<LocalFile> files;
  bool ok = true;
  for (const Json& file : list(root, "files")) ok = add_file(file, files) && ok;
  for (const Json& composite : list(root, "composites")) {
    ok = add_file(composite, files) && ok;
    if (!composite.is_object()) continue;
    for (const Json& extra : list(composite, "extras")) ok = add_file(extra, files) && ok;
  }
  if (!ok) return wrong("a file's name, size or hash makes no sense");
  return files;
}

Result<std::vector<Kept>> upload(const Job& job, Store& store, const Report& report) {
  const auto path = job.folder / recorder::kManifestName;
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) {
    const bool missing = error == std::errc::no_such_file_or_directory;
    return failed(missing ? "bad_manifest" : "disk_error", "manifest.json: " + error.message());
  }
  if (size > kMaxManifest) return failed("bad_manifest", "manifest.json is too large");
  std::string manifest(static_cast<std::size_t>(size), '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(manifest.data(), static_cast<std::streamsize>(manifest.size()))) {
    return failed("disk_error", "manifest.json: it cannot be read now");
  }
  auto files = files_in(manifest);
  if (!files) return tl::unexpected(files.error());
  // Last: who finds it in the store finds all that it names.
  files->push_back({std::string(recorder::kManifestName), manifest.size(), hex(sha256(manifest))});
  auto journal = Journal::open(job.folder, store.name() + " " + job.key_prefix);
  if (!journal) return disk_failed(journal.error());
  return Uploader(job, store, report, *std::move(journal)).run(*files);
}

Result<std::size_t> remove(const std::string& key_prefix, const std::vector<std::string>& names,
                           Store& store) {
  if (auto ended = end_open_uploads(store, key_prefix); !ended) {
    return tl::unexpected(ended.error());
  }
  for (const std::string& name : names) {
    if (auto removed = store.remove(key_prefix + name); !removed) {
      return tl::unexpected(removed.error());
    }
    auto left = store.head(key_prefix + name);
    if (!left) return tl::unexpected(left.error());
    if (*left) return failed("store_unavailable", key_prefix + name + ": it is still there");
  }
  return remove_others(store, key_prefix);
}

}  // namespace parley::upload
