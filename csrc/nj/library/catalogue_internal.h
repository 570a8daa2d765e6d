/* What the files of the catalogue share. */
#ifndef NJ_LIBRARY_CATALOGUE_INTERNAL_H
#define NJ_LIBRARY_CATALOGUE_INTERNAL_H

#include <sqlite3.h>

#include "library/catalogue.h"

struct nj_catalogue {
  nj_ctx *ctx;
  sqlite3 *db;
  char *path;
  char *folder; /* the library lies in, with a slash at its end, as the system resolves it */
  nj_catalogue_mode mode;
  int64_t recovered; /* how often the connection was made again */
  int wait_ms;       /* as the catalogue was opened */
  int patience_ms;   /* of the running call */
  int stopped;       /* an interrupt ended the waiting */
  struct {
    int64_t sec, nsec;
  } waiting; /* since when the running call waits */
};

/* Turns what SQLite said last into a status with its text. */
nj_status nj_catalogue_fail(nj_catalogue *catalogue, int rc);
/* Runs statements that give no rows. */
nj_status nj_catalogue_run(nj_catalogue *catalogue, const char *sql);
nj_status nj_catalogue_prepare(nj_catalogue *catalogue, const char *sql, sqlite3_stmt **out);
/* Binds a text, or NULL, that stays as it is until the statement is finalised. */
nj_status nj_catalogue_bind(nj_catalogue *catalogue, sqlite3_stmt *statement, int place,
                            const char *text);
/* The text of a column, until the next step; NULL when it is no text. ENOMEM is not "no text". */
nj_status nj_catalogue_text(nj_catalogue *catalogue, sqlite3_stmt *statement, int column,
                            const char **out);
/* Steps once: *row is 1 when there is a row, 0 at the end. */
nj_status nj_catalogue_step(nj_catalogue *catalogue, sqlite3_stmt *statement, int *row);
/* Runs one statement with up to two integers bound: 0 of n are left out. */
nj_status nj_catalogue_run_ids(nj_catalogue *catalogue, const char *sql, int n, int64_t first,
                               int64_t second);
/* The first column of the first row; 0 when there is none. */
nj_status nj_catalogue_number(nj_catalogue *catalogue, const char *sql, int64_t *value);
/* Runs body(c, arg) between SAVEPOINT and RELEASE; what fails is rolled back with its text kept. */
nj_status nj_catalogue_within(nj_catalogue *catalogue,
                              nj_status (*body)(nj_catalogue *catalogue, void *arg), void *arg);

/* Rolls the transaction back and returns the status, with its text kept. */
nj_status nj_catalogue_give_up(nj_catalogue *catalogue, nj_status status);

/* ---- schema.c ---- */
/* Checks that the file is a catalogue, makes it one or brings it up to date. */
nj_status nj_catalogue_check_schema(nj_catalogue *catalogue, const nj_catalogue_options *options);

/* ---- checksum.c ---- */
/* Of `count` columns from `first` on, whatever their types: the same when they are read again. */
int64_t nj_catalogue_sum(sqlite3_stmt *statement, int first, int count);
int64_t nj_catalogue_blob_sum(const void *bytes, size_t count);
/* Bytes of float32, at any address: 1 when none of them is NaN or infinite. */
int nj_catalogue_finite(const void *bytes, size_t count);

/* ---- sounds.c ---- */
/* The columns that the checksum of a row of `sounds` covers, and their number; `sum` and `vector`
 * follow them wherever rows are read. */
#define NJ_SOUND_FIELDS                                              \
  "id, path, size, mtime, changed, inode, content, seconds, state, " \
  "error, code, missing, levels, vector_sum"
#define NJ_SOUND_N_FIELDS 14
/* Writes the checksum of a row of `sounds` and counts it among all; the way back before a change. */
nj_status nj_catalogue_seal(nj_catalogue *catalogue, int64_t id);
nj_status nj_catalogue_unseal(nj_catalogue *catalogue, int64_t id);
/* The error of a damaged part of a sound. */
nj_status nj_catalogue_damaged(nj_catalogue *catalogue, int64_t id, const char *path,
                               const char *what);
/* Seals one row of `segments` or `levels`, of all columns but `sum`. */
nj_status nj_catalogue_seal_part(nj_catalogue *catalogue, const char *select, const char *update,
                                 int columns, int64_t id);
/* Count and checksum of all rows of `sounds`, as they are; writes them. */
nj_status nj_catalogue_recount(nj_catalogue *catalogue);

/* ---- levels.c ---- */
#define NJ_LEVEL_FIELDS "id, sound, name, step, scales, codes, weights"
#define NJ_LEVEL_N_FIELDS 7
#define NJ_SEGMENT_FIELDS "sound, times, vectors"
#define NJ_SEGMENT_N_FIELDS 3
/* Writes the levels of the sound in the place of those that it had. */
nj_status nj_catalogue_put_levels(nj_catalogue *catalogue, int64_t id, const nj_sound *sound);

#endif
