/* Files read ahead of the network: jobs decode, resample and compute log-mels of the next files on
 * threads of their own, tile by tile (tiler.h), while the caller encodes what came before. Tiles come
 * out in the order in which files went in, and hold the same bits for any number of jobs. No file
 * is held whole; tiles that wait hold at most `bytes`, plus for each job one tile and its wave. A
 * file that cannot be read is reported at its position. */
#ifndef NJ_AUDIO_READER_H
#define NJ_AUDIO_READER_H

#include "audio/tiler.h"

typedef struct {
  nj_tiling tiling;
  int jobs;     /* 0 … 64; 0: read on the calling thread, when asked */
  int ahead;    /* files begun and not taken, at most; 1 … 4096 */
  size_t bytes; /* of waiting tiles; one of the oldest file is always let in */
} nj_reader_options;

/* One job, 16 files ahead, 32 MiB, files of at most NJ_DECODE_MAX_SECONDS; without the rest of a tiling,
 * which must be set (by name: tiles of 30 seconds, one after the other). */
nj_reader_options nj_reader_default_options(void);
extern const nj_option_table nj_reader_option_table;

typedef struct nj_reader nj_reader;

/* Retains the front-end. Errors: EARG, ENOMEM. */
nj_status nj_reader_new(nj_ctx *ctx, const nj_reader_options *options, nj_reader **out);
/* Ends the jobs (within the time of one chunk of decoding) and frees everything not yet taken. */
void nj_reader_free(nj_reader *r);

/* Queues a file (its path is copied). Errors: ENOMEM. */
nj_status nj_reader_submit(nj_reader *r, const char *path);
/* Files whose end was not taken. */
int64_t nj_reader_pending(const nj_reader *r);
/* Bytes of the tiles that wait. */
size_t nj_reader_bytes(nj_reader *r);

/* Waits for the next tile of the oldest file: (frames, mels), or (samples) without a front-end; of
 * them, *count are valid (nj_mel_valid_frames). *tile NULL: the file has ended, and is
 * forgotten; it had *count samples at the tiling's rate, or *fault tells why it cannot be read,
 * whatever tiles came before.
 * Errors: ESTATE (no file is pending), EINTR (nothing is lost), ENOMEM (once for a file: the next
 * call begins it again, on the calling thread, after the tiles that were taken). */
nj_status nj_reader_next(nj_reader *r, nj_tensor **tile, int64_t *count, nj_fault *fault);

#endif
