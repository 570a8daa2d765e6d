/* What the files of the catalogue share. */
#ifndef NJ_SEARCH_CATALOGUE_INTERNAL_H
#define NJ_SEARCH_CATALOGUE_INTERNAL_H

#include <sqlite3.h>

#include "search/catalogue.h"

struct nj_catalogue {
  nj_ctx *ctx;
  sqlite3 *db;
  char *path;
};

/* Turns what SQLite said last into a status with its text. */
nj_status nj_catalogue_fail(nj_catalogue *catalogue, int rc);
/* Runs statements that give no rows. */
nj_status nj_catalogue_run(nj_catalogue *catalogue, const char *sql);
nj_status nj_catalogue_prepare(nj_catalogue *catalogue, const char *sql, sqlite3_stmt **out);
/* Writes the levels of the sound in the place of those that it had. */
nj_status nj_catalogue_put_levels(nj_catalogue *catalogue, int64_t id, const nj_sound *sound);
/* Steps once: *row is 1 when there is a row, 0 at the end. */
nj_status nj_catalogue_step(nj_catalogue *catalogue, sqlite3_stmt *statement, int *row);

#endif
