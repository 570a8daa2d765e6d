#include "base/rng.h"

#include <math.h>

/* Constants of Philox-4x32 (Salmon et al. 2011, section 4.2 and table 2). */
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u
#define ROUNDS 10

static void philox(uint32_t counter[4], uint64_t key) {
  uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t product0 = (uint64_t)MULTIPLIER_0 * counter[0];
    uint64_t product1 = (uint64_t)MULTIPLIER_1 * counter[2];
    uint32_t next0 = (uint32_t)(product1 >> 32) ^ counter[1] ^ key0;
    uint32_t next2 = (uint32_t)(product0 >> 32) ^ counter[3] ^ key1;
    counter[1] = (uint32_t)product1;
    counter[3] = (uint32_t)product0;
    counter[0] = next0;
    counter[2] = next2;
    key0 += WEYL_0;
    key1 += WEYL_1;
  }
}

nj_rng nj_rng_make(uint64_t seed, uint64_t stream) {
  return (nj_rng){.seed = seed, .stream = stream, .counter = 0};
}

void nj_rng_words(const nj_rng *rng, uint64_t block, uint32_t words[4]) {
  words[0] = (uint32_t)block;
  words[1] = (uint32_t)(block >> 32);
  words[2] = (uint32_t)rng->stream;
  words[3] = (uint32_t)(rng->stream >> 32);
  philox(words, rng->seed);
}

uint32_t nj_rng_word(const nj_rng *rng, uint64_t index) {
  uint32_t words[4];
  nj_rng_words(rng, index >> 2, words);
  return words[index & 3];
}

nj_rng nj_rng_split(nj_rng *rng) {
  uint64_t seed = nj_rng_u64(rng), stream = nj_rng_u64(rng);
  return nj_rng_make(seed, stream);
}

uint32_t nj_rng_u32(nj_rng *rng) { return nj_rng_word(rng, rng->counter++); }

uint64_t nj_rng_u64(nj_rng *rng) {
  uint64_t low = nj_rng_u32(rng);
  return low | (uint64_t)nj_rng_u32(rng) << 32;
}

double nj_rng_uniform_of(const uint32_t words[2]) {
  return (double)(((uint64_t)words[1] << 32 | words[0]) >> 11) * 0x1p-53;
}

double nj_rng_normal_of(const uint32_t words[4]) {
  double radius = 1.0 - nj_rng_uniform_of(words); /* (0, 1]: its logarithm is finite */
  return sqrt(-2.0 * log(radius)) * cos(6.283185307179586 * nj_rng_uniform_of(words + 2));
}

static void next_words(nj_rng *rng, int n, uint32_t *words) {
  for (int i = 0; i < n; i++)
    words[i] = nj_rng_u32(rng);
}

double nj_rng_uniform(nj_rng *rng) {
  uint32_t words[2];
  next_words(rng, 2, words);
  return nj_rng_uniform_of(words);
}

double nj_rng_normal(nj_rng *rng) {
  uint32_t words[4];
  next_words(rng, 4, words);
  return nj_rng_normal_of(words);
}

int64_t nj_rng_below(nj_rng *rng, int64_t bound) {
  uint64_t range = (uint64_t)bound;
  uint64_t reject = (0 - range) % range; /* 2^64 mod range: below it the remainders are biased */
  uint64_t word;
  do
    word = nj_rng_u64(rng);
  while (word < reject);
  return (int64_t)(word % range);
}
