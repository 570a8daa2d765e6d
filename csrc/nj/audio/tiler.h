/* A sound file cut into tiles, one after the other and never held whole: tiles of `size` samples, the
 * k-th (from 0) beginning at k * step, rounded, each with log-mels of its own. The last one ends with
 * the file and may be shorter; no tile lies inside the one before. The result is the same bits as
 * decoding the whole file, cutting it, and nj_mel_apply on each piece. */
#ifndef NJ_AUDIO_TILER_H
#define NJ_AUDIO_TILER_H

#include "audio/decode.h"
#include "audio/mel.h"

typedef struct {
  nj_mel *front_end;  /* NULL: tiles of waves */
  int64_t rate;       /* the front-end's, if there is one */
  int64_t size;       /* samples */
  double step;        /* samples, 1 … size */
  double max_seconds; /* of a file; a longer one is refused */
} nj_tiling;

/* Errors: EARG, with texts that begin with `operation`. */
nj_status nj_tiling_check(nj_ctx *ctx, const nj_tiling *t, const char *operation);
/* Floats of a row: mels, or 1. */
int64_t nj_tiling_width(const nj_tiling *t);

/* One file at a time; its scratch stays for the next. Set ctx and tiling, the rest 0. Any thread. */
typedef struct {
  nj_ctx *ctx;
  const nj_tiling *tiling;
  nj_audio_decoder *decoder;
  nj_audio_info info;
  nj_samples wave; /* decoded and still needed */
  int64_t start;   /* sample of the file where `wave` begins */
  int64_t index;   /* tiles so far */
  int64_t covered; /* samples of `wave` that were in a tile */
  int ended;
  float *scratch;
  int (*stop)(void *data);
  void *stop_data;
} nj_tiler;

/* Begins a file; `path` must last. `stop` is asked often, may be NULL; non-zero ends a call with
 * EINTR, after which one may go on. Errors: as nj_audio_decode. */
nj_status nj_tiler_open(nj_tiler *t, const char *path, int (*stop)(void *), void *stop_data,
                        nj_fault *fault);
/* The next tile: its rows (count × width) in `rows`, which is empty with its ctx set, and its samples;
 * or, with *samples 0, the end of the file. rows NULL: skips it. Errors: as nj_audio_decode. */
nj_status nj_tiler_next(nj_tiler *t, nj_samples *rows, int64_t *samples, nj_fault *fault);
/* Samples of the file, once it has ended. */
int64_t nj_tiler_samples(const nj_tiler *t);
/* Ends the file, whole or not. */
void nj_tiler_close(nj_tiler *t);
/* Ends the file and frees the scratch. */
void nj_tiler_free(nj_tiler *t);

#endif
