/* Long rows of the floats that base/rng.h gives one by one, by all threads: initial weights. */
#ifndef NJ_OPS_DRAW_H
#define NJ_OPS_DRAW_H

#include "base/context.h"
#include "base/rng.h"

/* out[0 … n-1] = (float)(scale * nj_rng_normal(rng)), drawn in this order; the generator ends where n
 * calls would leave it, and the bits are those of n calls for any number of threads. */
nj_status nj_draw_normals(nj_ctx *ctx, nj_rng *rng, double scale, int64_t n, float *out);
/* The same with (float)(bound * (2 * nj_rng_uniform(rng) - 1)): [-bound, bound). */
nj_status nj_draw_uniforms(nj_ctx *ctx, nj_rng *rng, double bound, int64_t n, float *out);

#endif
