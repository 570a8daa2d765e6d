/* The sounds of a catalogue. */
#include <string.h>

#include "base/array.h"
#include "search/catalogue.h"
#include "search/catalogue_internal.h"

static nj_status check_sound(nj_catalogue *c, const nj_sound *s) {
  if (!s->vector)
    return NJ_OK;
  const nj_tensor *parts[] = {s->vector, s->segments, s->times};
  for (int i = 0; i < 3; i++)
    if (!parts[i] || parts[i]->dtype != NJ_F32)
      return nj_fail(c->ctx, NJ_EDTYPE, "put: vector, segments and times must be float32 tensors");
  if (s->vector->ndim != 1 || s->segments->ndim != 2 || s->times->ndim != 2 ||
      s->segments->shape[1] != s->vector->shape[0] || s->times->shape[1] != 2 ||
      s->times->shape[0] != s->segments->shape[0])
    return nj_fail(c->ctx, NJ_ESHAPE,
                   "put: expected vector (D), segments (S, D) and times (S, 2), "
                   "got %s, %s and %s",
                   NJ_SHAPE_OF(s->vector), NJ_SHAPE_OF(s->segments), NJ_SHAPE_OF(s->times));
  return NJ_OK;
}

/* Binds a tensor's bytes. They are copied: the statement may outlive the contiguous form. */
static nj_status bind_tensor(nj_catalogue *c, sqlite3_stmt *statement, int place, nj_tensor *x) {
  nj_tensor *flat = NULL;
  if (!x)
    return NJ_OK; /* unbound is NULL */
  NJ_TRY(nj_as_contiguous(x, &flat));
  int rc = sqlite3_bind_blob64(statement, place, nj_data(flat),
                               (sqlite3_uint64)nj_numel(flat) * sizeof(float), SQLITE_TRANSIENT);
  nj_release(flat);
  return rc == SQLITE_OK ? NJ_OK : nj_catalogue_fail(c, rc);
}

static nj_status put_row(nj_catalogue *c, const nj_sound *s, int64_t *id) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c,
      "INSERT INTO sounds(path, size, mtime, seconds, error, vector)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(path) DO UPDATE SET size = ?2, mtime = ?3,"
      " seconds = ?4, error = ?5, vector = ?6 RETURNING id",
      &statement);
  if (!st) {
    sqlite3_bind_text(statement, 1, s->path, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(statement, 2, s->size);
    sqlite3_bind_int64(statement, 3, s->mtime);
    sqlite3_bind_double(statement, 4, s->seconds);
    sqlite3_bind_text(statement, 5, s->error, -1, SQLITE_TRANSIENT); /* NULL stays NULL */
    st = bind_tensor(c, statement, 6, s->error ? NULL : s->vector);
  }
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  if (!st && row) {
    *id = sqlite3_column_int64(statement, 0);
    st = nj_catalogue_step(c, statement, &row); /* to its end, so that it takes effect */
  }
  sqlite3_finalize(statement);
  return st;
}

static nj_status put_segments(nj_catalogue *c, const nj_sound *s, int64_t id) {
  sqlite3_stmt *statement = NULL;
  int row;
  int has = s->vector && !s->error;
  nj_status st = nj_catalogue_prepare(c,
                                      has ? "INSERT OR REPLACE INTO segments VALUES(?1, ?2, ?3)"
                                          : "DELETE FROM segments WHERE sound = ?1",
                                      &statement);
  if (!st)
    sqlite3_bind_int64(statement, 1, id);
  if (!st && has) {
    st = bind_tensor(c, statement, 2, s->times);
    if (!st)
      st = bind_tensor(c, statement, 3, s->segments);
  }
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  sqlite3_finalize(statement);
  return st;
}

nj_status nj_catalogue_put(nj_catalogue *c, const nj_sound *s) {
  int64_t id = 0;
  NJ_TRY(check_sound(c, s));
  NJ_TRY(nj_catalogue_run(c, "SAVEPOINT put")); /* row and segments together */
  nj_status st = put_row(c, s, &id);
  if (!st)
    st = put_segments(c, s, id);
  if (!st)
    st = nj_catalogue_put_levels(c, id, s);
  if (st) {
    char text[512]; /* the rollback must not hide what went wrong */
    strncpy(text, nj_ctx_error(c->ctx), sizeof text - 1);
    text[sizeof text - 1] = '\0';
    nj_catalogue_run(c, "ROLLBACK TO put; RELEASE put");
    return nj_fail(c->ctx, st, "%s", text);
  }
  return nj_catalogue_run(c, "RELEASE put");
}

nj_status nj_catalogue_remove(nj_catalogue *c, const char *path, int *removed) {
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st = nj_catalogue_prepare(c, "DELETE FROM sounds WHERE path = ?1", &statement);
  if (!st) {
    sqlite3_bind_text(statement, 1, path, -1, SQLITE_TRANSIENT);
    st = nj_catalogue_step(c, statement, &row);
  }
  *removed = st ? 0 : sqlite3_changes(c->db);
  sqlite3_finalize(statement);
  return st;
}

nj_status nj_catalogue_clear(nj_catalogue *c) { return nj_catalogue_run(c, "DELETE FROM sounds"); }

/* SQLite's text columns as char *; valid until the next step. */
static char *column_text(sqlite3_stmt *statement, int column) {
  union {
    const unsigned char *in;
    char *out;
  } same = {sqlite3_column_text(statement, column)};
  return same.out;
}

nj_status nj_catalogue_each(nj_catalogue *c, nj_sound_fn each, void *arg) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT id, path, size, mtime, seconds, error FROM sounds ORDER BY path", &statement);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  while (!st && row) {
    nj_sound s = {.id = sqlite3_column_int64(statement, 0),
                  .path = column_text(statement, 1),
                  .size = sqlite3_column_int64(statement, 2),
                  .mtime = sqlite3_column_int64(statement, 3),
                  .seconds = sqlite3_column_double(statement, 4),
                  .error = column_text(statement, 5)};
    st = each(arg, &s);
    if (!st)
      st = nj_catalogue_step(c, statement, &row);
  }
  sqlite3_finalize(statement);
  return st;
}

/* A float32 tensor from a blob; rows of `width` floats, or a vector when width is 0. */
static nj_status column_tensor(nj_catalogue *c, sqlite3_stmt *statement, int column, int64_t width,
                               nj_tensor **out) {
  int bytes = sqlite3_column_bytes(statement, column);
  int64_t n = bytes / (int64_t)sizeof(float);
  if (bytes % (int)sizeof(float) || (width && n % width))
    return nj_fail(c->ctx, NJ_EFORMAT, "%s: a vector is damaged", c->path);
  int64_t shape[] = {width ? n / width : n, width};
  nj_tensor *x = NULL;
  NJ_TRY(nj_empty(c->ctx, NJ_F32, width ? 2 : 1, shape, &x));
  if (bytes)
    memcpy(nj_data(x), sqlite3_column_blob(statement, column), (size_t)bytes);
  *out = x;
  return NJ_OK;
}

static nj_status read_sound(nj_catalogue *c, sqlite3_stmt *statement, nj_sound *s) {
  const char *path = column_text(statement, 1), *error = column_text(statement, 5);
  s->id = sqlite3_column_int64(statement, 0);
  s->path = nj_strdup(c->ctx, path ? path : "");
  s->size = sqlite3_column_int64(statement, 2);
  s->mtime = sqlite3_column_int64(statement, 3);
  s->seconds = sqlite3_column_double(statement, 4);
  s->error = error ? nj_strdup(c->ctx, error) : NULL;
  if (!s->path || (error && !s->error))
    return NJ_ENOMEM;
  if (sqlite3_column_type(statement, 6) == SQLITE_NULL)
    return NJ_OK;
  NJ_TRY(column_tensor(c, statement, 6, 0, &s->vector));
  NJ_TRY(column_tensor(c, statement, 7, 2, &s->times));
  NJ_TRY(column_tensor(c, statement, 8, s->vector->shape[0], &s->segments));
  if (s->times->shape[0] != s->segments->shape[0])
    return nj_fail(c->ctx, NJ_EFORMAT, "%s: the segments of a sound are damaged", c->path);
  return NJ_OK;
}

nj_status nj_catalogue_get(nj_catalogue *c, int64_t id, nj_sound *out) {
  sqlite3_stmt *statement = NULL;
  nj_sound s = {0};
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c,
      "SELECT id, path, size, mtime, seconds, error, vector, times, vectors FROM sounds"
      " LEFT JOIN segments ON sound = id WHERE id = ?1",
      &statement);
  if (!st) {
    sqlite3_bind_int64(statement, 1, id);
    st = nj_catalogue_step(c, statement, &row);
  }
  if (!st && !row)
    st = nj_fail(c->ctx, NJ_ENOTFOUND, "%s: no sound with id %lld", c->path, (long long)id);
  if (!st)
    st = read_sound(c, statement, &s);
  sqlite3_finalize(statement);
  if (st)
    nj_sound_clear(c->ctx, &s);
  else
    *out = s;
  return st;
}

void nj_sound_clear(nj_ctx *ctx, nj_sound *s) {
  nj_free(ctx, s->path);
  nj_free(ctx, s->error);
  nj_release(s->vector);
  nj_release(s->segments);
  nj_release(s->times);
  *s = (nj_sound){0};
}

/* All vectors while they are read. */
typedef struct {
  float *values;
  size_t n_values, value_room;
  int64_t *ids;
  size_t n, id_room;
  int64_t width;
} gathered;

static nj_status gather_row(nj_catalogue *c, sqlite3_stmt *statement, gathered *g) {
  int bytes = sqlite3_column_bytes(statement, 1);
  int64_t width = bytes / (int64_t)sizeof(float);
  if (bytes % (int)sizeof(float) || width == 0 || (g->n && width != g->width))
    return nj_fail(c->ctx, NJ_EFORMAT, "%s: the vector of sound %lld is damaged", c->path,
                   (long long)sqlite3_column_int64(statement, 0));
  g->width = width;
  NJ_RESERVE(c->ctx, g->values, g->value_room, g->n_values + (size_t)width);
  NJ_RESERVE(c->ctx, g->ids, g->id_room, g->n + 1);
  memcpy(g->values + g->n_values, sqlite3_column_blob(statement, 1), (size_t)bytes);
  g->n_values += (size_t)width;
  g->ids[g->n++] = sqlite3_column_int64(statement, 0);
  return NJ_OK;
}

static nj_status gather_all(nj_catalogue *c, gathered *g) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT id, vector FROM sounds WHERE vector IS NOT NULL ORDER BY id", &statement);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  while (!st && row) {
    st = gather_row(c, statement, g);
    if (!st)
      st = nj_catalogue_step(c, statement, &row);
  }
  sqlite3_finalize(statement);
  return st;
}

nj_status nj_catalogue_vectors(nj_catalogue *c, nj_tensor **vectors, nj_tensor **ids) {
  gathered g = {0};
  nj_tensor *matrix = NULL, *names = NULL;
  nj_status st = gather_all(c, &g);
  if (!st)
    st = nj_empty(c->ctx, NJ_F32, 2, (int64_t[]){(int64_t)g.n, g.width}, &matrix);
  if (!st)
    st = nj_empty(c->ctx, NJ_I64, 1, (int64_t[]){(int64_t)g.n}, &names);
  if (!st && g.n) {
    memcpy(nj_data(matrix), g.values, g.n_values * sizeof *g.values);
    memcpy(nj_data(names), g.ids, g.n * sizeof *g.ids);
  }
  nj_free(c->ctx, g.values);
  nj_free(c->ctx, g.ids);
  if (st) {
    nj_release(matrix);
    nj_release(names);
    return st;
  }
  *vectors = matrix;
  *ids = names;
  return NJ_OK;
}
