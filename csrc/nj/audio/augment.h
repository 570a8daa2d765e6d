/* Augmentation of waves and log-mels. Everything random is drawn from a generator, on the calling
 * thread, in a stated order: the same seed gives the same result for any number of threads. */
#ifndef NJ_AUDIO_AUGMENT_H
#define NJ_AUDIO_AUGMENT_H

#include "base/option.h"
#include "base/rng.h"
#include "tensor/tensor.h"

typedef struct {
  int time_stripes, time_width; /* how many; each of U{0 … width-1} frames */
  int freq_stripes, freq_width;
  double value;
} nj_spec_augment_options;

/* PANNs': two stripes of fewer than 64 frames, two of fewer than 8 bands, filled with 0. */
nj_spec_augment_options nj_spec_augment_default_options(void);
extern const nj_option_table nj_spec_augment_option_table;
/* Rows for the tables of options of networks that have them as `stripes`. */
#define NJ_STRIPE_OPTIONS(type)                                              \
  NJ_OPTION_RANGE(type, "time_stripes", stripes.time_stripes, 0, 64, 0),     \
      NJ_OPTION_RANGE(type, "time_width", stripes.time_width, 1, 4096, 0),   \
      NJ_OPTION_RANGE(type, "freq_stripes", stripes.freq_stripes, 0, 64, 0), \
      NJ_OPTION_RANGE(type, "freq_width", stripes.freq_width, 1, 4096, 0)

/* SpecAugment (Park et al., 2019) as torchlibrosa does it: x (…, frames, bands), every item of the
 * leading dimensions with stripes of its own, drawn item by item, time before frequency, width
 * before place. `lengths` (may be NULL): int64, one per item; stripes stay inside them. The result
 * is new; gradients flow through what was not covered. Errors: ESHAPE, EDTYPE, EARG, ENOMEM. */
nj_status nj_spec_augment(nj_ctx *ctx, nj_tensor *x, const nj_spec_augment_options *options,
                          nj_tensor *lengths, nj_rng *rng, nj_tensor **out);

/* The functions below take waves (…, samples) of a float dtype, and refuse those that require grad. */

/* x * 10^(db / 20). */
nj_status nj_gain(nj_ctx *ctx, nj_tensor *x, double db, nj_tensor **out);

/* signal + g * noise, both (samples), where noise begins `offset` samples into signal, is repeated
 * to its end when `loop` is set, and is cut there. g makes the power of signal over that of the
 * noise that is used, both over the samples where noise lies, equal snr in dB; g is 1 where either
 * is silent. *gain (may be NULL) gets g. */
nj_status nj_mix(nj_ctx *ctx, nj_tensor *signal, nj_tensor *noise, double snr, int64_t offset,
                 int loop, double *gain, nj_tensor **out);

/* Moves samples later (shift > 0) or earlier; what leaves enters at the other end (roll) or is lost,
 * with zeros entering. */
nj_status nj_time_shift(nj_ctx *ctx, nj_tensor *x, int64_t shift, int roll, nj_tensor **out);

/* `length` samples from a random place (*start, may be NULL); a shorter wave is put at a random
 * place among zeros (*start <= 0). One draw, none when the lengths agree. */
nj_status nj_random_crop(nj_ctx *ctx, nj_tensor *x, int64_t length, nj_rng *rng, int64_t *start,
                         nj_tensor **out);

#endif
