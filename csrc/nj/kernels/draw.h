/* Many random floats at once, the same as the one-by-one functions of base/rng.h give, on every
 * instruction set: seeds name weights and results that exist. */
#ifndef NJ_KERNELS_DRAW_H
#define NJ_KERNELS_DRAW_H

#include <stdint.h>

/* normals(words, n, scale, out)   out[i] = (float)(scale * nj_rng_normal_of(words + 4 * i))
 * uniforms(words, n, bound, out)  out[i] = (float)(bound * (2 * nj_rng_uniform_of(words + 2 * i) - 1))
 *
 * `words` are in the order of nj_rng_words; it needs no alignment beyond theirs. */
typedef struct nj_draw_kernels {
  void (*normals)(const uint32_t *words, int64_t n, double scale, float *out);
  void (*uniforms)(const uint32_t *words, int64_t n, double bound, float *out);
} nj_draw_kernels;

#endif
