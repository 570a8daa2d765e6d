/* Reading the sounds of a catalogue. Nothing is given that its checksum does not fit. */
#include <string.h>

#include "base/array.h"
#include "library/catalogue.h"
#include "library/catalogue_internal.h"

enum {
  F_ID,
  F_PATH,
  F_SIZE,
  F_MTIME,
  F_CHANGED,
  F_INODE,
  F_CONTENT,
  F_SECONDS,
  F_STATE,
  F_ERROR,
  F_CODE,
  F_MISSING,
  F_LEVELS,
  F_VECTOR_SUM,
  F_SUM,
  F_VECTOR
};

/* SQLite's text columns as char *; valid until the next step. */
static char *column_text(sqlite3_stmt *statement, int column) {
  union {
    const unsigned char *in;
    char *out;
  } text = {sqlite3_column_text(statement, column)};
  return text.out;
}

/* The fields of a row as they lie in it, and whether they are what was written. */
static nj_status row_of(nj_catalogue *c, sqlite3_stmt *statement, nj_sound *out) {
  static const int texts[] = {F_PATH, F_CONTENT, F_ERROR, F_CODE};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const char *text;
    NJ_TRY(nj_catalogue_text(c, statement, texts[i], &text));
  }
  nj_sound s = {.id = sqlite3_column_int64(statement, F_ID),
                .file = {.path = column_text(statement, F_PATH),
                         .content = column_text(statement, F_CONTENT),
                         .size = sqlite3_column_int64(statement, F_SIZE),
                         .mtime = sqlite3_column_int64(statement, F_MTIME),
                         .changed = sqlite3_column_int64(statement, F_CHANGED),
                         .inode = sqlite3_column_int64(statement, F_INODE),
                         .missing = sqlite3_column_int(statement, F_MISSING) != 0},
                .seconds = sqlite3_column_double(statement, F_SECONDS),
                .state = (nj_sound_state)sqlite3_column_int(statement, F_STATE),
                .error = column_text(statement, F_ERROR),
                .code = column_text(statement, F_CODE)};
  s.damaged = !s.file.path || nj_catalogue_sum(statement, 0, NJ_SOUND_N_FIELDS) !=
                                  sqlite3_column_int64(statement, F_SUM);
  *out = s;
  return NJ_OK;
}

/* What was read of all rows, and what was counted when they were written. */
static nj_status check_totals(nj_catalogue *c, int64_t count, uint64_t sum) {
  int64_t n, total;
  NJ_TRY(nj_catalogue_number(c, "SELECT count FROM totals WHERE name = 'sounds'", &n));
  NJ_TRY(nj_catalogue_number(c, "SELECT sum FROM totals WHERE name = 'sounds'", &total));
  if (n == count && (uint64_t)total == sum)
    return NJ_OK;
  return nj_fail(c->ctx, NJ_EFORMAT,
                 "%s: it should hold %lld sounds, and %lld can be read as they were written; "
                 "the file is damaged: nightjar verify says where",
                 c->path, (long long)n, (long long)count);
}

/* Every row is found by its path, and the index has no other entries. */
static nj_status check_index(nj_catalogue *c, int64_t count) {
  int64_t entries, lost;
  NJ_TRY(nj_catalogue_number(
      c, "SELECT count(*) FROM sounds INDEXED BY sqlite_autoindex_sounds_1 WHERE path >= ''",
      &entries));
  NJ_TRY(nj_catalogue_number(
      c,
      "SELECT count(*) FROM sounds a NOT INDEXED WHERE NOT EXISTS (SELECT 1 FROM sounds b"
      " INDEXED BY sqlite_autoindex_sounds_1 WHERE b.path = a.path AND b.id = a.id)",
      &lost));
  if (entries == count && lost == 0)
    return NJ_OK;
  return nj_fail(c->ctx, NJ_EFORMAT,
                 "%s: the index of its paths is damaged; nightjar verify --repair mends it",
                 c->path);
}

/* body(c, arg) sees one state of the file, in the caller's transaction or one of its own. */
static nj_status reading(nj_catalogue *c, nj_status (*body)(nj_catalogue *c, void *arg),
                         void *arg) {
  int own = sqlite3_get_autocommit(c->db);
  if (own)
    NJ_TRY(nj_catalogue_snapshot(c));
  nj_status st = body(c, arg);
  if (!own)
    return st;
  return st ? nj_catalogue_give_up(c, st) : nj_catalogue_commit(c);
}

/* ---- all ---- */

typedef struct {
  nj_sound_fn each;
  void *arg;
} listing;

static nj_status list_all(nj_catalogue *c, void *arg) {
  const listing *l = arg;
  sqlite3_stmt *statement = NULL;
  int row = 0;
  int64_t count = 0;
  uint64_t sum = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT " NJ_SOUND_FIELDS ", sum FROM sounds NOT INDEXED ORDER BY path", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    nj_sound s;
    count++;
    sum += (uint64_t)sqlite3_column_int64(statement, F_SUM);
    st = row_of(c, statement, &s);
    if (!st)
      st = l->each(l->arg, &s);
  }
  sqlite3_finalize(statement);
  if (!st)
    st = check_totals(c, count, sum);
  /* Who may write puts rows in the place of those that the index finds. */
  return st || c->mode == NJ_CATALOGUE_READ ? st : check_index(c, count);
}

nj_status nj_catalogue_each(nj_catalogue *c, nj_sound_fn each, void *arg) {
  return reading(c, list_all, &(listing){each, arg});
}

/* ---- one ---- */

nj_status nj_catalogue_find(nj_catalogue *c, const char *path, nj_sound_fn each, void *arg) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT " NJ_SOUND_FIELDS ", sum FROM sounds WHERE path = ?1", &statement);
  if (!st)
    st = nj_catalogue_bind(c, statement, 1, path);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  if (!st && row) {
    nj_sound s;
    st = row_of(c, statement, &s);
    if (!st && (!s.file.path || strcmp(s.file.path, path) != 0)) /* the index is damaged */
      st = nj_catalogue_damaged(c, s.id, path, "the row");
    if (!st)
      st = each(arg, &s);
  }
  sqlite3_finalize(statement);
  return st;
}

/* A blob of float32 as (bytes / 4), or (rows, width) when width > 0. */
static nj_status column_tensor(nj_catalogue *c, sqlite3_stmt *statement, int column, int64_t width,
                               nj_tensor **out, int *fine) {
  int64_t bytes = sqlite3_column_bytes(statement, column), n = bytes / (int64_t)sizeof(float);
  const void *blob = sqlite3_column_blob(statement, column);
  int64_t shape[2] = {width ? n / width : n, width};
  *fine = bytes % (int64_t)sizeof(float) == 0 && (!width || n % width == 0) &&
          nj_catalogue_finite(blob, (size_t)bytes);
  if (!*fine)
    return NJ_OK;
  NJ_TRY(nj_empty(c->ctx, NJ_F32, width ? 2 : 1, shape, out));
  if (bytes)
    memcpy(nj_data(*out), blob, (size_t)bytes);
  return NJ_OK;
}

static nj_status copy_texts(nj_catalogue *c, const nj_sound *from, nj_sound *to) {
  char **out[] = {&to->file.path, &to->file.content, &to->error, &to->code};
  char *in[] = {from->file.path, from->file.content, from->error, from->code};
  for (int i = 0; i < 4; i++) {
    *out[i] = in[i] ? nj_strdup(c->ctx, in[i]) : NULL;
    if (in[i] && !*out[i])
      return NJ_ENOMEM;
  }
  return NJ_OK;
}

/* Behind the fields: sum, vector, then of segments all fields and their sum. */
static nj_status read_sound(nj_catalogue *c, sqlite3_stmt *statement, nj_sound *s) {
  enum { SEGMENTS = F_VECTOR + 1 };
  nj_sound raw;
  int fine = 1;
  NJ_TRY(row_of(c, statement, &raw));
  if (raw.damaged)
    return nj_catalogue_damaged(c, raw.id, raw.file.path, "the row");
  *s = raw;
  s->file.path = s->file.content = s->error = s->code = NULL;
  NJ_TRY(copy_texts(c, &raw, s));
  if (s->state != NJ_SOUND_READY)
    return NJ_OK;
  const void *blob = sqlite3_column_blob(statement, F_VECTOR);
  size_t bytes = (size_t)sqlite3_column_bytes(statement, F_VECTOR);
  if (bytes == 0 ||
      nj_catalogue_blob_sum(blob, bytes) != sqlite3_column_int64(statement, F_VECTOR_SUM))
    return nj_catalogue_damaged(c, s->id, s->file.path, "the vector");
  NJ_TRY(column_tensor(c, statement, F_VECTOR, 0, &s->vector, &fine));
  if (!fine)
    return nj_catalogue_damaged(c, s->id, s->file.path, "the vector");
  if (nj_catalogue_sum(statement, SEGMENTS, NJ_SEGMENT_N_FIELDS) !=
      sqlite3_column_int64(statement, SEGMENTS + NJ_SEGMENT_N_FIELDS))
    return nj_catalogue_damaged(c, s->id, s->file.path, "the list of segments");
  NJ_TRY(column_tensor(c, statement, SEGMENTS + 1, 2, &s->times, &fine));
  if (fine) {
    int64_t rows = s->times->shape[0];
    int64_t numbers = sqlite3_column_bytes(statement, SEGMENTS + 2) / (int64_t)sizeof(float);
    int64_t width = rows > 0 && numbers >= rows ? numbers / rows : s->vector->shape[0];
    NJ_TRY(column_tensor(c, statement, SEGMENTS + 2, width, &s->segments, &fine));
  }
  if (!fine || s->times->shape[0] != s->segments->shape[0])
    return nj_catalogue_damaged(c, s->id, s->file.path, "the list of segments");
  return NJ_OK;
}

nj_status nj_catalogue_get(nj_catalogue *c, int64_t id, nj_sound *out) {
  sqlite3_stmt *statement = NULL;
  nj_sound s = {0};
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c,
      "SELECT s.id, path, size, mtime, changed, inode, content, seconds, state, error, code,"
      " missing, levels, vector_sum, s.sum, vector, sound, times, vectors, g.sum"
      " FROM sounds s LEFT JOIN segments g ON sound = s.id WHERE s.id = ?1",
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
  nj_free(ctx, s->file.path);
  nj_free(ctx, s->file.content);
  nj_free(ctx, s->error);
  nj_free(ctx, s->code);
  nj_release(s->vector);
  nj_release(s->segments);
  nj_release(s->times);
  *s = (nj_sound){0};
}

/* ---- the matrix ---- */

/* All vectors while they are read. */
typedef struct {
  float *values;
  size_t n_values, value_room;
  int64_t *ids;
  size_t n, id_room;
  int64_t width;
  int missing; /* also of sounds whose file is missing */
} gathered;

static nj_status gather_row(nj_catalogue *c, sqlite3_stmt *statement, gathered *g) {
  nj_sound s;
  NJ_TRY(row_of(c, statement, &s));
  if (s.damaged)
    return nj_catalogue_damaged(c, s.id, s.file.path, "the row");
  if (s.state != NJ_SOUND_READY || (s.file.missing && !g->missing))
    return NJ_OK;
  const void *blob = sqlite3_column_blob(statement, F_VECTOR);
  size_t bytes = (size_t)sqlite3_column_bytes(statement, F_VECTOR), width = bytes / sizeof(float);
  if (width == 0 || bytes % sizeof(float) || (g->n && (int64_t)width != g->width) ||
      nj_catalogue_blob_sum(blob, bytes) != sqlite3_column_int64(statement, F_VECTOR_SUM) ||
      !nj_catalogue_finite(blob, bytes))
    return nj_catalogue_damaged(c, s.id, s.file.path, "the vector");
  g->width = (int64_t)width;
  NJ_RESERVE(c->ctx, g->values, g->value_room, g->n_values + width);
  NJ_RESERVE(c->ctx, g->ids, g->id_room, g->n + 1);
  memcpy(g->values + g->n_values, blob, bytes);
  g->n_values += width;
  g->ids[g->n++] = s.id;
  return NJ_OK;
}

static nj_status gather_all(nj_catalogue *c, void *arg) {
  gathered *g = arg;
  sqlite3_stmt *statement = NULL;
  int row = 0;
  int64_t count = 0;
  uint64_t sum = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT " NJ_SOUND_FIELDS ", sum, vector FROM sounds NOT INDEXED ORDER BY id", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    count++;
    sum += (uint64_t)sqlite3_column_int64(statement, F_SUM);
    st = gather_row(c, statement, g);
  }
  sqlite3_finalize(statement);
  return st ? st : check_totals(c, count, sum);
}

nj_status nj_catalogue_vectors(nj_catalogue *c, int missing, nj_tensor **vectors, nj_tensor **ids) {
  gathered g = {.missing = missing};
  nj_tensor *matrix = NULL, *names = NULL;
  nj_status st = reading(c, gather_all, &g);
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
