#include <sqlite3.h>

#include <algorithm>

#include "daemon/job_table.hpp"
#include "daemon/sql_statement.hpp"

/// The store's table of events.
namespace tine {

Status JobTable::add_event(const Event& event) {
  // The greatest seq ever is kept by the newest row, which is never trimmed: numbers go on without a gap.
  auto s = statement("INSERT INTO events(time, type, job, detail) VALUES(?, ?, ?, ?)");
  s.bind(event.time).text(event.type).bind(static_cast<std::int64_t>(event.job)).text(event.detail).step();
  if (s.failed()) return error("store an event");
  ++rows_added_;
  return ok();
}

Status JobTable::mark_start(JobId id, std::uint32_t attempt) {
  auto s = statement("UPDATE jobs SET started_told = ? WHERE id = ?");
  s.bind(attempt).bind(static_cast<std::int64_t>(id)).step();
  return s.failed() ? Status(error("store a start")) : ok();
}

Result<std::vector<JobTable::Event>> JobTable::events(std::uint64_t after, std::size_t limit) {
  auto s = statement("SELECT seq, time, type, job, detail FROM events WHERE seq > ? ORDER BY seq LIMIT ?");
  s.bind(static_cast<std::int64_t>(std::min<std::uint64_t>(after, INT64_MAX)));
  s.bind(static_cast<std::int64_t>(limit));
  std::vector<Event> found;
  while (s.step())
    found.push_back({static_cast<std::uint64_t>(s.integer(0)), s.integer(1), s.text(2),
                     static_cast<JobId>(s.integer(3)), s.text(4)});
  if (s.failed()) return error("read events");
  return found;
}

std::uint64_t JobTable::oldest_event() {
  auto s = statement("SELECT min(seq) FROM events");
  return s.step() ? static_cast<std::uint64_t>(s.integer(0)) : 0;
}

Status JobTable::trim_events(std::uint64_t keep) {
  auto s = statement("DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?");
  s.bind(static_cast<std::int64_t>(std::max<std::uint64_t>(1, keep))).step();
  return s.failed() ? Status(error("trim events")) : ok();
}

}  // namespace tine
