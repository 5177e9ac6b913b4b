#include "control/sqlite_database.h"

#include <array>
#include <charconv>
#include <string_view>

#include <sqlite3.h>

namespace parley::control {
namespace {

constexpr int kBusyMs = 5'000;

// Each entry takes the schema one version further. Plain SQL that PostgreSQL understands too.
constexpr std::array kMigrations = {
    "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE objects (kind TEXT NOT NULL, id TEXT NOT NULL, tenant TEXT NOT NULL,"
    " body TEXT NOT NULL, created_ms BIGINT NOT NULL, checksum BIGINT NOT NULL,"
    " PRIMARY KEY (kind, id));"
    "CREATE TABLE events (seq BIGINT NOT NULL PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL,"
    " tenant TEXT NOT NULL, room_id TEXT NOT NULL, body TEXT NOT NULL, time_ms BIGINT NOT NULL,"
    " checksum BIGINT NOT NULL);",
};

// FNV-1a in 64 bits over length and bytes of each part. It guards against faulty disks and
// memory, not against people: whoever can write the file can write the checksum.
class Checksum {
 public:
  Checksum& add(std::string_view text) {
    add(static_cast<std::int64_t>(text.size()));
    for (const char c : text) step(static_cast<unsigned char>(c));
    return *this;
  }
  Checksum& add(std::int64_t number) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      step(static_cast<unsigned char>(static_cast<std::uint64_t>(number) >> shift));
    }
    return *this;
  }
  [[nodiscard]] std::int64_t value() const { return static_cast<std::int64_t>(hash_); }

 private:
  void step(unsigned char byte) { hash_ = (hash_ ^ byte) * 1'099'511'628'211ULL; }
  std::uint64_t hash_ = 14'695'981'039'346'656'037ULL;
};

std::int64_t checksum_of(const Row& row) {
  return Checksum()
      .add(row.kind)
      .add(row.id)
      .add(row.tenant)
      .add(row.body)
      .add(row.created_ms)
      .value();
}

std::int64_t checksum_of(const EventRow& event) {
  return Checksum()
      .add(static_cast<std::int64_t>(event.seq))
      .add(event.id)
      .add(event.type)
      .add(event.tenant)
      .add(event.room_id)
      .add(event.body)
      .add(event.time_ms)
      .value();
}

}  // namespace

// One use of a prepared statement; it is reset for the next use at the end of the scope.
class SqliteDatabase::Query {
 public:
  explicit Query(sqlite3_stmt* statement) : statement_(statement) {}
  ~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // The text must live as long as the query. A failed binding shows as a failed step (NOT NULL).
  Query& bind(std::string_view text) {
    sqlite3_bind_text64(statement_, ++bound_, text.data() != nullptr ? text.data() : "",
                        text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
  }
  Query& bind(std::int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  [[nodiscard]] int step() { return sqlite3_step(statement_); }
  [[nodiscard]] std::string text(int column) {
    const auto* bytes = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return bytes == nullptr
               ? std::string()
               : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  [[nodiscard]] std::int64_t number(int column) { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

void SqliteDatabase::CloseDatabase::operator()(sqlite3* database) const noexcept {
  sqlite3_close_v2(database);
}

void SqliteDatabase::FinishStatement::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

std::string SqliteDatabase::last_error() const { return sqlite3_errmsg(database_.get()); }

SqliteDatabase::Result<void> SqliteDatabase::execute(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return tl::unexpected(last_error());
  }
  return {};
}

SqliteDatabase::Result<std::int64_t> SqliteDatabase::number(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) {
    return tl::unexpected(last_error());
  }
  const Statement statement(raw);
  Query query(raw);
  if (query.step() != SQLITE_ROW) return tl::unexpected(last_error());
  return query.number(0);
}

SqliteDatabase::Result<SqliteDatabase> SqliteDatabase::open(const std::string& file,
                                                            const std::string& new_epoch) {
  sqlite3* raw = nullptr;
  const int result =
      sqlite3_open_v2(file.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  SqliteDatabase database(raw);
  if (raw == nullptr) return tl::unexpected(std::string("out of memory"));
  if (result != SQLITE_OK) return tl::unexpected(database.last_error());
  if (auto done = database.configure(); !done) return tl::unexpected(done.error());
  if (auto done = database.check(); !done) return tl::unexpected(done.error());
  if (auto done = database.migrate(new_epoch); !done) return tl::unexpected(done.error());
  if (auto done = database.prepare(); !done) return tl::unexpected(done.error());
  return database;
}

SqliteDatabase::Result<void> SqliteDatabase::configure() {
  sqlite3_extended_result_codes(database_.get(), 1);
  // Another program may look at the file, or copy it.
  sqlite3_busy_timeout(database_.get(), kBusyMs);
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  return execute(
      "PRAGMA trusted_schema = OFF;"
      "PRAGMA cell_size_check = ON;"
      "PRAGMA journal_mode = WAL;"
      "PRAGMA synchronous = FULL;");
}

SqliteDatabase::Result<void> SqliteDatabase::check() {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database_.get(), "PRAGMA quick_check(1)", -1, &raw, nullptr) !=
      SQLITE_OK) {
    return tl::unexpected("damaged: " + last_error());
  }
  const Statement statement(raw);
  Query query(raw);
  if (query.step() != SQLITE_ROW) return tl::unexpected("damaged: " + last_error());
  const std::string verdict = query.text(0);
  if (verdict != "ok") return tl::unexpected("damaged: " + verdict);
  return {};
}

SqliteDatabase::Result<void> SqliteDatabase::migrate(const std::string& new_epoch) {
  const auto tables = number(
      "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name <> 'schema_version'");
  const auto versioned =
      number("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'");
  if (!tables) return tl::unexpected(tables.error());
  if (!versioned) return tl::unexpected(versioned.error());
  if (*versioned == 0 && *tables > 0) {
    return tl::unexpected(std::string("not a file of parley: it holds other tables"));
  }
  if (auto done = execute("BEGIN IMMEDIATE"); !done) return done;
  if (*versioned == 0) {
    if (auto done = execute("CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY)");
        !done) {
      return done;
    }
  }
  const auto version = number("SELECT COALESCE(MAX(version), 0) FROM schema_version");
  if (!version) return tl::unexpected(version.error());
  if (*version > static_cast<std::int64_t>(kMigrations.size())) {
    return tl::unexpected("written by a newer parley (schema " + std::to_string(*version) + ")");
  }
  for (auto next = static_cast<std::size_t>(*version); next < kMigrations.size(); ++next) {
    if (auto done = execute(kMigrations.at(next)); !done) return done;
    const std::string mark =
        "INSERT INTO schema_version (version) VALUES (" + std::to_string(next + 1) + ")";
    if (auto done = execute(mark.c_str()); !done) return done;
  }
  if (*version == 0) {
    const std::string first = "INSERT INTO meta (name, value) VALUES ('epoch', '" + new_epoch +
                              "'), ('last_seq', '0'), ('starts', '0')";
    if (auto done = execute(first.c_str()); !done) return done;
  }
  // Also proves that the disk takes a write before anybody relies on it.
  if (auto done = execute("UPDATE meta SET value = CAST(value AS BIGINT) + 1 WHERE name = "
                          "'starts'");
      !done) {
    return done;
  }
  return execute("COMMIT");
}

SqliteDatabase::Result<void> SqliteDatabase::prepare() {
  const std::array<std::pair<Statement*, const char*>, 6> statements = {{
      {&upsert_,
       "INSERT INTO objects (kind, id, tenant, body, created_ms, checksum) VALUES (?,?,?,?,?,?)"
       " ON CONFLICT (kind, id) DO UPDATE SET tenant = excluded.tenant, body = excluded.body,"
       " created_ms = excluded.created_ms, checksum = excluded.checksum"},
      {&delete_, "DELETE FROM objects WHERE kind = ? AND id = ?"},
      {&append_,
       "INSERT INTO events (seq, id, type, tenant, room_id, body, time_ms, checksum)"
       " VALUES (?,?,?,?,?,?,?,?)"},
      {&set_last_seq_, "UPDATE meta SET value = ? WHERE name = 'last_seq'"},
      {&read_events_,
       "SELECT seq, id, type, tenant, room_id, body, time_ms, checksum FROM events"
       " WHERE seq > ? ORDER BY seq LIMIT ?"},
      {&trim_,
       // Those before the first one that is young enough: the wall clock may have gone back, and
       // the log has no holes.
       "DELETE FROM events WHERE seq IN"
       " (SELECT seq FROM (SELECT seq FROM events ORDER BY seq LIMIT ?) AS oldest"
       " WHERE seq < (SELECT COALESCE(MIN(seq), 9223372036854775807) FROM"
       " (SELECT seq, time_ms FROM events ORDER BY seq LIMIT ?) AS young WHERE time_ms >= ?))"},
  }};
  for (const auto& [place, sql] : statements) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
        SQLITE_OK) {
      return tl::unexpected(last_error());
    }
    place->reset(raw);
  }
  return {};
}

SqliteDatabase::Result<StoreState> SqliteDatabase::load() {
  StoreState state;
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database_.get(),
                         "SELECT kind, id, tenant, body, created_ms, checksum FROM objects"
                         " ORDER BY kind, created_ms, id",
                         -1, &raw, nullptr) != SQLITE_OK) {
    return tl::unexpected(last_error());
  }
  const Statement objects(raw);
  Query query(raw);
  int step = SQLITE_ROW;
  while ((step = query.step()) == SQLITE_ROW) {
    Row row{query.text(0), query.text(1), query.text(2), query.text(3), query.number(4)};
    if (query.number(5) != checksum_of(row)) {
      return tl::unexpected("damaged: table objects, " + row.kind + " " + row.id +
                            ": checksum does not match");
    }
    state.rows.push_back(std::move(row));
  }
  if (step != SQLITE_DONE) return tl::unexpected("table objects: " + last_error());

  if (sqlite3_prepare_v2(database_.get(),
                         "SELECT name, value FROM meta WHERE name IN ('epoch', 'last_seq')", -1,
                         &raw, nullptr) != SQLITE_OK) {
    return tl::unexpected(last_error());
  }
  const Statement meta_statement(raw);
  Query meta(raw);
  bool numbered = false;
  while ((step = meta.step()) == SQLITE_ROW) {
    const std::string value = meta.text(1);
    if (meta.text(0) == "epoch") {
      state.epoch = value;
    } else {
      const char* end = value.data() + value.size();
      const auto parsed = std::from_chars(value.data(), end, state.last_seq);
      numbered = parsed.ec == std::errc() && parsed.ptr == end;
    }
  }
  const auto newest = number("SELECT COALESCE(MAX(seq), 0) FROM events");
  const auto oldest = number("SELECT COALESCE(MIN(seq), 0) FROM events");
  if (step != SQLITE_DONE || !newest || !oldest) return tl::unexpected("damaged: " + last_error());
  if (state.epoch.empty() || !numbered || static_cast<std::uint64_t>(*newest) > state.last_seq) {
    return tl::unexpected(std::string("damaged: table meta does not fit table events"));
  }
  state.earliest_seq = *oldest > 0 ? static_cast<std::uint64_t>(*oldest) : state.last_seq + 1;
  return state;
}

SqliteDatabase::Result<void> SqliteDatabase::begin() { return execute("BEGIN IMMEDIATE"); }

SqliteDatabase::Result<void> SqliteDatabase::commit() { return execute("COMMIT"); }

void SqliteDatabase::rollback() noexcept {
  // It may have been rolled back already, by the error itself.
  sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

SqliteDatabase::Result<void> SqliteDatabase::apply(const Batch& batch) {
  for (const Row& row : batch.upserts) {
    Query query(upsert_.get());
    query.bind(row.kind).bind(row.id).bind(row.tenant).bind(row.body).bind(row.created_ms);
    if (query.bind(checksum_of(row)).step() != SQLITE_DONE) return tl::unexpected(last_error());
  }
  for (const auto& [kind, id] : batch.deletes) {
    Query query(delete_.get());
    if (query.bind(kind).bind(id).step() != SQLITE_DONE) return tl::unexpected(last_error());
  }
  for (const EventRow& event : batch.events) {
    Query query(append_.get());
    query.bind(static_cast<std::int64_t>(event.seq)).bind(event.id).bind(event.type);
    query.bind(event.tenant).bind(event.room_id).bind(event.body).bind(event.time_ms);
    if (query.bind(checksum_of(event)).step() != SQLITE_DONE) return tl::unexpected(last_error());
  }
  if (!batch.events.empty()) {
    Query query(set_last_seq_.get());
    const std::string seq = std::to_string(batch.events.back().seq);
    if (query.bind(seq).step() != SQLITE_DONE) return tl::unexpected(last_error());
  }
  return {};
}

SqliteDatabase::Result<std::vector<EventRow>> SqliteDatabase::events_after(std::uint64_t after_seq,
                                                                           std::size_t limit) {
  std::vector<EventRow> events;
  Query query(read_events_.get());
  query.bind(static_cast<std::int64_t>(after_seq)).bind(static_cast<std::int64_t>(limit));
  int step = SQLITE_ROW;
  while ((step = query.step()) == SQLITE_ROW) {
    EventRow event{static_cast<std::uint64_t>(query.number(0)),
                   query.text(1),
                   query.text(2),
                   query.text(3),
                   query.text(4),
                   query.text(5),
                   query.number(6)};
    if (query.number(7) != checksum_of(event)) {
      if (!events.empty()) return events;
      return tl::unexpected("damaged: table events, seq " + std::to_string(event.seq) +
                            ": checksum does not match");
    }
    events.push_back(std::move(event));
  }
  if (step != SQLITE_DONE) return tl::unexpected("table events: " + last_error());
  return events;
}

SqliteDatabase::Result<std::uint64_t> SqliteDatabase::used_bytes() {
  const auto pages = number("PRAGMA page_count");
  const auto free_pages = number("PRAGMA freelist_count");
  const auto page_size = number("PRAGMA page_size");
  if (!pages || !free_pages || !page_size) return tl::unexpected(last_error());
  return static_cast<std::uint64_t>((*pages - *free_pages) * *page_size);
}

SqliteDatabase::Result<std::size_t> SqliteDatabase::trim_events(std::int64_t before_ms,
                                                                std::uint64_t max_bytes,
                                                                std::size_t limit) {
  const auto used = used_bytes();
  if (!used) return tl::unexpected(used.error());
  if (*used > max_bytes) before_ms = INT64_MAX;
  Query query(trim_.get());
  const auto count = static_cast<std::int64_t>(limit);
  query.bind(count).bind(count).bind(before_ms);
  if (query.step() != SQLITE_DONE) return tl::unexpected(last_error());
  return static_cast<std::size_t>(sqlite3_changes(database_.get()));
}

}  // namespace parley::control
