/* Opening, waiting for others, transactions and metadata; sounds are in sounds.c. */
#include "library/catalogue.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "library/catalogue_internal.h"

static nj_status status_of(int rc) {
  switch (rc & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return NJ_EBUSY;
  case SQLITE_NOMEM:
    return NJ_ENOMEM;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return NJ_EFORMAT;
  case SQLITE_CANTOPEN:
    return NJ_ENOTFOUND;
  case SQLITE_INTERRUPT:
    return NJ_EINTR;
  default:
    return NJ_EIO;
  }
}

nj_status nj_catalogue_fail(nj_catalogue *c, int rc) {
  nj_status status = status_of(rc);
  if (c->stopped) {
    c->stopped = 0;
    return nj_fail(c->ctx, NJ_EINTR, "interrupted!");
  }
  if (status == NJ_EBUSY)
    return nj_fail(c->ctx, status, "%s: another process is writing to it (waited %.1f s)", c->path,
                   c->patience_ms / 1e3);
  if (status == NJ_EFORMAT && (rc & 0xff) == SQLITE_CORRUPT)
    return nj_fail(c->ctx, status, "%s: the file is damaged (%s); nightjar verify says where",
                   c->path, c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
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

/* Not copied: a copy may find no memory, and what is not bound is NULL. */
nj_status nj_catalogue_bind(nj_catalogue *c, sqlite3_stmt *statement, int place, const char *text) {
  int rc = sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
  return rc == SQLITE_OK ? NJ_OK : nj_catalogue_fail(c, rc);
}

nj_status nj_catalogue_text(nj_catalogue *c, sqlite3_stmt *statement, int column,
                            const char **out) {
  *out = (const char *)sqlite3_column_text(statement, column);
  return *out || sqlite3_column_type(statement, column) == SQLITE_NULL
             ? NJ_OK
             : nj_catalogue_fail(c, SQLITE_NOMEM);
}

nj_status nj_catalogue_step(nj_catalogue *c, sqlite3_stmt *statement, int *row) {
  int rc = sqlite3_step(statement);
  *row = rc == SQLITE_ROW;
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? NJ_OK : nj_catalogue_fail(c, rc);
}

nj_status nj_catalogue_run_ids(nj_catalogue *c, const char *sql, int n, int64_t first,
                               int64_t second) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, sql, &statement);
  if (!st && n > 0)
    sqlite3_bind_int64(statement, 1, first);
  if (!st && n > 1)
    sqlite3_bind_int64(statement, 2, second);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  sqlite3_finalize(statement);
  return st;
}

nj_status nj_catalogue_number(nj_catalogue *c, const char *sql, int64_t *value) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, sql, &statement);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  *value = !st && row ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  return st;
}

/* ---- waiting ---- */

/* Others hold their locks for milliseconds: the first looks come soon. */
static int wait_for_lock(void *arg, int count) {
  static const int pauses[] = {1, 2, 5, 10, 20, 50};
  nj_catalogue *c = arg;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (count == 0) {
    c->waiting.sec = now.tv_sec;
    c->waiting.nsec = now.tv_nsec;
  }
  int64_t waited = (now.tv_sec - c->waiting.sec) * 1000 + (now.tv_nsec - c->waiting.nsec) / 1000000;
  if (waited >= c->patience_ms)
    return 0;
  if (nj_poll(c->ctx)) {
    c->stopped = 1;
    return 0;
  }
  int pause = pauses[count < 5 ? count : 5];
  if (pause > c->patience_ms - waited)
    pause = (int)(c->patience_ms - waited);
  nanosleep(&(struct timespec){.tv_nsec = pause * 1000000L}, NULL);
  return 1;
}

/* ---- opening ---- */

static nj_status connect_as(nj_catalogue *c, nj_catalogue_mode mode) {
  /* Names with a meaning of their own, ":memory:" and URIs, are files here like others. */
  char *name = nj_alloc(c->ctx, strlen(c->path) + 3);
  if (!name)
    return NJ_ENOMEM;
  name[0] = '\0';
  if (c->path[0] != '/')
    strcpy(name, "./");
  strcat(name, c->path);
  int flags = SQLITE_OPEN_NOMUTEX |
              (mode == NJ_CATALOGUE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
              (mode == NJ_CATALOGUE_CREATE ? SQLITE_OPEN_CREATE : 0);
  int rc = sqlite3_open_v2(name, &c->db, flags, NULL);
  nj_free(c->ctx, name);
  if (rc != SQLITE_OK)
    return nj_catalogue_fail(c, rc);
  sqlite3_extended_result_codes(c->db, 1);
  sqlite3_busy_handler(c->db, wait_for_lock, c);
  sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  /* The folder is synced, too, when the journal goes: a commit that returned is on the disk. */
  return nj_catalogue_run(c, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                             "PRAGMA cell_size_check = ON; PRAGMA synchronous = EXTRA;");
}

/* Reads what every transaction reads first. */
static nj_status look(nj_catalogue *c) {
  int64_t n;
  return nj_catalogue_number(c, "SELECT count(*) FROM sqlite_master", &n);
}

/* A process that was killed while it wrote leaves a journal: until what it wrote is rolled back there
 * is nothing to be read, and only a connection that may write can do that. */
static int is_half_written(nj_catalogue *c) {
  return c->db && sqlite3_extended_errcode(c->db) == SQLITE_READONLY_ROLLBACK;
}

static nj_status recover(nj_catalogue *c) {
  c->recovered++;
  sqlite3_close(c->db);
  c->db = NULL;
  nj_status st = connect_as(c, NJ_CATALOGUE_WRITE);
  if (!st)
    st = look(c);
  if (st && st != NJ_EIO && st != NJ_ENOTFOUND)
    return st;
  if (st)
    return nj_fail(c->ctx, NJ_EIO,
                   "%s: a process was killed while it wrote to it, and it cannot be put in order "
                   "where it cannot be written to; copy its folder to where it can",
                   c->path);
  sqlite3_close(c->db);
  c->db = NULL;
  return connect_as(c, NJ_CATALOGUE_READ);
}

static nj_status connect_database(nj_catalogue *c, const nj_catalogue_options *options) {
  struct stat info;
  int exists = stat(c->path, &info) == 0;
  if (!exists && errno != ENOENT && errno != ENOTDIR)
    return nj_fail(c->ctx, NJ_EIO, "%s: %s", c->path, strerror(errno));
  if (!exists && options->mode != NJ_CATALOGUE_CREATE)
    return nj_fail(c->ctx, NJ_ENOTFOUND, "%s: no such sound library", c->path);
  if (exists && !S_ISREG(info.st_mode))
    return nj_fail(c->ctx, NJ_EIO, "%s: not a regular file", c->path);
  nj_status st = connect_as(c, options->mode);
  if (!st)
    st = look(c);
  if (st && is_half_written(c))
    st = recover(c);
  return st ? st : nj_catalogue_check_schema(c, options);
}

/* The folder as the system resolves it; the file itself may not be there yet. */
static nj_status find_folder(nj_catalogue *c) {
  char buffer[PATH_MAX];
  char *copy = nj_strdup(c->ctx, c->path);
  if (!copy)
    return NJ_ENOMEM;
  char *slash = strrchr(copy, '/');
  if (slash)
    slash[slash == copy] = '\0';
  char *real = realpath(slash ? copy : ".", buffer);
  nj_free(c->ctx, copy);
  if (!real)
    return nj_fail(c->ctx, errno == ENOENT ? NJ_ENOTFOUND : NJ_EIO, "%s: its folder: %s", c->path,
                   strerror(errno));
  size_t length = strlen(buffer);
  c->folder = nj_alloc(c->ctx, length + 2);
  if (!c->folder)
    return NJ_ENOMEM;
  memcpy(c->folder, buffer, length + 1);
  if (c->folder[length - 1] != '/')
    strcat(c->folder, "/");
  return NJ_OK;
}

nj_status nj_catalogue_open(nj_ctx *ctx, const char *path, const nj_catalogue_options *options,
                            nj_catalogue **out) {
  nj_catalogue *c = nj_calloc(ctx, 1, sizeof *c);
  if (!c)
    return NJ_ENOMEM;
  c->ctx = nj_ctx_retain(ctx);
  c->mode = options->mode;
  c->wait_ms = c->patience_ms = options->wait_ms;
  c->path = nj_strdup(ctx, path);
  nj_status st = c->path ? find_folder(c) : NJ_ENOMEM;
  if (!st)
    st = connect_database(c, options);
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
  nj_free(ctx, c->folder);
  nj_free(ctx, c);
  nj_ctx_release(ctx);
}

/* ---- transactions ---- */

static nj_status begin(nj_catalogue *c, const char *sql) {
  if (!sqlite3_get_autocommit(c->db))
    return nj_fail(c->ctx, NJ_ESTATE, "%s: a transaction is already open", c->path);
  return nj_catalogue_run(c, sql);
}

nj_status nj_catalogue_begin(nj_catalogue *c, int wait_ms) {
  c->patience_ms = wait_ms < 0 ? c->wait_ms : wait_ms;
  nj_status st = begin(c, "BEGIN IMMEDIATE");
  c->patience_ms = c->wait_ms;
  return st;
}

nj_status nj_catalogue_snapshot(nj_catalogue *c) {
  NJ_TRY(begin(c, "BEGIN"));
  nj_status st = look(c);
  if (st && is_half_written(c)) { /* by a process that was killed after this one opened it */
    nj_catalogue_give_up(c, st);
    NJ_TRY(recover(c));
    NJ_TRY(begin(c, "BEGIN"));
    st = look(c);
  }
  return st ? nj_catalogue_give_up(c, st) : NJ_OK;
}

nj_status nj_catalogue_commit(nj_catalogue *c) { return nj_catalogue_run(c, "COMMIT"); }

nj_status nj_catalogue_rollback(nj_catalogue *c) {
  return sqlite3_get_autocommit(c->db) ? NJ_OK : nj_catalogue_run(c, "ROLLBACK");
}

static nj_status undo(nj_catalogue *c, nj_status status, const char *sql) {
  char text[512]; /* the rollback must not hide what went wrong */
  strncpy(text, nj_ctx_error(c->ctx), sizeof text - 1);
  text[sizeof text - 1] = '\0';
  if (!sqlite3_get_autocommit(c->db)) /* some failures have rolled back already */
    nj_catalogue_run(c, sql);
  return nj_fail(c->ctx, status, "%s", text);
}

nj_status nj_catalogue_give_up(nj_catalogue *c, nj_status status) {
  return undo(c, status, "ROLLBACK");
}

nj_status nj_catalogue_within(nj_catalogue *c, nj_status (*body)(nj_catalogue *c, void *arg),
                              void *arg) {
  NJ_TRY(nj_catalogue_run(c, "SAVEPOINT within"));
  nj_status st = body(c, arg);
  if (!st)
    st = nj_catalogue_run(c, "RELEASE within");
  return st ? undo(c, st, "ROLLBACK TO within; RELEASE within") : NJ_OK;
}

nj_status nj_catalogue_version(nj_catalogue *c, int64_t *version) {
  NJ_TRY(nj_catalogue_number(c, "PRAGMA data_version", version));
  *version += c->recovered << 32; /* each connection counts for itself */
  return NJ_OK;
}

/* ---- notes ---- */

nj_status nj_catalogue_meta(nj_catalogue *c, const char *key, char **value) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  *value = NULL;
  nj_status st =
      nj_catalogue_prepare(c, "SELECT key, value, sum FROM meta WHERE key = ?1", &statement);
  if (!st)
    st = nj_catalogue_bind(c, statement, 1, key);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  const char *text = NULL;
  if (!st && row)
    st = nj_catalogue_text(c, statement, 1, &text);
  if (!st && row) {
    if (!text || nj_catalogue_sum(statement, 0, 2) != sqlite3_column_int64(statement, 2))
      st = nj_fail(c->ctx, NJ_EFORMAT, "%s: its note '%s' is damaged", c->path, key);
    else
      *value = nj_strdup(c->ctx, text);
    if (!st && !*value)
      st = NJ_ENOMEM;
  }
  sqlite3_finalize(statement);
  return st;
}

static nj_status seal_meta(nj_catalogue *c, const char *key) {
  sqlite3_stmt *read = NULL, *write = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, "SELECT key, value FROM meta WHERE key = ?1", &read);
  if (!st)
    st = nj_catalogue_prepare(c, "UPDATE meta SET sum = ?2 WHERE key = ?1", &write);
  if (!st)
    st = nj_catalogue_bind(c, read, 1, key);
  if (!st)
    st = nj_catalogue_bind(c, write, 1, key);
  if (!st)
    st = nj_catalogue_step(c, read, &row);
  if (!st && row) {
    sqlite3_bind_int64(write, 2, nj_catalogue_sum(read, 0, 2));
    sqlite3_reset(read);
    st = nj_catalogue_step(c, write, &row);
  }
  sqlite3_finalize(read);
  sqlite3_finalize(write);
  return st;
}

static nj_status write_meta(nj_catalogue *c, void *arg) {
  const nj_catalogue_note *note = arg;
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st = nj_catalogue_prepare(
      c, "INSERT INTO meta VALUES(?1, ?2, 0) ON CONFLICT(key) DO UPDATE SET value = ?2",
      &statement);
  if (!st)
    st = nj_catalogue_bind(c, statement, 1, note->key);
  if (!st)
    st = nj_catalogue_bind(c, statement, 2, note->value);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  sqlite3_finalize(statement);
  return st ? st : seal_meta(c, note->key);
}

nj_status nj_catalogue_set_meta(nj_catalogue *c, const char *key, const char *value) {
  nj_catalogue_note note = {key, value};
  return nj_catalogue_within(c, write_meta, &note);
}
