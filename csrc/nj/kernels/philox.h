/* Many words of a counter-based generator at once; see base/rng.h for the generator. */
#ifndef NJ_KERNELS_PHILOX_H
#define NJ_KERNELS_PHILOX_H

#include "base/rng.h"

/* words(rng, block, n, out)  out[0 … 4n-1] = words 4 * block … 4 * (block + n) - 1 of the stream, the same
 *                            on every instruction set and as nj_rng_words gives them */
typedef struct nj_philox_kernels {
  void (*words)(const nj_rng *rng, uint64_t block, int64_t n, uint32_t *out);
} nj_philox_kernels;

#endif
