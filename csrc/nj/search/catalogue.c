/* Opening, transactions and metadata; sounds are in sounds.c. */
#include "search/catalogue.h"

#include <string.h>
#include <sys/stat.h>

#include "search/catalogue_internal.h"

#define APPLICATION_ID 0x6e6a6c62 /* "njlb" */
#define SCHEMA_VERSION 2
#define BUSY_MS 2000

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

/* New in version 2: vectors below the whole sound, a byte a number, with a scale each. */
#define LEVELS_TABLE                                                                    \
  "CREATE TABLE IF NOT EXISTS levels(id INTEGER PRIMARY KEY,"                           \
  " sound INTEGER NOT NULL REFERENCES sounds(id) ON DELETE CASCADE,"                    \
  " name TEXT NOT NULL, step REAL NOT NULL, scales BLOB NOT NULL, codes BLOB NOT NULL," \
  " weights BLOB, UNIQUE(sound, name));"

static const char upgrade[] = "BEGIN IMMEDIATE;" LEVELS_TABLE "PRAGMA user_version = 2;"
                              "COMMIT;";

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE sounds(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,"
    " size INTEGER NOT NULL, mtime INTEGER NOT NULL, seconds REAL NOT NULL,"
    " error TEXT, vector BLOB);"
    "CREATE TABLE segments(sound INTEGER PRIMARY KEY REFERENCES sounds(id) ON DELETE CASCADE,"
    " times BLOB NOT NULL, vectors BLOB NOT NULL);" LEVELS_TABLE
    "PRAGMA application_id = " STRINGIFY(APPLICATION_ID) ";"
                                                         "PRAGMA user_version = " STRINGIFY(
                                                             SCHEMA_VERSION) ";"
                                                                             "COMMIT;";

nj_status nj_catalogue_fail(nj_catalogue *c, int rc) {
  nj_status status = NJ_EIO;
  switch (rc & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    status = NJ_EBUSY;
    break;
  case SQLITE_NOMEM:
    status = NJ_ENOMEM;
    break;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    status = NJ_EFORMAT;
    break;
  case SQLITE_CANTOPEN:
    status = NJ_ENOTFOUND;
    break;
  default:
    break;
  }
  return nj_fail(c->ctx, status, "%s: %s", c->path,
                 c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
}

nj_status nj_catalogue_run(nj_catalogue *c, const char *sql) {
  int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
  return rc == SQLITE_OK ? NJ_OK : nj_catalogue_fail(c, rc);
}

nj_status nj_catalogue_prepare(nj_catalogue *c, const char *sql, sqlite3_stmt **out) {
  int rc = sqlite3_prepare_v2(c->db, sql, -1, out, NULL);
  return rc == SQLITE_OK ? NJ_OK : nj_catalogue_fail(c, rc);
}

nj_status nj_catalogue_step(nj_catalogue *c, sqlite3_stmt *statement, int *row) {
  int rc = sqlite3_step(statement);
  *row = rc == SQLITE_ROW;
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? NJ_OK : nj_catalogue_fail(c, rc);
}

static nj_status read_pragma(nj_catalogue *c, const char *sql, int64_t *value) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, sql, &statement);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  *value = row ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  return st;
}

static nj_status check_kind(nj_catalogue *c, nj_catalogue_mode mode) {
  int64_t application, version, tables;
  NJ_TRY(read_pragma(c, "PRAGMA application_id", &application));
  NJ_TRY(read_pragma(c, "PRAGMA user_version", &version));
  NJ_TRY(read_pragma(c, "SELECT count(*) FROM sqlite_master", &tables));
  if (application == 0 && version == 0 && tables == 0) { /* new, or no library at all */
    if (mode == NJ_CATALOGUE_CREATE)
      return nj_catalogue_run(c, schema);
    return nj_fail(c->ctx, NJ_EFORMAT, "%s: an empty file, not a sound library", c->path);
  }
  if (application != APPLICATION_ID)
    return nj_fail(c->ctx, NJ_EFORMAT, "%s: an SQLite file, but not a nightjar sound library",
                   c->path);
  if (version == 1 && mode == NJ_CATALOGUE_READ)
    return nj_fail(c->ctx, NJ_EUNSUPPORTED,
                   "%s: sound library of version 1; bring it up to date with nightjar index",
                   c->path);
  if (version == 1) /* its sounds have no levels: library.lua indexes them again */
    return nj_catalogue_run(c, upgrade);
  if (version != SCHEMA_VERSION)
    return nj_fail(c->ctx, NJ_EUNSUPPORTED,
                   "%s: sound library of version %lld, this nightjar reads "
                   "versions up to %d",
                   c->path, (long long)version, SCHEMA_VERSION);
  return NJ_OK;
}

static nj_status connect_database(nj_catalogue *c, nj_catalogue_mode mode) {
  struct stat info;
  int exists = stat(c->path, &info) == 0;
  if (!exists && mode != NJ_CATALOGUE_CREATE)
    return nj_fail(c->ctx, NJ_ENOTFOUND, "%s: no such sound library", c->path);
  if (exists && !S_ISREG(info.st_mode))
    return nj_fail(c->ctx, NJ_EIO, "%s: not a regular file", c->path);
  int flags = SQLITE_OPEN_NOMUTEX |
              (mode == NJ_CATALOGUE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
              (mode == NJ_CATALOGUE_CREATE ? SQLITE_OPEN_CREATE : 0);
  int rc = sqlite3_open_v2(c->path, &c->db, flags, NULL);
  if (rc != SQLITE_OK)
    return nj_catalogue_fail(c, rc);
  sqlite3_extended_result_codes(c->db, 1);
  sqlite3_busy_timeout(c->db, BUSY_MS);
  NJ_TRY(nj_catalogue_run(c, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"));
  return check_kind(c, mode);
}

nj_status nj_catalogue_open(nj_ctx *ctx, const char *path, nj_catalogue_mode mode,
                            nj_catalogue **out) {
  nj_catalogue *c = nj_calloc(ctx, 1, sizeof *c);
  if (!c)
    return NJ_ENOMEM;
  c->ctx = nj_ctx_retain(ctx);
  c->path = nj_strdup(ctx, path);
  nj_status st = c->path ? connect_database(c, mode) : NJ_ENOMEM;
  if (st) {
    nj_catalogue_close(c);
    return st;
  }
  *out = c;
  return NJ_OK;
}

void nj_catalogue_close(nj_catalogue *c) {
  if (!c)
    return;
  nj_ctx *ctx = c->ctx;
  sqlite3_close(c->db); /* an open transaction is rolled back */
  nj_free(ctx, c->path);
  nj_free(ctx, c);
  nj_ctx_release(ctx);
}

nj_status nj_catalogue_begin(nj_catalogue *c) {
  if (!sqlite3_get_autocommit(c->db))
    return nj_fail(c->ctx, NJ_ESTATE, "%s: a transaction is already open", c->path);
  return nj_catalogue_run(c, "BEGIN IMMEDIATE");
}

nj_status nj_catalogue_commit(nj_catalogue *c) { return nj_catalogue_run(c, "COMMIT"); }

nj_status nj_catalogue_rollback(nj_catalogue *c) {
  return sqlite3_get_autocommit(c->db) ? NJ_OK : nj_catalogue_run(c, "ROLLBACK");
}

nj_status nj_catalogue_meta(nj_catalogue *c, const char *key, char **value) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  *value = NULL;
  nj_status st = nj_catalogue_prepare(c, "SELECT value FROM meta WHERE key = ?1", &statement);
  if (!st) {
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_TRANSIENT);
    st = nj_catalogue_step(c, statement, &row);
  }
  if (!st && row) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    *value = nj_strdup(c->ctx, text ? text : "");
    st = *value ? NJ_OK : NJ_ENOMEM;
  }
  sqlite3_finalize(statement);
  return st;
}

nj_status nj_catalogue_set_meta(nj_catalogue *c, const char *key, const char *value) {
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st = nj_catalogue_prepare(
      c, "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2", &statement);
  if (!st) {
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(statement, 2, value, -1, SQLITE_TRANSIENT);
    st = nj_catalogue_step(c, statement, &row);
  }
  sqlite3_finalize(statement);
  return st;
}
