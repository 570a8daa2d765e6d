/* Sample-rate conversion by libsoxr, quality HQ (why: docs/audio.md). Sample n of the result lies at
 * n / to seconds: filters add no delay. The result does not depend on how a stream is cut. */
#ifndef NJ_AUDIO_RESAMPLE_H
#define NJ_AUDIO_RESAMPLE_H

#include "audio/fault.h"
#include "tensor/tensor.h"

/* Rates that files may claim and callers may ask for, in Hz. */
#define NJ_RATE_MIN 1000
#define NJ_RATE_MAX 1000000

/* Samples that n samples become: ceil(n * to / from). */
int64_t nj_resampled_length(int64_t n, int64_t from, int64_t to);

/* A mono stream. Safe to use from one thread at a time, any thread. */
typedef struct nj_resampler nj_resampler;
/* Errors: EARG (a rate outside NJ_RATE_MIN … NJ_RATE_MAX), ENOMEM. */
nj_status nj_resampler_new(nj_ctx *ctx, int64_t from, int64_t to, nj_resampler **out,
                           nj_fault *fault);
void nj_resampler_free(nj_resampler *r);
/* Feeds n samples (NULL: the end of the stream) and takes at most `room`; *used and *made tell how
 * many. At the end, call until *made is 0. */
nj_status nj_resampler_feed(nj_resampler *r, const float *in, int64_t n, int64_t *used, float *out,
                            int64_t room, int64_t *made, nj_fault *fault);

/* A whole signal: out holds nj_resampled_length(n, from, to) samples and does not overlap in. */
nj_status nj_resample_samples(nj_ctx *ctx, const float *in, int64_t n, int64_t from, int64_t to,
                              float *out, nj_fault *fault);

/* x (…, L) to (…, nj_resampled_length(L)), along the last dimension, float32, outside the graph. x
 * must be of a float dtype with at least one dimension. Rows run on the pool.
 * Errors: EARG, ESHAPE, EDTYPE, ENOMEM. */
nj_status nj_resample(nj_ctx *ctx, nj_tensor *x, int64_t from, int64_t to, nj_tensor **out);

#endif
