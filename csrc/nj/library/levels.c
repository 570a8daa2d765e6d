/* The levels of a catalogue's sounds: vectors of frames, segments and captions, 8-bit quantised. */
#include <math.h>
#include <string.h>

#include "library/catalogue.h"
#include "library/catalogue_internal.h"
#include "library/quantize.h"

static nj_status check_level(nj_catalogue *c, const nj_sound_level *level) {
  const nj_tensor *v = level->vectors, *w = level->weights;
  if (v->dtype != NJ_F32 || (w && w->dtype != NJ_F32))
    return nj_fail(c->ctx, NJ_EDTYPE, "put: level '%s' must be of float32 tensors", level->name);
  if (v->ndim != 2 || v->shape[1] == 0)
    return nj_fail(c->ctx, NJ_ESHAPE, "put: level '%s' must have vectors (N, D), got %s",
                   level->name, NJ_SHAPE_OF(v));
  if (w && (w->ndim != 1 || w->shape[0] != v->shape[0]))
    return nj_fail(c->ctx, NJ_ESHAPE, "put: level '%s' must have weights (%lld), got %s",
                   level->name, (long long)v->shape[0], NJ_SHAPE_OF(w));
  return NJ_OK;
}

/* scales (N) and codes (N * D), both to be freed. */
static nj_status encode(nj_catalogue *c, const nj_sound_level *level, float **scales,
                        int8_t **codes) {
  int64_t n = level->vectors->shape[0], d = level->vectors->shape[1];
  nj_tensor *flat = NULL;
  NJ_TRY(nj_as_contiguous(level->vectors, &flat));
  *scales = nj_calloc(c->ctx, (size_t)n, sizeof **scales);
  *codes = nj_calloc(c->ctx, (size_t)n, (size_t)d);
  nj_status st = *scales && *codes ? NJ_OK : NJ_ENOMEM;
  for (int64_t i = 0; !st && i < n; i++) {
    (*scales)[i] = nj_quantize(NJ_F32_DATA(flat) + i * d, d, *codes + i * d);
    if (!isfinite((*scales)[i]))
      st = nj_fail(c->ctx, NJ_EARG, "put: level '%s' holds NaN or infinite values", level->name);
  }
  nj_release(flat);
  return st;
}

static nj_status bind_weights(nj_catalogue *c, sqlite3_stmt *statement, int place, nj_tensor *w) {
  nj_tensor *flat = NULL;
  if (!w)
    return NJ_OK; /* unbound is NULL */
  NJ_TRY(nj_as_contiguous(w, &flat));
  int rc = sqlite3_bind_blob64(statement, place, nj_data(flat),
                               (sqlite3_uint64)nj_numel(flat) * sizeof(float), SQLITE_TRANSIENT);
  nj_release(flat);
  return rc == SQLITE_OK ? NJ_OK : nj_catalogue_fail(c, rc);
}

/* Blobs are bound without a copy: they live until the statement is finalised. */
static nj_status bind_level(nj_catalogue *c, sqlite3_stmt *statement, int64_t id,
                            const nj_sound_level *level, const float *scales, const int8_t *codes) {
  sqlite3_uint64 n = (sqlite3_uint64)level->vectors->shape[0];
  sqlite3_uint64 d = (sqlite3_uint64)level->vectors->shape[1];
  sqlite3_bind_int64(statement, 1, id);
  sqlite3_bind_double(statement, 3, level->step);
  int rc = sqlite3_bind_text(statement, 2, level->name, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK)
    rc = sqlite3_bind_blob64(statement, 4, scales, n * sizeof *scales, SQLITE_STATIC);
  if (rc == SQLITE_OK)
    rc = sqlite3_bind_blob64(statement, 5, codes, n * d, SQLITE_STATIC);
  return rc == SQLITE_OK ? bind_weights(c, statement, 6, level->weights) : nj_catalogue_fail(c, rc);
}

static nj_status put_level(nj_catalogue *c, int64_t id, const nj_sound_level *level) {
  sqlite3_stmt *statement = NULL;
  float *scales = NULL;
  int8_t *codes = NULL;
  int row;
  NJ_TRY(check_level(c, level));
  nj_status st = encode(c, level, &scales, &codes);
  if (!st)
    st = nj_catalogue_prepare(c,
                              "INSERT INTO levels(sound, name, step, scales, codes, weights, sum)"
                              " VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)",
                              &statement);
  if (!st)
    st = bind_level(c, statement, id, level, scales, codes);
  if (!st)
    st = nj_catalogue_step(c, statement, &row);
  sqlite3_finalize(statement);
  nj_free(c->ctx, scales);
  nj_free(c->ctx, codes);
  return st ? st
            : nj_catalogue_seal_part(c, "SELECT " NJ_LEVEL_FIELDS " FROM levels WHERE id = ?1",
                                     "UPDATE levels SET sum = ?2 WHERE id = ?1", NJ_LEVEL_N_FIELDS,
                                     sqlite3_last_insert_rowid(c->db));
}

/* The names of a sound's levels in its own row, so that one that is lost is missed. */
static nj_status note_names(nj_catalogue *c, int64_t id) {
  return nj_catalogue_run_ids(
      c,
      "UPDATE sounds SET levels = coalesce((SELECT group_concat(name, ',') FROM (SELECT name FROM"
      " levels WHERE sound = ?1 ORDER BY name)), '') WHERE id = ?1",
      1, id, 0);
}

nj_status nj_catalogue_put_levels(nj_catalogue *c, int64_t id, const nj_sound *sound) {
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st = nj_catalogue_prepare(c, "DELETE FROM levels WHERE sound = ?1", &statement);
  if (!st) {
    sqlite3_bind_int64(statement, 1, id);
    st = nj_catalogue_step(c, statement, &row);
  }
  sqlite3_finalize(statement);
  for (int i = 0; !st && !sound->error && i < sound->n_levels; i++)
    st = put_level(c, id, &sound->levels[i]);
  return st ? st : note_names(c, id);
}

/* ---- reading ---- */

static nj_status damaged(nj_catalogue *c, int64_t id) {
  return nj_catalogue_damaged(c, id, NULL, "a level");
}

/* The row's columns after the first three: step, scales, codes, weights; then the checksum. */
static nj_status read_level(nj_catalogue *c, sqlite3_stmt *statement, int64_t id, const char *name,
                            nj_sound_level *out) {
  enum { SOUND = 1, NAME, STEP, SCALES, CODES, WEIGHTS, SUM };
  int64_t scale_bytes = sqlite3_column_bytes(statement, SCALES);
  int64_t code_bytes = sqlite3_column_bytes(statement, CODES), n = scale_bytes / 4;
  int weighted = sqlite3_column_type(statement, WEIGHTS) != SQLITE_NULL;
  const char *own;
  NJ_TRY(nj_catalogue_text(c, statement, NAME, &own));
  /* An index that is damaged finds the row of another. */
  if (sqlite3_column_int64(statement, SOUND) != id || !own || strcmp(own, name) != 0)
    return damaged(c, id);
  if (nj_catalogue_sum(statement, 0, NJ_LEVEL_N_FIELDS) != sqlite3_column_int64(statement, SUM))
    return damaged(c, id);
  if (scale_bytes % 4 || (n > 0 && (code_bytes == 0 || code_bytes % n)) || (n == 0 && code_bytes) ||
      (weighted && sqlite3_column_bytes(statement, WEIGHTS) != scale_bytes))
    return damaged(c, id);
  int64_t d = n > 0 ? code_bytes / n : 0;
  const char *scales = sqlite3_column_blob(statement, SCALES);
  const int8_t *codes = sqlite3_column_blob(statement, CODES);
  NJ_TRY(nj_empty(c->ctx, NJ_F32, 2, (int64_t[]){n, d}, &out->vectors));
  for (int64_t i = 0; i < n; i++) {
    float scale;
    memcpy(&scale, scales + i * 4, sizeof scale); /* SQLite's blobs have no alignment */
    if (!isfinite(scale))
      return damaged(c, id);
    nj_dequantize(codes + i * d, d, scale, NJ_F32_DATA(out->vectors) + i * d);
  }
  out->step = sqlite3_column_double(statement, STEP);
  if (!isfinite(out->step) ||
      (weighted &&
       !nj_catalogue_finite(sqlite3_column_blob(statement, WEIGHTS), (size_t)scale_bytes)))
    return damaged(c, id);
  if (!weighted)
    return NJ_OK;
  NJ_TRY(nj_empty(c->ctx, NJ_F32, 1, &n, &out->weights));
  if (n > 0)
    memcpy(nj_data(out->weights), sqlite3_column_blob(statement, WEIGHTS), (size_t)scale_bytes);
  return NJ_OK;
}

/* A level that is not there: has the sound none, or was it lost? */
static nj_status check_absent(nj_catalogue *c, int64_t id, const char *name) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT 1 FROM sounds WHERE id = ?1 AND instr(',' || levels || ',', ',' || ?2 || ',')",
      &statement);
  if (!st) {
    sqlite3_bind_int64(statement, 1, id);
    st = nj_catalogue_bind(c, statement, 2, name);
  }
  if (!st) {
    st = nj_catalogue_step(c, statement, &row);
  }
  sqlite3_finalize(statement);
  return !st && row ? damaged(c, id) : st;
}

nj_status nj_catalogue_level(nj_catalogue *c, int64_t id, const char *name, nj_sound_level *out) {
  sqlite3_stmt *statement = NULL;
  nj_sound_level level = {0};
  int row = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT " NJ_LEVEL_FIELDS ", sum FROM levels WHERE sound = ?1 AND name = ?2", &statement);
  if (!st) {
    sqlite3_bind_int64(statement, 1, id);
    st = nj_catalogue_bind(c, statement, 2, name);
  }
  if (!st) {
    st = nj_catalogue_step(c, statement, &row);
  }
  if (!st && row)
    st = read_level(c, statement, id, name, &level);
  sqlite3_finalize(statement);
  if (!st && !row)
    st = check_absent(c, id, name);
  if (st) {
    nj_release(level.vectors);
    nj_release(level.weights);
    return st;
  }
  *out = level;
  return NJ_OK;
}
