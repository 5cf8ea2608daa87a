#pragma once
#include <sqlite3.h>

/// SQLITE_TRANSIENT is a cast that Swift can't import.
static inline int pg_sqlite3_bind_text_copy(sqlite3_stmt *statement, int index, const char *text, int length) {
  return sqlite3_bind_text(statement, index, text, length, SQLITE_TRANSIENT);
}
