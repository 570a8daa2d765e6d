/* Plans of the batched real FFT: factors, twiddles and orders, computed in double precision. */
#include "kernels/fft.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

#define TAU 6.283185307179586476925286766559

/* exp(-2 pi i k / n), exact at the eighths of the circle so that symmetric twiddles are equal. */
static void root(int64_t k, int64_t n, double *re, double *im) {
  k %= n;
  int64_t octant = 8 * k / n;
  /* The angle within the octant, measured from the nearer axis. */
  int64_t quarter = (octant + 1) / 2;
  double angle = TAU * (double)(4 * k - quarter * n) / (4.0 * (double)n);
  double c = cos(angle), s = sin(angle);
  switch (quarter % 4) {
  case 0:
    *re = c;
    *im = -s;
    break;
  case 1:
    *re = -s;
    *im = -c;
    break;
  case 2:
    *re = -c;
    *im = s;
    break;
  default:
    *re = s;
    *im = c;
    break;
  }
}

/* In-place radix-2 transform in double precision of interleaved points; for Bluestein's response. */
static void transform_double(double *z, int points) {
  for (int i = 1, j = 0; i < points; i++) {
    int bit = points >> 1;
    for (; j & bit; bit >>= 1)
      j ^= bit;
    j ^= bit;
    if (i < j) {
      double re = z[2 * i], im = z[2 * i + 1];
      z[2 * i] = z[2 * j], z[2 * i + 1] = z[2 * j + 1];
      z[2 * j] = re, z[2 * j + 1] = im;
    }
  }
  for (int size = 2; size <= points; size *= 2)
    for (int j = 0; j < size / 2; j++) {
      double c, s;
      root(j, size, &c, &s);
      for (int i = j; i < points; i += size) {
        double *a = z + 2 * i, *b = z + 2 * (i + size / 2);
        double re = b[0] * c - b[1] * s, im = b[0] * s + b[1] * c;
        b[0] = a[0] - re, b[1] = a[1] - im;
        a[0] += re, a[1] += im;
      }
    }
}

/* Radices, largest first: eights, then what is left of the power as four, four-four or two. */
static void factor(nj_fft_plan *plan) {
  int rest = plan->points;
  while (rest > 1) {
    int radix = rest % 8 == 0 && rest != 16 ? 8 : rest % 4 == 0 ? 4 : 2;
    rest /= radix;
    plan->radix[plan->stages] = radix;
    plan->span[plan->stages++] = rest;
  }
}

static int32_t place(const nj_fft_plan *plan, int k) {
  int at = 0;
  for (int s = 0; s < plan->stages; s++) {
    at += k % plan->radix[s] * plan->span[s];
    k /= plan->radix[s];
  }
  return at;
}

static float *fill_twiddles(nj_fft_plan *plan, float *at) {
  for (int s = 0; s < plan->stages; s++) {
    plan->twiddle[s] = at;
    for (int j = 0; j < plan->span[s]; j++)
      for (int q = 1; q < plan->radix[s]; q++) {
        double c, d;
        root((int64_t)j * q, (int64_t)plan->span[s] * plan->radix[s], &c, &d);
        *at++ = (float)c;
        *at++ = (float)d;
      }
  }
  return at;
}

static float *fill_unpack(nj_fft_plan *plan, float *at) {
  plan->unpack = at;
  for (int k = 0; k <= plan->half / 2; k++) {
    double c, s;
    root(k, plan->n, &c, &s);
    *at++ = (float)c;
    *at++ = (float)s;
  }
  return at;
}

static nj_status fill_bluestein(nj_ctx *ctx, nj_fft_plan *plan, float *at) {
  int half = plan->half, points = plan->points;
  double *b = nj_calloc(ctx, (size_t)points, 2 * sizeof *b);
  if (!b)
    return NJ_ENOMEM;
  plan->chirp = at;
  for (int j = 0; j < half; j++) {
    double c, s;
    root((int64_t)j * j % (2 * half), 2 * half, &c, &s);
    *at++ = (float)c;
    *at++ = (float)s;
    b[2 * j] = c, b[2 * j + 1] = -s;
    if (j)
      b[2 * (points - j)] = c, b[2 * (points - j) + 1] = -s;
  }
  transform_double(b, points);
  plan->response = at;
  for (int k = 0; k < points; k++) {
    at[2 * plan->order[k]] = (float)(b[2 * k] / points);
    at[2 * plan->order[k] + 1] = (float)(b[2 * k + 1] / points);
  }
  nj_free(ctx, b);
  return NJ_OK;
}

nj_status nj_fft_plan_new(nj_ctx *ctx, int n, nj_fft_plan **out) {
  if (n < 1 || n > NJ_FFT_MAX)
    return nj_fail(ctx, NJ_EARG, "fft: length must be in [1, %d], got %d", NJ_FFT_MAX, n);
  nj_fft_plan *plan = nj_calloc(ctx, 1, sizeof *plan);
  if (!plan)
    return NJ_ENOMEM;
  plan->n = n;
  plan->half = n % 2 ? n : n / 2;
  plan->points = 1;
  while (plan->points < plan->half)
    plan->points *= 2;
  int chirped = plan->points != plan->half;
  if (chirped)
    while (plan->points < 2 * plan->half - 1)
      plan->points *= 2;
  factor(plan);
  size_t floats = 0;
  for (int s = 0; s < plan->stages; s++)
    floats += 2 * (size_t)plan->span[s] * (size_t)(plan->radix[s] - 1);
  if (n % 2 == 0)
    floats += 2 * ((size_t)plan->half / 2 + 1);
  if (chirped)
    floats += 2 * ((size_t)plan->half + (size_t)plan->points);
  size_t order_bytes = (size_t)plan->points * sizeof(int32_t);
  nj_status st = NJ_ENOMEM;
  plan->memory = nj_alloc(ctx, order_bytes + floats * sizeof(float));
  if (!plan->memory)
    goto done;
  int32_t *order = plan->memory;
  for (int k = 0; k < plan->points; k++)
    order[k] = place(plan, k);
  plan->order = order;
  float *at = fill_twiddles(plan, (float *)(void *)(order + plan->points));
  if (n % 2 == 0)
    at = fill_unpack(plan, at);
  st = chirped ? fill_bluestein(ctx, plan, at) : NJ_OK;
done:
  if (st) {
    nj_fft_plan_free(ctx, plan);
    return st;
  }
  *out = plan;
  return NJ_OK;
}

void nj_fft_plan_free(nj_ctx *ctx, nj_fft_plan *plan) {
  if (!plan)
    return;
  nj_free(ctx, plan->memory);
  nj_free(ctx, plan);
}

size_t nj_fft_work(const nj_fft_plan *plan) {
  /* An odd length is transformed as complex points with zero imaginary parts. */
  return plan->chirp ? 4 * (size_t)plan->points : plan->n % 2 ? 2 * (size_t)plan->half : 0;
}
