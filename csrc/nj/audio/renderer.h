/* Batches of mixtures rendered ahead of the network: jobs decode, mix and compute log-mels on threads
 * of their own, while the caller trains on the batch before. Batches come out in the order they
 * went in; what they hold does not depend on the number of jobs, nor on what else runs. A file that
 * cannot be read fails its own item only. */
#ifndef NJ_AUDIO_RENDERER_H
#define NJ_AUDIO_RENDERER_H

#include "audio/mel.h"
#include "audio/mixture.h"

typedef struct {
  int64_t rate;
  nj_mel *front_end;          /* NULL: batches of waves */
  int jobs;                   /* 1 … 64 */
  int ahead;                  /* batches begun and not yet taken, at most; 1 … 1024 */
  nj_sources_options sources; /* its rate is overwritten */
} nj_renderer_options;

/* Waves, one job, 2 batches ahead, files up to 60 seconds cached whole in 256 MiB; rate 0, which must be
 * set. */
nj_renderer_options nj_renderer_default_options(void);
extern const nj_option_table nj_renderer_option_table;

typedef struct nj_renderer nj_renderer;

/* Retains the front-end, whose rate must be `rate`. Errors: EARG, ENOMEM. */
nj_status nj_renderer_new(nj_ctx *ctx, const nj_renderer_options *options, nj_renderer **out);
/* Ends the jobs (within the time of one chunk of decoding) and frees everything not yet taken. */
void nj_renderer_free(nj_renderer *r);
/* To be filled before the first submit (ESTATE afterwards: see nj_renderer_started). */
nj_sources *nj_renderer_sources(nj_renderer *r);
int nj_renderer_started(const nj_renderer *r);

/* What comes of a batch of n items:
 *   data     (n, longest, mels): log-mels padded with silence, or (n, longest): waves padded with 0
 *   lengths  int64 (n), in frames or samples; 0 where an item failed
 *   faults   n of the caller's (may be NULL): why an item failed; status NJ_OK where it did not */

/* Queues a batch (copied). Errors: EARG (names the item), ENOMEM. */
nj_status nj_renderer_submit(nj_renderer *r, int64_t n, const nj_mixture *items);
/* Batches submitted and not taken; items of the oldest, 0 when there is none. */
int64_t nj_renderer_pending(const nj_renderer *r);
int64_t nj_renderer_next_items(const nj_renderer *r);
/* Waits for the oldest batch and takes it. Errors: ESTATE (nothing is pending), ENOMEM (the batch
 * is lost), EINTR (nothing is lost). */
nj_status nj_renderer_next(nj_renderer *r, nj_tensor **data, nj_tensor **lengths, nj_fault *faults);
/* The same bits on the calling thread, at once. */
nj_status nj_renderer_render(nj_renderer *r, int64_t n, const nj_mixture *items, nj_tensor **data,
                             nj_tensor **lengths, nj_fault *faults);
/* One mixture as a wave (samples). Errors: what its sources report. */
nj_status nj_renderer_wave(nj_renderer *r, const nj_mixture *item, nj_tensor **out);

#endif
