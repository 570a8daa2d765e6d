/* The catalogue of a sound library: one SQLite file that holds, for every sound, where it lies,
 * what the file looked like when it was indexed, and its vectors. Changes between begin and commit
 * appear together or not at all, also when the process dies.
 *
 * Every row carries a checksum, which is checked whenever the row is read, and the catalogue a
 * checksum of all rows of sounds: what is damaged is never given as if it were right. Paths are
 * text to the catalogue; the library stores those below its own folder relative to it. */
#ifndef NJ_LIBRARY_CATALOGUE_H
#define NJ_LIBRARY_CATALOGUE_H

#include "tensor/tensor.h"

typedef struct nj_catalogue nj_catalogue;

/* The vectors of one level of a sound: its frames, its segments, its captions. They are kept
 * 8-bit quantised (quantize.h). */
typedef struct {
  const char *name;   /* of the level */
  double step;        /* seconds from one vector to the next; 0 where that has no meaning */
  nj_tensor *vectors; /* float32 (N, D) */
  nj_tensor *weights; /* float32 (N), or NULL */
} nj_sound_level;

typedef enum {
  NJ_SOUND_READY,  /* it has vectors */
  NJ_SOUND_FAILED, /* it could not be indexed: `error` says why */
  NJ_SOUND_STALE   /* to be indexed again: its vectors were damaged, or another model's */
} nj_sound_state;

/* What names and tells apart the file of a sound. */
typedef struct {
  char *path;
  char *content;                       /* a hash of its bytes; NULL: not known */
  int64_t size, mtime, changed, inode; /* bytes; nanoseconds since 1970 of data and of inode */
  int missing;                         /* 1: it was not there when it was last looked for */
} nj_sound_file;

typedef struct {
  int64_t id; /* given by the catalogue, and never to another sound */
  nj_sound_file file;
  double seconds;
  nj_sound_state state;
  int damaged;         /* from nj_catalogue_each: the row's checksum does not fit */
  char *error;         /* why it could not be indexed, or NULL; then there are no vectors */
  char *code;          /* the error's code: "EFORMAT"; or NULL */
  nj_tensor *vector;   /* float32 (D) */
  nj_tensor *segments; /* float32 (S, E); E may differ from the vector's D */
  nj_tensor *times;    /* float32 (S, 2): from and to of each segment, in seconds */
  const nj_sound_level *levels; /* to be put; nj_catalogue_get leaves them out */
  int n_levels;
} nj_sound;

typedef struct {
  const char *key, *value;
} nj_catalogue_note;

typedef enum { NJ_CATALOGUE_READ, NJ_CATALOGUE_WRITE, NJ_CATALOGUE_CREATE } nj_catalogue_mode;

typedef struct {
  /* READ never writes: no schema, no migration, no file beside the library. The one exception is
   * what a killed process left half written: that has to be rolled back before it can be read.
   * WRITE brings an older version up to date. CREATE makes a file that is missing or empty a
   * catalogue. */
  nj_catalogue_mode mode;
  int wait_ms;                    /* how long a call waits for the locks of others */
  const nj_catalogue_note *notes; /* kept from the beginning in a catalogue that is made */
  int n_notes;
} nj_catalogue_options;

/* Opens the file. Errors: ENOTFOUND, EFORMAT (a file of another kind, or damaged), EUNSUPPORTED (a
 * newer version; an older one that is to be read only), EBUSY, EIO, ENOMEM. Messages begin with the
 * path. */
nj_status nj_catalogue_open(nj_ctx *ctx, const char *path, const nj_catalogue_options *options,
                            nj_catalogue **out);
void nj_catalogue_close(nj_catalogue *catalogue);

/* Errors of all that follow: EBUSY (another process is writing), EIO (disk full, read-only …),
 * EFORMAT (damaged), ENOMEM, EINTR (interrupted while waiting). */

/* Begins to write, waiting at most wait_ms for others (negative: as long as the catalogue was
 * opened for). ESTATE inside a transaction. */
nj_status nj_catalogue_begin(nj_catalogue *catalogue, int wait_ms);
/* Begins to read: until commit or rollback all reading sees one state. ESTATE as above. */
nj_status nj_catalogue_snapshot(nj_catalogue *catalogue);
nj_status nj_catalogue_commit(nj_catalogue *catalogue);
nj_status nj_catalogue_rollback(nj_catalogue *catalogue);
/* A number that is another one after another connection has written. */
nj_status nj_catalogue_version(nj_catalogue *catalogue, int64_t *version);

/* *value is NULL when the key is absent, else freed by nj_free. */
nj_status nj_catalogue_meta(nj_catalogue *catalogue, const char *key, char **value);
nj_status nj_catalogue_set_meta(nj_catalogue *catalogue, const char *key, const char *value);

/* Adds the sound with its levels, or replaces the one with its path. Errors: ESHAPE, EDTYPE, EARG
 * (NaN or infinite numbers). */
nj_status nj_catalogue_put(nj_catalogue *catalogue, const nj_sound *sound);
/* Gives a sound another file: path, size, times, content, missing. Its vectors stay. ENOTFOUND. */
nj_status nj_catalogue_refile(nj_catalogue *catalogue, int64_t id, const nj_sound_file *file);
/* Drops the vectors of a sound, or of all (id 0), which then wait to be indexed again. */
nj_status nj_catalogue_stale(nj_catalogue *catalogue, int64_t id);
nj_status nj_catalogue_remove(nj_catalogue *catalogue, const char *path, int *removed);

/* Calls `each` for all sounds by path, without vectors; a failure of `each` ends it. Damaged rows
 * are marked. EFORMAT when rows are missing or there twice. */
typedef nj_status (*nj_sound_fn)(void *arg, const nj_sound *sound);
nj_status nj_catalogue_each(nj_catalogue *catalogue, nj_sound_fn each, void *arg);
/* The sound of a path, without vectors, as `each` gets it; it is not called when there is none. */
nj_status nj_catalogue_find(nj_catalogue *catalogue, const char *path, nj_sound_fn each, void *arg);
/* A sound with its segments. ENOTFOUND. Freed by nj_sound_clear. */
nj_status nj_catalogue_get(nj_catalogue *catalogue, int64_t id, nj_sound *out);
/* One level of a sound, without its name; vectors are NULL when the sound has none of that name. */
nj_status nj_catalogue_level(nj_catalogue *catalogue, int64_t id, const char *name,
                             nj_sound_level *out);
void nj_sound_clear(nj_ctx *ctx, nj_sound *sound);

/* The clip vectors of all sounds that have one, float32 (n, D), with their ids, int64 (n), by id;
 * of those whose file is missing, too, when `missing`. Errors: EFORMAT (a row is damaged, or gone). */
nj_status nj_catalogue_vectors(nj_catalogue *catalogue, int missing, nj_tensor **vectors,
                               nj_tensor **ids);

/* Who is at work on which file, so that two indexers share it. Claims are hints: nothing depends on
 * them but who does what. `each` gets path, owner and the second (Unix time) until which it holds. */
typedef nj_status (*nj_claim_fn)(void *arg, const char *path, const char *owner, int64_t until);
nj_status nj_catalogue_claims(nj_catalogue *catalogue, nj_claim_fn each, void *arg);
nj_status nj_catalogue_claim(nj_catalogue *catalogue, const char *path, const char *owner,
                             int64_t until);
/* Gives up a claim, or all of an owner (path NULL). */
nj_status nj_catalogue_release(nj_catalogue *catalogue, const char *path, const char *owner);

/* Checks the file and every row. `report` gets the id and path of a sound (0 and NULL when it is
 * not one sound's) and what is wrong. Only what `report` returns, ENOMEM, EBUSY and EINTR end it. */
typedef nj_status (*nj_damage_fn)(void *arg, int64_t id, const char *path, const char *problem);
nj_status nj_catalogue_verify(nj_catalogue *catalogue, nj_damage_fn report, void *arg);
/* Makes what can be read consistent again, in a transaction of its own: sounds with damage become
 * stale, rows of no sound go, checksums of the whole are counted anew. *mended counts the sounds. */
nj_status nj_catalogue_repair(nj_catalogue *catalogue, int64_t *mended);

#endif
