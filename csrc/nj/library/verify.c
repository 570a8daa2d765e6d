/* Checking a whole catalogue, and making what can be read of it consistent again. */
#include <string.h>

#include "base/array.h"
#include "library/catalogue.h"
#include "library/catalogue_internal.h"

typedef struct {
  nj_damage_fn report;
  void *arg;
  int64_t *bad; /* ids of sounds with damage */
  size_t n, room;
} findings;

/* What ends a check, whatever it is about to find: all but damage. A file that cannot be read this
 * time is not damaged. */
static int is_final(nj_status st) { return st != NJ_EFORMAT && st != NJ_ENOTFOUND; }

static nj_status found(nj_catalogue *c, findings *f, int64_t id, const char *path,
                       const char *problem) {
  if (id && !(f->n && f->bad[f->n - 1] == id)) {
    NJ_RESERVE(c->ctx, f->bad, f->room, f->n + 1);
    f->bad[f->n++] = id;
  }
  return f->report ? f->report(f->arg, id, path, problem) : NJ_OK;
}

/* What SQLite says of its pages and indices. */
static nj_status check_pages(nj_catalogue *c, findings *f) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, "PRAGMA integrity_check(20)", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    const char *text;
    st = nj_catalogue_text(c, statement, 0, &text);
    if (!st && text && strcmp(text, "ok") != 0)
      st = found(c, f, 0, NULL, text);
  }
  sqlite3_finalize(statement);
  return st && !is_final(st) ? found(c, f, 0, NULL, nj_ctx_error(c->ctx)) : st;
}

static nj_status check_notes(nj_catalogue *c, findings *f) {
  char *value = NULL;
  nj_status st = nj_catalogue_meta(c, "model", &value);
  if (st && !is_final(st))
    st = found(c, f, 0, NULL, nj_ctx_error(c->ctx));
  else if (!st && !value)
    st = found(c, f, 0, NULL, "it does not say which model indexed it");
  nj_free(c->ctx, value);
  return st;
}

/* All levels that a row says its sound has. */
static nj_status check_levels(nj_catalogue *c, int64_t id, char *names) {
  for (char *name = names, *end; name && *name; name = end) {
    nj_sound_level level = {0};
    end = strchr(name, ',');
    if (end)
      *end++ = '\0';
    nj_status st = nj_catalogue_level(c, id, name, &level);
    nj_release(level.vectors);
    nj_release(level.weights);
    if (st)
      return st;
  }
  return NJ_OK;
}

static nj_status check_sound(nj_catalogue *c, findings *f, int64_t id, const char *path,
                             const char *levels) {
  nj_sound s;
  nj_status st = nj_catalogue_get(c, id, &s);
  if (!st) {
    nj_sound_clear(c->ctx, &s);
    char *names = nj_strdup(c->ctx, levels ? levels : "");
    st = names ? check_levels(c, id, names) : NJ_ENOMEM;
    nj_free(c->ctx, names);
  }
  if (st && !is_final(st)) {
    char text[512]; /* the context's own may change while it is read */
    strncpy(text, nj_ctx_error(c->ctx), sizeof text - 1);
    text[sizeof text - 1] = '\0';
    st = found(c, f, id, path, text);
  }
  return st;
}

static nj_status check_sounds(nj_catalogue *c, findings *f) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  int64_t count = 0, n, total;
  uint64_t sum = 0;
  nj_status st = nj_catalogue_prepare(
      c, "SELECT id, path, levels, sum FROM sounds NOT INDEXED ORDER BY id", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    count++;
    sum += (uint64_t)sqlite3_column_int64(statement, 3);
    const char *path, *levels = NULL;
    st = nj_catalogue_text(c, statement, 1, &path);
    if (!st)
      st = nj_catalogue_text(c, statement, 2, &levels);
    if (!st)
      st = check_sound(c, f, sqlite3_column_int64(statement, 0), path, levels);
    if (!st)
      st = nj_poll(c->ctx);
  }
  sqlite3_finalize(statement);
  if (st)
    return is_final(st) ? st : found(c, f, 0, NULL, nj_ctx_error(c->ctx));
  st = nj_catalogue_number(c, "SELECT count FROM totals WHERE name = 'sounds'", &n);
  if (!st)
    st = nj_catalogue_number(c, "SELECT sum FROM totals WHERE name = 'sounds'", &total);
  if (st)
    return is_final(st) ? st : found(c, f, 0, NULL, nj_ctx_error(c->ctx));
  if (n != count || (uint64_t)total != sum)
    return found(c, f, 0, NULL,
                 "its rows are not those that were written: some are missing, or there twice");
  return NJ_OK;
}

static nj_status check_all(nj_catalogue *c, findings *f) {
  NJ_TRY(check_pages(c, f));
  NJ_TRY(check_notes(c, f));
  return check_sounds(c, f);
}

nj_status nj_catalogue_verify(nj_catalogue *c, nj_damage_fn report, void *arg) {
  findings f = {.report = report, .arg = arg};
  NJ_TRY(nj_catalogue_snapshot(c));
  nj_status st = check_all(c, &f);
  nj_free(c->ctx, f.bad);
  return st ? nj_catalogue_give_up(c, st) : nj_catalogue_rollback(c);
}

static nj_status mend(nj_catalogue *c, int64_t *mended) {
  findings f = {0};
  /* Indices first: rows are found by them. */
  nj_status st = nj_catalogue_run(c, "REINDEX");
  if (!st)
    st = check_sounds(c, &f);
  for (size_t i = 0; !st && i < f.n; i++) {
    /* Whatever else the row says, its file has to be looked at again. */
    st = nj_catalogue_run_ids(c, "UPDATE sounds SET content = NULL, size = -1 WHERE id = ?1", 1,
                              f.bad[i], 0);
    if (!st)
      st = nj_catalogue_stale(c, f.bad[i]);
  }
  *mended = (int64_t)f.n;
  nj_free(c->ctx, f.bad);
  if (!st)
    st = nj_catalogue_run(c, "DELETE FROM segments WHERE sound NOT IN (SELECT id FROM sounds);"
                             "DELETE FROM levels WHERE sound NOT IN (SELECT id FROM sounds);"
                             "DELETE FROM claims");
  return st ? st : nj_catalogue_recount(c);
}

nj_status nj_catalogue_repair(nj_catalogue *c, int64_t *mended) {
  *mended = 0;
  NJ_TRY(nj_catalogue_begin(c, -1));
  nj_status st = mend(c, mended);
  if (!st)
    st = nj_catalogue_commit(c);
  return st ? nj_catalogue_give_up(c, st) : NJ_OK;
}
