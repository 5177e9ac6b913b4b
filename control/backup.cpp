#include "control/backup.h"

#include <filesystem>
#include <memory>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "control/random_id.h"

namespace parley::control {
namespace {

constexpr int kBusyMs = 10'000;

struct Close {
  void operator()(sqlite3* database) const noexcept { sqlite3_close(database); }
};
struct Finish {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Finish>;

tl::expected<Database, std::string> open(const std::string& file, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) return tl::unexpected(file + ": " + sqlite3_errstr(code));
  sqlite3_busy_timeout(database.get(), kBusyMs);
  return database;
}

// Runs a statement with at most one text parameter; the first column of its first row, if any.
tl::expected<std::string, std::string> run(sqlite3* database, const char* sql,
                                           const std::string* parameter = nullptr) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &raw, nullptr) != SQLITE_OK) {
    return tl::unexpected(std::string(sqlite3_errmsg(database)));
  }
  const Statement statement(raw);
  if (parameter != nullptr) {
    sqlite3_bind_text(raw, 1, parameter->data(), static_cast<int>(parameter->size()),
                      SQLITE_STATIC);
  }
  switch (sqlite3_step(raw)) {
    case SQLITE_DONE:
      return std::string();
    case SQLITE_ROW: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw, 0));
      return std::string(text == nullptr ? "" : text);
    }
    default:
      return tl::unexpected(std::string(sqlite3_errmsg(database)));
  }
}

bool sync(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

}  // namespace

tl::expected<void, std::string> backup_store(const std::string& file, const std::string& to) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return tl::unexpected(file + ": there is no store");
  if (std::filesystem::exists(to, error)) return tl::unexpected(to + ": exists already");
  const std::string unfinished = to + ".part";
  std::filesystem::remove(unfinished, error);
  const auto fail = [&](const std::string& why) {
    std::error_code ignored;
    std::filesystem::remove(unfinished, ignored);
    return tl::unexpected(to + ": " + why);
  };
  {
    const auto source = open(file, SQLITE_OPEN_READONLY);
    if (!source) return tl::unexpected(source.error());
    // In one read transaction: what is written meanwhile is not in it.
    if (auto done = run(source->get(), "VACUUM INTO ?", &unfinished); !done) {
      return fail(done.error());
    }
  }
  {
    const auto copy = open(unfinished, SQLITE_OPEN_READONLY);
    if (!copy) return fail(copy.error());
    const auto checked = run(copy->get(), "PRAGMA integrity_check");
    if (!checked) return fail(checked.error());
    if (*checked != "ok") return fail("the copy is damaged: " + *checked);
  }
  {
    // Whoever goes on from the copy writes other events under numbers that were given already: its
    // log is another one.
    const auto copy = open(unfinished, SQLITE_OPEN_READWRITE);
    if (!copy) return fail(copy.error());
    const std::string epoch = random_id("ep");
    const auto renewed = run(copy->get(), "UPDATE meta SET value = ? WHERE name = 'epoch'", &epoch);
    if (!renewed) return fail(renewed.error());
  }
  if (!sync(unfinished, O_RDONLY)) return fail("cannot be written to the disk");
  std::filesystem::rename(unfinished, to, error);
  if (error) return fail(error.message());
  const auto folder = std::filesystem::path(to).parent_path();
  sync(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
  return {};
}

}  // namespace parley::control
