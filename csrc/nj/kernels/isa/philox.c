/* Philox-4x32-10 (Salmon et al. 2011) over vectors of blocks. Every 32-bit word of a block has a
 * 64-bit lane of its own, whose upper half may hold anything: the widening product looks at the lower. */
#include "kernels/philox.h"

#include "kernels/vecmath.h"

#define BLOCKS (NJ_LANES / 2)

typedef uint64_t lanes __attribute__((vector_size(BLOCKS * 8)));

/* Constants of the paper's section 4.2 and table 2. */
#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u
#define ROUNDS 10

/* The 64-bit products of the lower halves. */
static inline lanes widening_product(lanes a, uint32_t b) {
  lanes factor = (lanes){0} + b;
#if defined(__AVX512F__)
  return (lanes)_mm512_mul_epu32((__m512i)a, (__m512i)factor);
#elif defined(__AVX2__)
  return (lanes)_mm256_mul_epu32((__m256i)a, (__m256i)factor);
#elif defined(__SSE2__)
  return (lanes)_mm_mul_epu32((__m128i)a, (__m128i)factor);
#else
  return (a & 0xffffffffu) * factor;
#endif
}

static void generate(const nj_rng *rng, uint64_t block, uint64_t *out) {
  lanes counter = {0};
  for (int i = 0; i < BLOCKS; i++)
    counter[i] = block + (uint64_t)i;
  lanes c0 = counter, c1 = counter >> 32, c2 = (lanes){0} + rng->stream, c3 = c2 >> 32;
  uint32_t key0 = (uint32_t)rng->seed, key1 = (uint32_t)(rng->seed >> 32);
  for (int round = 0; round < ROUNDS; round++) {
    lanes product0 = widening_product(c0, MULTIPLIER_0);
    lanes product1 = widening_product(c2, MULTIPLIER_1);
    c0 = (product1 >> 32) ^ c1 ^ key0;
    c2 = (product0 >> 32) ^ c3 ^ key1;
    c1 = product1;
    c3 = product0;
    key0 += WEYL_0;
    key1 += WEYL_1;
  }
  lanes first = (c0 & 0xffffffffu) | c1 << 32, second = (c2 & 0xffffffffu) | c3 << 32;
#if defined(__clang__)
  for (int i = 0; i < BLOCKS; i++) {
    out[2 * i] = first[i];
    out[2 * i + 1] = second[i];
  }
#else
  lanes from = {0};
  for (int i = 0; i < BLOCKS; i++)
    from[i] = (uint64_t)(i / 2 + i % 2 * BLOCKS);
  lanes low = __builtin_shuffle(first, second, from);
  lanes high = __builtin_shuffle(first, second, from + BLOCKS / 2);
  memcpy(out, &low, sizeof low);
  memcpy(out + BLOCKS, &high, sizeof high);
#endif
}

static void words(const nj_rng *rng, uint64_t block, int64_t n, uint32_t *out) {
  uint64_t some[2 * BLOCKS];
  for (int64_t i = 0; i < n; i += BLOCKS) {
    int64_t count = n - i < BLOCKS ? n - i : BLOCKS;
    generate(rng, block + (uint64_t)i, some);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (count == BLOCKS) /* of a known size, so no call */
      memcpy(out + 4 * i, some, sizeof some);
    else
      memcpy(out + 4 * i, some, (size_t)count * 16);
#else
    for (int64_t k = 0; k < 2 * count; k++) {
      out[4 * i + 2 * k] = (uint32_t)some[k];
      out[4 * i + 2 * k + 1] = (uint32_t)(some[k] >> 32);
    }
#endif
  }
}

const nj_philox_kernels NJ_ISA_NAME(nj_philox_kernels) = {.words = words};
