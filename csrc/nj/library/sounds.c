/* The sounds of a catalogue: writing them. Reading is in read.c. */
#include <string.h>

#include "library/catalogue.h"
#include "library/catalogue_internal.h"

nj_status nj_catalogue_damaged(nj_catalogue *c, int64_t id, const char *path, const char *what) {
  return nj_fail(c->ctx, NJ_EFORMAT,
                 "%s: %s of sound %lld%s%s%s is damaged; nightjar verify --repair has it indexed "
                 "again",
                 c->path, what, (long long)id, path ? " (" : "", path ? path : "", path ? ")" : "");
}

/* ---- checksums ---- */

/* Adds to count and checksum of all rows. The checksum is a sum modulo 2^64, which SQL has not. */
static nj_status add_to_totals(nj_catalogue *c, int64_t count, uint64_t sum) {
  int64_t n, total;
  NJ_TRY(nj_catalogue_number(c, "SELECT count FROM totals WHERE name = 'sounds'", &n));
  NJ_TRY(nj_catalogue_number(c, "SELECT sum FROM totals WHERE name = 'sounds'", &total));
  return nj_catalogue_run_ids(c, "UPDATE totals SET count = ?1, sum = ?2 WHERE name = 'sounds'", 2,
                              n + count, (int64_t)((uint64_t)total + sum));
}

static nj_status one_row(nj_catalogue *c, const char *sql, int64_t id, sqlite3_stmt **statement,
                         int *row) {
  *row = 0;
  NJ_TRY(nj_catalogue_prepare(c, sql, statement));
  sqlite3_bind_int64(*statement, 1, id);
  return nj_catalogue_step(c, *statement, row);
}

nj_status nj_catalogue_unseal(nj_catalogue *c, int64_t id) {
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st = one_row(c, "SELECT sum FROM sounds WHERE id = ?1", id, &statement, &row);
  uint64_t sum = !st && row ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  return st || !row ? st : add_to_totals(c, -1, 0 - sum);
}

nj_status nj_catalogue_seal(nj_catalogue *c, int64_t id) {
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st =
      one_row(c, "SELECT " NJ_SOUND_FIELDS " FROM sounds WHERE id = ?1", id, &statement, &row);
  int64_t sum = !st && row ? nj_catalogue_sum(statement, 0, NJ_SOUND_N_FIELDS) : 0;
  sqlite3_finalize(statement);
  if (st || !row)
    return st;
  NJ_TRY(nj_catalogue_run_ids(c, "UPDATE sounds SET sum = ?2 WHERE id = ?1", 2, id, sum));
  return add_to_totals(c, 1, (uint64_t)sum);
}

nj_status nj_catalogue_seal_part(nj_catalogue *c, const char *select, const char *update,
                                 int columns, int64_t id) {
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st = one_row(c, select, id, &statement, &row);
  int64_t sum = !st && row ? nj_catalogue_sum(statement, 0, columns) : 0;
  sqlite3_finalize(statement);
  return st || !row ? st : nj_catalogue_run_ids(c, update, 2, id, sum);
}

nj_status nj_catalogue_recount(nj_catalogue *c) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  int64_t count = 0;
  uint64_t sum = 0;
  nj_status st =
      nj_catalogue_prepare(c, "SELECT sum FROM sounds NOT INDEXED ORDER BY id", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    count++;
    sum += (uint64_t)sqlite3_column_int64(statement, 0);
  }
  sqlite3_finalize(statement);
  return st ? st
            : nj_catalogue_run_ids(c, "INSERT OR REPLACE INTO totals VALUES('sounds', ?1, ?2)", 2,
                                   count, (int64_t)sum);
}

/* ---- putting ---- */

static nj_status check_finite(nj_catalogue *c, nj_tensor *x, const char *name) {
  nj_tensor *flat = NULL;
  NJ_TRY(nj_as_contiguous(x, &flat));
  int fine = nj_catalogue_finite(nj_data(flat), (size_t)nj_numel(flat) * sizeof(float));
  nj_release(flat);
  return fine ? NJ_OK : nj_fail(c->ctx, NJ_EARG, "put: '%s' holds NaN or infinite values", name);
}

static nj_status check_sound(nj_catalogue *c, const nj_sound *s) {
  if (!s->vector)
    return NJ_OK;
  nj_tensor *parts[] = {s->vector, s->segments, s->times};
  static const char *const names[] = {"vector", "segments", "times"};
  for (int i = 0; i < 3; i++)
    if (!parts[i] || parts[i]->dtype != NJ_F32)
      return nj_fail(c->ctx, NJ_EDTYPE, "put: vector, segments and times must be float32 tensors");
  if (s->vector->ndim != 1 || s->segments->ndim != 2 || s->times->ndim != 2 ||
      s->segments->shape[1] < 1 || s->times->shape[1] != 2 ||
      s->times->shape[0] != s->segments->shape[0])
    return nj_fail(c->ctx, NJ_ESHAPE,
                   "put: expected vector (D), segments (S, E) and times (S, 2), "
                   "got %s, %s and %s",
                   NJ_SHAPE_OF(s->vector), NJ_SHAPE_OF(s->segments), NJ_SHAPE_OF(s->times));
  for (int i = 0; i < 3; i++)
    NJ_TRY(check_finite(c, parts[i], names[i]));
  return NJ_OK;
}

/* Binds a tensor's bytes, and with `sum` their checksum. They are copied: the statement may outlive
 * the contiguous form. */
static nj_status bind_tensor(nj_catalogue *c, sqlite3_stmt *statement, int place, nj_tensor *x,
                             int sum) {
  nj_tensor *flat = NULL;
  if (!x)
    return NJ_OK; /* unbound is NULL */
  NJ_TRY(nj_as_contiguous(x, &flat));
  size_t bytes = (size_t)nj_numel(flat) * sizeof(float);
  int rc = sqlite3_bind_blob64(statement, place, nj_data(flat), bytes, SQLITE_TRANSIENT);
  if (rc == SQLITE_OK && sum)
    rc = sqlite3_bind_int64(statement, sum, nj_catalogue_blob_sum(nj_data(flat), bytes));
  nj_release(flat);
  return rc == SQLITE_OK ? NJ_OK : nj_catalogue_fail(c, rc);
}

static nj_status id_of(nj_catalogue *c, const char *path, int64_t *id) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, "SELECT id FROM sounds WHERE path = ?1", &statement);
  if (!st)
    st = nj_catalogue_bind(c, statement, 1, path);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  *id = !st && row ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  return st;
}

/* The parameters of a file: ?1 path, ?2 size, ?3 mtime, ?4 changed, ?5 inode, ?6 content, ?7 missing. */
static nj_status bind_file(nj_catalogue *c, sqlite3_stmt *statement, const nj_sound_file *f) {
  NJ_TRY(nj_catalogue_bind(c, statement, 1, f->path));
  NJ_TRY(nj_catalogue_bind(c, statement, 6, f->content)); /* NULL stays NULL */
  sqlite3_bind_int64(statement, 2, f->size);
  sqlite3_bind_int64(statement, 3, f->mtime);
  sqlite3_bind_int64(statement, 4, f->changed);
  sqlite3_bind_int64(statement, 5, f->inode);
  sqlite3_bind_int(statement, 7, f->missing);
  return NJ_OK;
}

static nj_status put_row(nj_catalogue *c, const nj_sound *s, int64_t *id) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c,
      "INSERT INTO sounds(path, size, mtime, changed, inode, content, missing, seconds, state,"
      " error, code, vector, vector_sum, levels, sum)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, '', 0)"
      " ON CONFLICT(path) DO UPDATE SET size = ?2, mtime = ?3, changed = ?4, inode = ?5,"
      " content = ?6, missing = ?7, seconds = ?8, state = ?9, error = ?10, code = ?11, vector = "
      "?12,"
      " vector_sum = ?13, levels = ''",
      &statement);
  if (!st)
    st = bind_file(c, statement, &s->file);
  if (!st)
    st = nj_catalogue_bind(c, statement, 10, s->error);
  if (!st)
    st = nj_catalogue_bind(c, statement, 11, s->error ? s->code : NULL);
  if (!st) {
    sqlite3_bind_double(statement, 8, s->seconds);
    sqlite3_bind_int(statement, 9, s->error ? NJ_SOUND_FAILED : NJ_SOUND_READY);
    st = bind_tensor(c, statement, 12, s->error ? NULL : s->vector, 13);
  }
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  sqlite3_finalize(statement);
  return st ? st : id_of(c, s->file.path, id);
}

static nj_status put_segments(nj_catalogue *c, const nj_sound *s, int64_t id) {
  sqlite3_stmt *statement = NULL;
  int row;
  int has = s->vector && !s->error;
  nj_status st = nj_catalogue_prepare(c,
                                      has ? "INSERT OR REPLACE INTO segments VALUES(?1, ?2, ?3, 0)"
                                          : "DELETE FROM segments WHERE sound = ?1",
                                      &statement);
  if (!st)
    sqlite3_bind_int64(statement, 1, id);
  if (!st && has) {
    st = bind_tensor(c, statement, 2, s->times, 0);
    if (!st)
      st = bind_tensor(c, statement, 3, s->segments, 0);
  }
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  sqlite3_finalize(statement);
  if (st || !has)
    return st;
  return nj_catalogue_seal_part(c, "SELECT " NJ_SEGMENT_FIELDS " FROM segments WHERE sound = ?1",
                                "UPDATE segments SET sum = ?2 WHERE sound = ?1",
                                NJ_SEGMENT_N_FIELDS, id);
}

static nj_status put_whole(nj_catalogue *c, void *arg) {
  const nj_sound *s = arg;
  int64_t id = 0;
  NJ_TRY(id_of(c, s->file.path, &id));
  if (id)
    NJ_TRY(nj_catalogue_unseal(c, id));
  NJ_TRY(put_row(c, s, &id));
  NJ_TRY(put_segments(c, s, id));
  NJ_TRY(nj_catalogue_put_levels(c, id, s));
  return nj_catalogue_seal(c, id);
}

nj_status nj_catalogue_put(nj_catalogue *c, const nj_sound *s) {
  nj_sound copy = *s;
  NJ_TRY(check_sound(c, s));
  return nj_catalogue_within(c, put_whole, &copy);
}

/* ---- changing ---- */

typedef struct {
  int64_t id;
  const nj_sound_file *file;
  const char *path;
  int found;
} change;

static nj_status refile(nj_catalogue *c, void *arg) {
  change *what = arg;
  sqlite3_stmt *statement = NULL;
  int row;
  NJ_TRY(nj_catalogue_unseal(c, what->id));
  nj_status st = nj_catalogue_prepare(
      c,
      "UPDATE sounds SET path = ?1, size = ?2, mtime = ?3, changed = ?4, inode = ?5, content = ?6,"
      " missing = ?7 WHERE id = ?8",
      &statement);
  if (!st)
    st = bind_file(c, statement, what->file);
  if (!st) {
    sqlite3_bind_int64(statement, 8, what->id);
    st = nj_catalogue_step(c, statement, &row);
  }
  what->found = !st && sqlite3_changes(c->db) > 0;
  sqlite3_finalize(statement);
  if (!st && !what->found)
    st = nj_fail(c->ctx, NJ_ENOTFOUND, "%s: no sound with id %lld", c->path, (long long)what->id);
  return st ? st : nj_catalogue_seal(c, what->id);
}

nj_status nj_catalogue_refile(nj_catalogue *c, int64_t id, const nj_sound_file *file) {
  return nj_catalogue_within(c, refile, &(change){.id = id, .file = file});
}

static nj_status stale_one(nj_catalogue *c, int64_t id) {
  NJ_TRY(nj_catalogue_run_ids(c, "DELETE FROM segments WHERE sound = ?1", 1, id, 0));
  NJ_TRY(nj_catalogue_run_ids(c, "DELETE FROM levels WHERE sound = ?1", 1, id, 0));
  NJ_TRY(nj_catalogue_unseal(c, id));
  NJ_TRY(nj_catalogue_run_ids(c,
                              "UPDATE sounds SET state = 2, error = NULL, code = NULL, levels = '',"
                              " vector = NULL, vector_sum = NULL WHERE id = ?1",
                              1, id, 0));
  return nj_catalogue_seal(c, id);
}

static nj_status stale(nj_catalogue *c, void *arg) {
  int64_t id = *(int64_t *)arg;
  sqlite3_stmt *statement = NULL;
  int row = 0;
  if (id)
    return stale_one(c, id);
  nj_status st = nj_catalogue_prepare(c, "SELECT id FROM sounds ORDER BY id", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row)
    st = stale_one(c, sqlite3_column_int64(statement, 0));
  sqlite3_finalize(statement);
  return st;
}

nj_status nj_catalogue_stale(nj_catalogue *c, int64_t id) {
  return nj_catalogue_within(c, stale, &id);
}

static nj_status remove_one(nj_catalogue *c, void *arg) {
  change *what = arg;
  NJ_TRY(id_of(c, what->path, &what->id));
  what->found = what->id != 0;
  if (!what->found)
    return NJ_OK;
  NJ_TRY(nj_catalogue_unseal(c, what->id));
  return nj_catalogue_run_ids(c, "DELETE FROM sounds WHERE id = ?1", 1, what->id, 0);
}

nj_status nj_catalogue_remove(nj_catalogue *c, const char *path, int *removed) {
  change what = {.path = path};
  nj_status st = nj_catalogue_within(c, remove_one, &what);
  *removed = !st && what.found;
  return st;
}
