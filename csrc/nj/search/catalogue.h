/* The catalogue of a sound library: one SQLite file that holds, for every sound, where it lies,
 * what the file looked like when it was indexed, and its vectors. Changes between begin and commit
 * appear together or not at all, also when the process dies. */
#ifndef NJ_SEARCH_CATALOGUE_H
#define NJ_SEARCH_CATALOGUE_H

#include "tensor/tensor.h"

typedef struct nj_catalogue nj_catalogue;

/* The vectors of one level of a sound: its frames, its segments, its captions. They are kept in a
 * byte a number (quantize.h). */
typedef struct {
  const char *name;   /* of the level */
  double step;        /* seconds from one vector to the next; 0 where that has no meaning */
  nj_tensor *vectors; /* float32 (N, D) */
  nj_tensor *weights; /* float32 (N), or NULL */
} nj_sound_level;

typedef struct {
  int64_t id; /* given by the catalogue */
  char *path;
  int64_t size, mtime; /* bytes; nanoseconds since 1970 */
  double seconds;
  char *error;         /* why it could not be indexed, or NULL; then there are no vectors */
  nj_tensor *vector;   /* float32 (D) */
  nj_tensor *segments; /* float32 (S, D) */
  nj_tensor *times;    /* float32 (S, 2): from and to of each segment, in seconds */
  const nj_sound_level *levels; /* to be put; nj_catalogue_get leaves them out */
  int n_levels;
} nj_sound;

/* READ never writes: no schema, no upgrade, no journal. CREATE makes a file that is missing or
 * empty a catalogue. */
typedef enum { NJ_CATALOGUE_READ, NJ_CATALOGUE_WRITE, NJ_CATALOGUE_CREATE } nj_catalogue_mode;

/* Opens the file. Errors: ENOTFOUND, EFORMAT (a file of another kind, or
 * damaged), EUNSUPPORTED (a newer version), EBUSY, EIO, ENOMEM. Messages begin with the path. */
nj_status nj_catalogue_open(nj_ctx *ctx, const char *path, nj_catalogue_mode mode,
                            nj_catalogue **out);
void nj_catalogue_close(nj_catalogue *catalogue);

/* Errors of all that follow: EBUSY (another process is writing), EIO (disk full, read-only …),
 * EFORMAT (damaged), ENOMEM. */
nj_status nj_catalogue_begin(nj_catalogue *catalogue); /* ESTATE inside a transaction */
nj_status nj_catalogue_commit(nj_catalogue *catalogue);
nj_status nj_catalogue_rollback(nj_catalogue *catalogue);

/* *value is NULL when the key is absent, else freed by nj_free. */
nj_status nj_catalogue_meta(nj_catalogue *catalogue, const char *key, char **value);
nj_status nj_catalogue_set_meta(nj_catalogue *catalogue, const char *key, const char *value);

/* Adds the sound with its levels, or replaces the one with its path. Errors: ESHAPE, EDTYPE, EARG
 * (a level with NaN or infinite numbers). */
nj_status nj_catalogue_put(nj_catalogue *catalogue, const nj_sound *sound);
nj_status nj_catalogue_remove(nj_catalogue *catalogue, const char *path, int *removed);
nj_status nj_catalogue_clear(nj_catalogue *catalogue);

/* Calls `each` for all sounds by path, without vectors; a failure of `each` ends it. */
typedef nj_status (*nj_sound_fn)(void *arg, const nj_sound *sound);
nj_status nj_catalogue_each(nj_catalogue *catalogue, nj_sound_fn each, void *arg);
/* A sound with its segments. ENOTFOUND. Freed by nj_sound_clear. */
nj_status nj_catalogue_get(nj_catalogue *catalogue, int64_t id, nj_sound *out);
/* One level of a sound, without its name; vectors are NULL when the sound has none of that name. */
nj_status nj_catalogue_level(nj_catalogue *catalogue, int64_t id, const char *name,
                             nj_sound_level *out);
void nj_sound_clear(nj_ctx *ctx, nj_sound *sound);

/* The clip vectors of all sounds that have one, float32 (n, D), with their ids, int64 (n), by id.
 * Errors: EFORMAT (vectors of different lengths). */
nj_status nj_catalogue_vectors(nj_catalogue *catalogue, nj_tensor **vectors, nj_tensor **ids);

#endif
