/* The batched FFT against a discrete Fourier transform in double precision, on every instruction
 * set that this CPU has. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "ctest.h"
#include "kernels/fft.h"
#include "kernels/kernels.h"

#define TAU 6.283185307179586476925286766559

static const char *const isas[] = {"portable", "avx2", "avx512"};

static unsigned seed;
static float noise(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
}

typedef struct {
  const struct nj_fft_kernels *fft;
  nj_fft_plan *plan;
  float *x, *spectrum, *power, *work;
} bench;

static float *floats(nj_ctx *ctx, size_t n) { return nj_calloc(ctx, n, sizeof(float)); }

static void transform_noise(nj_ctx *ctx, bench *b, int n, float *kept) {
  size_t lanes = (size_t)b->fft->lanes, bins = (size_t)n / 2 + 1;
  b->x = floats(ctx, (size_t)n * lanes);
  b->spectrum = floats(ctx, 2 * bins * lanes);
  b->power = floats(ctx, bins * lanes);
  b->work = floats(ctx, nj_fft_work(b->plan) * lanes);
  for (size_t i = 0; i < (size_t)n * lanes; i++)
    b->x[i] = kept[i] = noise();
  b->fft->spectrum(b->plan, b->x, b->work, b->spectrum);
  memcpy(b->x, kept, sizeof *kept * (size_t)n * lanes);
  b->fft->power(b->plan, b->x, b->work, b->power);
}

static void release(nj_ctx *ctx, bench *b) {
  nj_free(ctx, b->x);
  nj_free(ctx, b->spectrum);
  nj_free(ctx, b->power);
  nj_free(ctx, b->work);
}

/* Root mean square of the error of one lane over that of the spectrum itself. */
static double lane_error(const bench *b, int n, int lane, const float *kept) {
  int lanes = b->fft->lanes;
  double wrong = 0, total = 0;
  for (int k = 0; k <= n / 2; k++) {
    double re = 0, im = 0;
    for (int t = 0; t < n; t++) {
      double angle = TAU * (double)((int64_t)k * t % n) / n;
      re += kept[t * lanes + lane] * cos(angle);
      im -= kept[t * lanes + lane] * sin(angle);
    }
    double a = b->spectrum[2 * k * lanes + lane] - re;
    double c = b->spectrum[(2 * k + 1) * lanes + lane] - im;
    double p = b->power[k * lanes + lane] - (re * re + im * im);
    wrong += a * a + c * c + fabs(p) * 1e-7;
    total += re * re + im * im;
  }
  return sqrt(wrong / total);
}

TEST(fft_matches_a_double_precision_dft) {
  static const int sizes[] = {1,  2,  3,   4,   5,   6,   7,   8,   9,    12,   15,   16,   32,
                              48, 64, 100, 128, 256, 441, 512, 800, 1000, 1021, 1024, 1764, 2048};
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    const nj_kernels *kernels = nj_kernels_find(isas[i]);
    if (!kernels)
      continue;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      int n = sizes[s];
      bench b = {.fft = kernels->fft};
      CHECK_OK(nj_fft_plan_new(ctx, n, &b.plan));
      float *kept = floats(ctx, (size_t)n * (size_t)b.fft->lanes);
      transform_noise(ctx, &b, n, kept);
      double error = lane_error(&b, n, (n / 3) % b.fft->lanes, kept);
      if (error > (b.plan->chirp ? 6e-7 : 3e-7))
        printf("  fft %s %d: relative error %.2g\n", isas[i], n, error);
      CHECK(error <= (b.plan->chirp ? 6e-7 : 3e-7));
      release(ctx, &b);
      nj_free(ctx, kept);
      nj_fft_plan_free(ctx, b.plan);
    }
  }
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(fft_of_large_sizes_keeps_energy_and_finds_a_tone) {
  static const int sizes[] = {4096, 8192, 16384, 65536, 10007};
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    const nj_kernels *kernels = nj_kernels_find(isas[i]);
    for (size_t s = 0; kernels && s < sizeof sizes / sizeof *sizes; s++) {
      int n = sizes[s], tone = n / 5, lanes = kernels->fft->lanes;
      bench b = {.fft = kernels->fft};
      CHECK_OK(nj_fft_plan_new(ctx, n, &b.plan));
      float *kept = floats(ctx, (size_t)n * (size_t)lanes);
      transform_noise(ctx, &b, n, kept);
      double in = 0, out = 0;
      for (int t = 0; t < n; t++)
        in += (double)kept[t * lanes] * kept[t * lanes];
      for (int k = 0; k <= n / 2; k++)
        out += (k == 0 || 2 * k == n ? 1 : 2) * (double)b.power[k * lanes];
      CHECK(fabs(out / n / in - 1) < 1e-5); /* Parseval */
      for (int t = 0; t < n; t++)
        for (int lane = 0; lane < lanes; lane++)
          b.x[t * lanes + lane] = (float)cos(TAU * (double)((int64_t)tone * t % n) / n);
      b.fft->power(b.plan, b.x, b.work, b.power);
      for (int k = 0; k <= n / 2; k++)
        CHECK(fabs(sqrt(b.power[k * lanes + lanes - 1]) - (k == tone ? n / 2.0 : 0)) < 2e-6 * n);
      release(ctx, &b);
      nj_free(ctx, kept);
      nj_fft_plan_free(ctx, b.plan);
    }
  }
  nj_ctx_release(ctx);
}

TEST(fft_cuts_frames_into_lanes) {
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    const nj_kernels *kernels = nj_kernels_find(isas[i]);
    if (!kernels)
      continue;
    enum { N = 37, HOP = 5 };
    float signal[16 * HOP + N], window[N], x[N * 16];
    for (int t = 0; t < 16 * HOP + N; t++)
      signal[t] = (float)t;
    for (int t = 0; t < N; t++)
      window[t] = (float)(t % 3) * 0.5f;
    int lanes = kernels->fft->lanes;
    kernels->fft->frames(signal, HOP, window, N, x);
    for (int t = 0; t < N; t++)
      for (int lane = 0; lane < lanes; lane++)
        CHECK(x[t * lanes + lane] == signal[lane * HOP + t] * window[t]);
  }
}

TEST(fft_plan_refuses_lengths_and_survives_a_lack_of_memory) {
  nj_ctx *ctx = NULL;
  nj_ctx_options options = nj_ctx_default_options();
  CHECK_OK(nj_ctx_new(&options, &ctx));
  nj_fft_plan *plan = NULL;
  CHECK_INT(nj_fft_plan_new(ctx, 0, &plan), NJ_EARG);
  CHECK_TEXT(nj_ctx_error(ctx), "fft: length must be in [1, 65536], got 0");
  CHECK_INT(nj_fft_plan_new(ctx, 65537, &plan), NJ_EARG);
  for (int64_t count = 0; count < 3; count++) {
    nj_memory_fail_after(ctx, count);
    CHECK_INT(nj_fft_plan_new(ctx, 1764, &plan), NJ_ENOMEM);
    nj_memory_fail_after(ctx, -1);
    CHECK_INT(nj_memory_get(ctx).live, 0);
  }
  nj_ctx_release(ctx);
}
