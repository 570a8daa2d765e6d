/* A mixture of sounds, described by numbers and rendered to a wave: for training data made of
 * scenes, and for augmentation. The same description gives the same samples, on any thread. */
#ifndef NJ_AUDIO_MIXTURE_H
#define NJ_AUDIO_MIXTURE_H

#include "audio/sources.h"

typedef struct {
  int64_t source;  /* from 0 */
  double onset;    /* seconds into the mixture; negative: the part's beginning is cut off */
  double from, to; /* seconds of the source; `to` may be infinite */
  double duration; /* seconds in the mixture: cuts, or with `loop` repeats; infinite: as it comes */
  int loop;        /* repeat until the duration, or the mixture, ends */
  double level;    /* dB: the root mean square that the range is brought to first; NaN: as it is */
  double gain;     /* dB */
  double fade_in, fade_out; /* seconds, half a cosine */
} nj_mixture_part;

typedef enum { NJ_NOISE_NONE, NJ_NOISE_WHITE, NJ_NOISE_PINK, NJ_NOISE_BROWN } nj_noise_colour;

typedef struct {
  double length; /* seconds */
  int n_parts;
  const nj_mixture_part *parts; /* added in this order */
  nj_noise_colour noise;
  double noise_level; /* dB, root mean square (full scale is 0) … */
  double noise_snr;   /* … or below the parts' root mean square when not NaN; silence gets none */
  uint64_t noise_seed;
  double gain;  /* dB, of all */
  double peak;  /* > 0: the largest magnitude is brought to this (silence stays) */
  double limit; /* > 0: brought down to this when larger */
} nj_mixture;

/* One part: no range, levels as they are. */
nj_mixture_part nj_mixture_default_part(void);

/* Errors: EARG (names the field). */
nj_status nj_mixture_check(const nj_mixture *m, int64_t n_sources, nj_fault *fault);
int64_t nj_mixture_length(const nj_mixture *m, int64_t rate);
/* out: nj_mixture_length samples. */
nj_status nj_mixture_render(nj_sources *sources, int64_t rate, const nj_mixture *m,
                            int (*stop)(void *data), void *stop_data, float *out, nj_fault *fault);

#endif
