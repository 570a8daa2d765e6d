/* Counter-based random numbers: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). The n-th number of a stream is a function of (seed, stream, n) alone, so any
 * block can be drawn by any thread, and a checkpoint is three integers. */
#ifndef NJ_BASE_RNG_H
#define NJ_BASE_RNG_H

#include <stdint.h>

typedef struct {
  uint64_t seed;
  uint64_t stream;  /* independent sequences under one seed */
  uint64_t counter; /* 32-bit words drawn so far */
} nj_rng;

nj_rng nj_rng_make(uint64_t seed, uint64_t stream);
/* Another generator, independent of this and of its other children. Advances this by 4 words. */
nj_rng nj_rng_split(nj_rng *rng);
uint32_t nj_rng_u32(nj_rng *rng);
uint64_t nj_rng_u64(nj_rng *rng);
double nj_rng_uniform(nj_rng *rng); /* [0, 1), 53 bits */
double nj_rng_normal(nj_rng *rng);  /* Box-Muller, two words of 64 bits a number */
/* What the two make of the words that they draw. */
double nj_rng_uniform_of(const uint32_t words[2]);
double nj_rng_normal_of(const uint32_t words[4]);
int64_t nj_rng_below(nj_rng *rng, int64_t bound); /* [0, bound), unbiased; bound > 0 */
/* Word `index` of the stream, whatever the counter: for blocks drawn in parallel. */
uint32_t nj_rng_word(const nj_rng *rng, uint64_t index);
/* Words 4 * block … 4 * block + 3 at the price of one. */
void nj_rng_words(const nj_rng *rng, uint64_t block, uint32_t words[4]);

#endif
