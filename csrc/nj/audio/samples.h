/* A growing run of float samples in accounted memory, that can become a tensor without a copy. */
#ifndef NJ_AUDIO_SAMPLES_H
#define NJ_AUDIO_SAMPLES_H

#include "tensor/tensor.h"

typedef struct {
  nj_ctx *ctx;
  float *data;
  int64_t length;
  int64_t room;
} nj_samples;

/* Makes room for `more` beyond the length, growing by half at least. ENOMEM without a text: any
 * thread may call it. */
nj_status nj_samples_reserve(nj_samples *s, int64_t more);
/* Gives back the room beyond the length. */
void nj_samples_trim(nj_samples *s);
void nj_samples_free(nj_samples *s);
/* A float32 tensor of the shape over the samples, whose memory it takes (on failure it is freed);
 * the shape's product must be the length. Errors: ENOMEM. */
nj_status nj_samples_to_tensor(nj_samples *s, int ndim, const int64_t *shape, nj_tensor **out);

#endif
