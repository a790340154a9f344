#pragma once
#include <sqlite3.h>

#include <string>
#include <string_view>

#include "daemon/job_table.hpp"

namespace tine {

/// A prepared statement in use: binds in order, steps, and is reset when it goes.
class JobTable::Statement {
 public:
  explicit Statement(sqlite3_stmt* s) : s_(s) {}
  ~Statement() {
    if (!s_) return;
    sqlite3_reset(s_);
    sqlite3_clear_bindings(s_);
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::int64_t value) { return sqlite3_bind_int64(s_, ++bound_, value), *this; }
  Statement& text(std::string_view value) {
    sqlite3_bind_text(s_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& blob(std::string_view value) {
    sqlite3_bind_blob(s_, ++bound_, value.data() ? value.data() : "", static_cast<int>(value.size()),
                      SQLITE_STATIC);
    return *this;
  }
  Statement& null() { return sqlite3_bind_null(s_, ++bound_), *this; }
  bool step() {
    result_ = s_ ? sqlite3_step(s_) : SQLITE_ERROR;
    return result_ == SQLITE_ROW;
  }
  bool failed() const { return result_ != SQLITE_ROW && result_ != SQLITE_DONE; }
  sqlite3_stmt* get() const { return s_; }
  std::int64_t integer(int column) const { return sqlite3_column_int64(s_, column); }
  std::string text(int column) const {
    const auto* read = reinterpret_cast<const char*>(sqlite3_column_text(s_, column));
    return read ? read : "";
  }

 private:
  sqlite3_stmt* s_;
  int bound_ = 0;
  int result_ = SQLITE_DONE;
};

}  // namespace tine
