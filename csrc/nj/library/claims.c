/* Claims: which indexer is at work on which file. */
#include "library/catalogue.h"
#include "library/catalogue_internal.h"

nj_status nj_catalogue_claims(nj_catalogue *c, nj_claim_fn each, void *arg) {
  sqlite3_stmt *statement = NULL;
  int row = 0;
  nj_status st = nj_catalogue_prepare(c, "SELECT path, owner, until FROM claims", &statement);
  while (!st && !(st = nj_catalogue_step(c, statement, &row)) && row) {
    const char *path = (const char *)sqlite3_column_text(statement, 0);
    const char *owner = (const char *)sqlite3_column_text(statement, 1);
    if (path && owner)
      st = each(arg, path, owner, sqlite3_column_int64(statement, 2));
  }
  sqlite3_finalize(statement);
  return st;
}

static nj_status run_texts(nj_catalogue *c, const char *sql, const char *path, const char *owner,
                           int64_t until) {
  sqlite3_stmt *statement = NULL;
  int row;
  nj_status st = nj_catalogue_prepare(c, sql, &statement);
  if (!st)
    st = nj_catalogue_bind(c, statement, 1, path);
  if (!st)
    st = nj_catalogue_bind(c, statement, 2, owner);
  if (!st) {
    sqlite3_bind_int64(statement, 3, until);
    st = nj_catalogue_step(c, statement, &row);
  }
  sqlite3_finalize(statement);
  return st;
}

nj_status nj_catalogue_claim(nj_catalogue *c, const char *path, const char *owner, int64_t until) {
  return run_texts(c, "INSERT OR REPLACE INTO claims VALUES(?1, ?2, ?3)", path, owner, until);
}

nj_status nj_catalogue_release(nj_catalogue *c, const char *path, const char *owner) {
  return run_texts(c,
                   "DELETE FROM claims WHERE owner = ?2 AND (?1 IS NULL OR path = ?1) AND ?3 = 0",
                   path, owner, 0);
}
