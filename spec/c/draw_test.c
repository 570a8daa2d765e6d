/* Long rows of random floats are what the one-by-one functions give, bit by bit, on every
 * instruction set and wherever the generator stands. */
#include <string.h>

#include "base/parallel.h"
#include "ctest.h"
#include "kernels/draw.h"
#include "kernels/kernels.h"
#include "ops/draw.h"

enum { N = 100003 };

static const char *const isas[] = {"portable", "avx2", "avx512"};

static float got[N], want[N];

TEST(draw_kernels_give_the_numbers_of_the_scalar_functions) {
  static uint32_t words[4 * N];
  nj_rng rng = nj_rng_make(3, 8);
  for (uint64_t i = 0; i < sizeof words / sizeof *words; i++)
    words[i] = nj_rng_word(&rng, i);
  /* A radius of 0, the largest radius, and angles next to where the cosine is 0, 1 and -1. */
  static const uint32_t ends[][4] = {
      {0, 0, 0, 0x40000000},           {0xffffffff, 0xffffffff, 0, 0},
      {1 << 11, 0, 0, 0x40000000},     {5, 6, 0, 0x40000000},
      {5, 6, 1 << 11, 0x40000000},     {5, 6, 0xfffff800, 0x3fffffff},
      {5, 6, 0, 0xc0000000},           {5, 6, 0, 0x80000000},
      {5, 6, 0xffffffff, 0xffffffff},  {0, 0xffffffff, 77, 0x40000100},
      {0, 0x2bec3333, 77, 0xbfffff00}, {0, 0x80000000, 0, 0x20000000}};
  memcpy(words, ends, sizeof ends);
  static const double scales[] = {1, 0.02, 3e38, 1e-40};
  for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
    const nj_kernels *kernels = nj_kernels_find(isas[k]);
    for (size_t s = 0; kernels && s < sizeof scales / sizeof *scales; s++) {
      for (int i = 0; i < N; i++)
        want[i] = (float)(scales[s] * nj_rng_normal_of(words + 4 * i));
      kernels->draw->normals(words, N, scales[s], got);
      CHECK(memcmp(got, want, sizeof want) == 0);
      for (int i = 0; i < N; i++)
        want[i] = (float)(scales[s] * (2 * nj_rng_uniform_of(words + 2 * i) - 1));
      kernels->draw->uniforms(words, N, scales[s], got);
      CHECK(memcmp(got, want, sizeof want) == 0);
    }
  }
}

TEST(draw_rows_leave_the_generator_where_single_draws_do) {
  nj_ctx *ctx = NULL;
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  for (int threads = 1; threads <= 3; threads += 2)
    for (int lead = 0; lead < 4; lead++) {
      CHECK_INT(nj_threads_set(ctx, threads), NJ_OK);
      nj_rng row = nj_rng_make(21, 4), single = row;
      row.counter = single.counter = (uint64_t)(4 * 5 + lead);
      for (int i = 0; i < N; i++)
        want[i] = (float)(0.5 * nj_rng_normal(&single));
      CHECK_INT(nj_draw_normals(ctx, &row, 0.5, N, got), NJ_OK);
      CHECK(memcmp(got, want, sizeof want) == 0);
      CHECK(row.counter == single.counter);
      for (int i = 0; i < N; i++)
        want[i] = (float)(0.5 * (2 * nj_rng_uniform(&single) - 1));
      CHECK_INT(nj_draw_uniforms(ctx, &row, 0.5, N, got), NJ_OK);
      CHECK(memcmp(got, want, sizeof want) == 0);
      CHECK(row.counter == single.counter);
      CHECK_INT(nj_draw_normals(ctx, &row, 0.5, 0, got), NJ_OK);
      CHECK(row.counter == single.counter);
    }
  nj_ctx_release(ctx);
}
