#include <math.h>

#include "base/rng.h"
#include "ctest.h"

static int block_is(nj_rng rng, uint64_t block, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return nj_rng_word(&rng, 4 * block) == a && nj_rng_word(&rng, 4 * block + 1) == b &&
         nj_rng_word(&rng, 4 * block + 2) == c && nj_rng_word(&rng, 4 * block + 3) == d;
}

/* The published answer of Philox-4x32-10 for the zero counter and key (Random123's kat_vectors).
 * Its other two have block numbers of 2^62 and above, which no word index reaches; the vectors
 * below come from a second implementation that gives all three published answers. */
TEST(rng_known_answers) {
  CHECK(block_is(nj_rng_make(0, 0), 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  CHECK(block_is(nj_rng_make(42, 7), 5, 0x0d09deb5, 0xeaac8166, 0x698984a0, 0x6c98929f));
  CHECK(block_is(nj_rng_make(0x299f31d0a4093822u, 0x0370734413198a2eu), 0x3fffffffffffffffu,
                 0x15872b35, 0xbb0799a9, 0x0ab4088d, 0x350a17a5));
}

TEST(rng_draws_the_words_of_the_stream) {
  nj_rng rng = nj_rng_make(11, 3), fresh = rng;
  for (uint64_t i = 0; i < 40; i++)
    CHECK(nj_rng_u32(&rng) == nj_rng_word(&fresh, i));
  CHECK_INT(rng.counter, 40);
  nj_rng resumed = {.seed = 11, .stream = 3, .counter = 40};
  CHECK(nj_rng_u64(&rng) == nj_rng_u64(&resumed));
}

TEST(rng_split_is_independent) {
  nj_rng rng = nj_rng_make(1, 0);
  nj_rng a = nj_rng_split(&rng), b = nj_rng_split(&rng);
  CHECK_INT(rng.counter, 8);
  CHECK(a.seed != b.seed && a.stream != b.stream);
  int equal = 0;
  for (int i = 0; i < 1000; i++)
    equal += nj_rng_u32(&a) == nj_rng_u32(&b);
  CHECK(equal <= 1);
}

TEST(rng_uniform_moments_and_range) {
  nj_rng rng = nj_rng_make(5, 0);
  enum { N = 200000 };
  double sum = 0, squares = 0;
  for (int i = 0; i < N; i++) {
    double x = nj_rng_uniform(&rng);
    CHECK(x >= 0 && x < 1);
    sum += x;
    squares += x * x;
  }
  /* Five standard errors of the mean (0.29 / sqrt N) and of the second moment (0.30 / sqrt N). */
  CHECK(fabs(sum / N - 0.5) < 0.0033);
  CHECK(fabs(squares / N - 1.0 / 3) < 0.0034);
}

TEST(rng_normal_moments) {
  nj_rng rng = nj_rng_make(6, 0);
  enum { N = 200000 };
  double sum = 0, squares = 0, fourths = 0;
  for (int i = 0; i < N; i++) {
    double x = nj_rng_normal(&rng);
    CHECK(isfinite(x));
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
  }
  CHECK(fabs(sum / N) < 0.012);         /* five standard errors: 1 / sqrt N each */
  CHECK(fabs(squares / N - 1) < 0.016); /* sqrt 2 */
  CHECK(fabs(fourths / N - 3) < 0.11);  /* sqrt 96 */
  CHECK_INT(rng.counter, 4 * N);
}

TEST(rng_below_is_uniform_and_in_range) {
  nj_rng rng = nj_rng_make(7, 0);
  enum { N = 70000 };
  int counts[7] = {0};
  for (int i = 0; i < N; i++) {
    int64_t k = nj_rng_below(&rng, 7);
    CHECK(k >= 0 && k < 7);
    counts[k]++;
  }
  double chi2 = 0;
  for (int i = 0; i < 7; i++)
    chi2 += (counts[i] - N / 7.0) * (counts[i] - N / 7.0) / (N / 7.0);
  CHECK(chi2 < 22.5); /* 6 degrees of freedom, p = 0.001 */
  CHECK_INT(nj_rng_below(&rng, 1), 0);
  /* Just over half of the range: the rejection loop runs in about half of the draws. */
  for (int i = 0; i < 1000; i++) {
    int64_t k = nj_rng_below(&rng, (int64_t)1 << 62);
    CHECK(k >= 0 && k < (int64_t)1 << 62);
  }
}
