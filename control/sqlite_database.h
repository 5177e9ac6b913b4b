#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace parley::control {

// The tables of the store in one SQLite file, used by one thread at a time. It knows SQL and
// nothing of queues: the store in sqlite_store.cpp brings the thread.
//
// Each row carries a checksum over its content, because SQLite has none of its own: a flipped bit
// in a body is refused instead of believed.
class SqliteDatabase {
 public:
  template <class T>
  using Result = tl::expected<T, std::string>;

  // Opens or creates, checks the whole file, brings the schema up to date.
  [[nodiscard]] static Result<SqliteDatabase> open(const std::string& file,
                                                   const std::string& new_epoch);
  // Rows and numbers as they are now. Damage is named with its table and key.
  [[nodiscard]] Result<StoreState> load();

  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<void> apply(const Batch& batch);
  // Durable when it returns. After an error the caller must not write again.
  [[nodiscard]] Result<void> commit();
  void rollback() noexcept;

  // What was read before an unreadable event is not given: the error names it.
  [[nodiscard]] Result<std::vector<EventRow>> events_after(std::uint64_t after_seq,
                                                           std::size_t limit);
  // Deletes at most `limit` of the oldest events, those older than `before_ms`, or any of them
  // while the file's content is larger than `max_bytes`. Returns how many. Own transaction.
  [[nodiscard]] Result<std::size_t> trim_events(std::int64_t before_ms, std::uint64_t max_bytes,
                                                std::size_t limit);
  // Of the file; pages that wait to be used again do not count.
  [[nodiscard]] Result<std::uint64_t> used_bytes();

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const noexcept;
  };
  struct FinishStatement {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;
  class Query;

  explicit SqliteDatabase(sqlite3* database) : database_(database) {}
  [[nodiscard]] Result<void> configure();
  [[nodiscard]] Result<void> check();
  [[nodiscard]] Result<void> migrate(const std::string& new_epoch);
  [[nodiscard]] Result<void> prepare();
  [[nodiscard]] Result<void> execute(const char* sql);
  [[nodiscard]] Result<std::int64_t> number(const char* sql);
  [[nodiscard]] std::string last_error() const;

  std::unique_ptr<sqlite3, CloseDatabase> database_;
  Statement upsert_;
  Statement delete_;
  Statement append_;
  Statement set_last_seq_;
  Statement read_events_;
  Statement trim_;
};

}  // namespace parley::control
