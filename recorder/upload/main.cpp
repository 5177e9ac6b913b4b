// parley-upload: copies a recording into an S3-compatible object store. See --help.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <curl/curl.h>
#include <nlohmann/json.hpp>

#include "recorder/background.h"
#include "recorder/folder_lock.h"
#include "recorder/upload/uploader.h"
#include "server/loop.h"

namespace {

namespace upload = parley::upload;
using Json = nlohmann::ordered_json;

constexpr int kBadUsage = 2;
constexpr std::size_t kMostDetail = 1'000;
constexpr std::int64_t kAliveEveryS = 60;

struct Options {
  std::string folder;
  std::vector<std::string> remove;
  std::string endpoint;
  std::string region = "us-east-1";
  std::string bucket;
  std::string key_prefix;
  bool virtual_host = false;
  std::uint64_t part_bytes = 16U << 20U;
  std::int64_t timeout_ms = 30'000;
  std::int64_t pause_ms = 200;
  std::uint64_t max_kbps = 0;
  pid_t parent = 0;
};

void say(const Json& line) {
  std::printf("%s\n", line.dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

int fail(const upload::Failure& failure, int code) {
  say({{"stage", "failed"},
       {"reason", failure.reason},
       {"detail", failure.detail.substr(0, kMostDetail)}});
  std::fprintf(stderr, "parley-upload: %s\n", failure.detail.c_str());
  return code;
}

// A line for each percent: whoever started it has other things to do.
class Percent {
 public:
  bool operator()(std::uint64_t done, std::uint64_t all) {
    const std::uint64_t percent = done * 100 / std::max<std::uint64_t>(all, 1);
    if (std::exchange(told_, percent) == percent) return true;
    say({{"stage", "upload"}, {"done_bytes", done}, {"total_bytes", all}});
    return std::ferror(stdout) == 0;
  }

 private:
  std::uint64_t told_ = ~std::uint64_t{0};
};

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int run(const Options& options, upload::StoreSettings settings) {
  auto place =
      upload::Place::of(options.endpoint, options.bucket, options.region, options.virtual_host);
  if (!place) return fail({"bad_settings", place.error(), {}}, kBadUsage);
  settings.place = *place;
  settings.credentials = {from_environment("AWS_ACCESS_KEY_ID"),
                          from_environment("AWS_SECRET_ACCESS_KEY"),
                          from_environment("AWS_SESSION_TOKEN")};
  if (settings.credentials.access_key.empty() || settings.credentials.secret_key.empty()) {
    return fail({"bad_settings", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set", {}},
                kBadUsage);
  }
  settings.timeout = std::chrono::milliseconds(options.timeout_ms);
  settings.first_pause = std::chrono::milliseconds(options.pause_ms);
  settings.max_bytes_per_s = options.max_kbps * 1'000 / 8;
  // So that nobody takes a slow line for a process that hangs.
  settings.alive = [told = parley::server::Loop::wall_ms()]() mutable {
    const std::int64_t now = parley::server::Loop::wall_ms();
    if (now - told < kAliveEveryS * 1'000 && now >= told) return;
    told = now;
    say({{"stage", "alive"}});
  };
  upload::Store store(std::move(settings), [] { return parley::server::Loop::wall_ms() / 1'000; });

  if (!options.remove.empty()) {
    const auto removed = upload::remove(options.key_prefix, options.remove, store);
    if (!removed) return fail(removed.error(), 1);
    Json deleted = Json::array();
    for (const std::string& name : options.remove) {
      deleted.push_back({{"name", name}, {"key", options.key_prefix + name}});
    }
    say({{"stage", "done"}, {"deleted", std::move(deleted)}, {"others", *removed}});
    return 0;
  }
  const std::filesystem::path folder = options.folder;
  const parley::recorder::FolderLock lock(folder / "upload.lock");
  if (!lock.held()) {
    return fail({"disk_error", options.folder + ": nothing can be written there", {}}, 1);
  }
  const auto kept =
      upload::upload({folder, options.key_prefix, options.part_bytes}, store, Percent());
  if (!kept) return fail(kept.error(), 1);
  Json files = Json::array();
  std::uint64_t size = 0;
  for (const upload::Kept& file : *kept) {
    size += file.size;
    files.push_back({{"name", file.name},
                     {"key", file.key},
                     {"size_bytes", file.size},
                     {"sha256", file.sha256}});
  }
  say({{"stage", "done"}, {"size_bytes", size}, {"files", std::move(files)}});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Copies a finished recording into an S3-compatible object store and compares the store's "
      "SHA-256 of each file. Called again after it was killed, it goes on. The credentials are "
      "taken from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. Prints its "
      "progress as lines of JSON, the last one with the files."};
  app.set_version_flag("--version", "parley-upload " PARLEY_VERSION);
  Options options;
  upload::StoreSettings settings;
  auto* const folder =
      app.add_option("folder", options.folder, "of the recording: has its manifest.json");
  app.add_option("--delete", options.remove,
                 "names of objects to delete under the prefix, with all else that is there")
      ->excludes(folder);
  app.add_option("--endpoint", options.endpoint, "http(s)://HOST[:PORT]")->required();
  app.add_option("--region", options.region)->capture_default_str();
  app.add_option("--bucket", options.bucket)->required();
  app.add_option("--key-prefix", options.key_prefix,
                 "of each object's key, of this recording alone, with its last slash")
      ->required();
  app.add_flag("--virtual-host", options.virtual_host, "the bucket in the host, not in the path");
  app.add_option("--part-bytes", options.part_bytes, "larger files go in parts of this size")
      ->check(CLI::Range(std::uint64_t{1'024}, std::uint64_t{1} << 30U))
      ->capture_default_str();
  app.add_option("--timeout-ms", options.timeout_ms, "without a byte coming or going")
      ->check(CLI::Range(100, 3'600'000))
      ->capture_default_str();
  app.add_option("--tries", settings.tries, "of a request")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--retry-ms", options.pause_ms, "before the second try, then twice as long")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str();
  app.add_option("--max-kbps", options.max_kbps, "kilobits a second; 0: as fast as it goes")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{100'000'000}))
      ->capture_default_str();
  app.add_option("--sse", settings.encryption, "AES256 or aws:kms: the store encrypts");
  app.add_option("--kms-key-id", settings.kms_key_id, "with aws:kms");
  app.add_option("--storage-class", settings.storage_class, "as the store names it");
  app.add_option("--ca-file", settings.ca_file, "PEM; empty: the system's authorities");
  app.add_option("--parent", options.parent, "PID of who started it: end when that process ends");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadUsage;
  }
  if (options.folder.empty() == options.remove.empty()) {
    return fail({"bad_settings", "name a folder, or names with --delete", {}}, kBadUsage);
  }
  if (options.key_prefix.empty() || !options.key_prefix.ends_with('/')) {
    return fail({"bad_settings",
                 "key-prefix ends with a slash: uploads that are open below it are ended",
                 {}},
                kBadUsage);
  }
  if (!parley::recorder::work_in_background(options.parent)) {
    return fail({"stopped", "its parent is gone", {}}, 1);
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  return run(options, std::move(settings));
}
