#include "ops/random.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/map.h"
#include "kernels/philox.h"
#include "ops/elementwise.h"
#include "ops/inplace.h"
#include "ops/sort.h"
#include "tensor/autograd.h"
#include "tensor/iter.h"

__extension__ typedef unsigned __int128 uint128;

#define GRAIN 16384 /* elements; a multiple of 4, so that blocks begin where four words begin */

/* ---- filling contiguous memory ---- */

enum { PIECE = 512 }; /* words drawn at a time; a multiple of 4 */

typedef struct draw draw;
struct draw {
  const nj_philox_kernels *philox;
  nj_rng rng;
  uint64_t first; /* block of four words where the tensor begins */
  int words_each; /* words an element takes: 1, 2 or 4 */
  void *data;
  double a, b;    /* low and width, or mean and deviation */
  int64_t low;    /* of integers */
  uint64_t width; /* of integers, less 1; of a mask, the words that drop */
  nj_dtype dtype;
  /* Makes elements at … at + n - 1 out of n * words_each words. */
  void (*make)(const draw *d, const uint32_t *words, int64_t at, int64_t n);
};

static double uniform53(const uint32_t *pair) {
  return (double)(((uint64_t)pair[1] << 32 | pair[0]) >> 11) * 0x1p-53;
}

static void make_uniform_f32(const draw *d, const uint32_t *w, int64_t at, int64_t n) {
  float *y = (float *)d->data + at, low = (float)d->a, width = (float)d->b;
  for (int64_t i = 0; i < n; i++)
    y[i] = low + width * ((float)(int32_t)(w[i] >> 8) * 0x1p-24f);
}

static void make_uniform_f64(const draw *d, const uint32_t *w, int64_t at, int64_t n) {
  double *y = (double *)d->data + at;
  for (int64_t i = 0; i < n; i++)
    y[i] = d->a + d->b * uniform53(w + 2 * i);
}

/* Two words make two numbers: the radius from one, the angle from the other. Pieces are even. */
static void make_normal_f32(const draw *d, const uint32_t *w, int64_t at, int64_t n) {
  float *y = (float *)d->data + at, mean = (float)d->a, deviation = (float)d->b;
  for (int64_t i = 0; i < n; i += 2) {
    float u = ((float)w[i] + 0.5f) * 0x1p-32f; /* (0, 1] */
    float radius = deviation * sqrtf(-2.0f * logf(u)), angle = (float)w[i + 1] * 0x1.921fb6p-30f;
    y[i] = mean + radius * cosf(angle);
    if (i + 1 < n)
      y[i + 1] = mean + radius * sinf(angle);
  }
}

static void make_normal_f64(const draw *d, const uint32_t *w, int64_t at, int64_t n) {
  double *y = (double *)d->data + at;
  for (int64_t i = 0; i < n; i++) {
    double radius = sqrt(-2.0 * log(1.0 - uniform53(w + 4 * i)));
    y[i] = d->a + d->b * radius * cos(6.283185307179586 * uniform53(w + 4 * i + 2));
  }
}

/* The high half of word * (width + 1); a width of 2^64 - 1 takes the word as it is. */
static int64_t scaled_integer(const draw *d, const uint32_t *pair) {
  uint64_t word = (uint64_t)pair[1] << 32 | pair[0];
  uint64_t step = d->width == UINT64_MAX ? word : (uint64_t)((uint128)word * (d->width + 1) >> 64);
  return (int64_t)((uint64_t)d->low + step);
}

static void make_integer(const draw *d, const uint32_t *w, int64_t at, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    int64_t value = scaled_integer(d, w + 2 * i);
    switch (d->dtype) {
#define NJ_X(NAME, dtype_value, type, text)  \
  case NJ_##NAME:                            \
    ((type *)d->data)[at + i] = (type)value; \
    break;
      NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
    }
  }
}

static void make_mask(const draw *d, const uint32_t *w, int64_t at, int64_t n) {
  uint8_t *y = (uint8_t *)d->data + at;
  if (d->width > UINT32_MAX) {
    memset(y, 0, (size_t)n);
    return;
  }
  uint32_t threshold = (uint32_t)d->width;
  for (int64_t i = 0; i < n; i++)
    y[i] = w[i] >= threshold;
}

static nj_status run_fill(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const draw *d = arg;
  uint32_t words[PIECE];
  int64_t most = PIECE / d->words_each;
  while (begin < end) {
    int64_t n = end - begin < most ? end - begin : most;
    uint64_t block = d->first + (uint64_t)begin * (uint64_t)d->words_each / 4;
    d->philox->words(&d->rng, block, (n * d->words_each + 3) / 4, words);
    d->make(d, words, begin, n);
    begin += n;
  }
  return NJ_OK;
}

/* Makes n elements at d->data and moves the generator on. */
static nj_status fill(nj_ctx *ctx, nj_rng *rng, draw *d, int64_t n) {
  d->philox = nj_ctx_kernels(ctx)->philox;
  d->first = (rng->counter + 3) / 4;
  d->rng = *rng;
  rng->counter = d->first * 4 + (uint64_t)n * (uint64_t)d->words_each;
  return nj_parallel_range(ctx, n, GRAIN, run_fill, d);
}

static nj_status fill_float(nj_ctx *ctx, const char *op, nj_rng *rng, nj_tensor *y, int normal,
                            double a, double b) {
  draw d = {.data = nj_data(y), .a = a, .b = b, .dtype = y->dtype};
  if (!nj_dtype_is_float(y->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: needs float32 or float64, got %s", op,
                   nj_dtype_name(y->dtype));
  int single = y->dtype == NJ_F32;
  d.make = normal ? (single ? make_normal_f32 : make_normal_f64)
                  : (single ? make_uniform_f32 : make_uniform_f64);
  d.words_each = single ? 1 : normal ? 4 : 2;
  return fill(ctx, rng, &d, nj_numel(y));
}

/* ---- whole tensors ---- */

nj_status nj_rand(nj_ctx *ctx, nj_rng *rng, nj_dtype dtype, int ndim, const int64_t *shape,
                  double low, double high, nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, dtype, ndim, shape, &y));
  return nj_finish(fill_float(ctx, "rand", rng, y, 0, low, high - low), y, out);
}

nj_status nj_randn(nj_ctx *ctx, nj_rng *rng, nj_dtype dtype, int ndim, const int64_t *shape,
                   double mean, double deviation, nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, dtype, ndim, shape, &y));
  return nj_finish(fill_float(ctx, "randn", rng, y, 1, mean, deviation), y, out);
}

static int holds(nj_dtype dtype, int64_t value) {
  switch (dtype) {
  case NJ_U8:
    return value >= 0 && value <= UINT8_MAX;
  case NJ_I32:
    return value >= INT32_MIN && value <= INT32_MAX;
  case NJ_F32:
    return value >= -(1 << 24) && value <= 1 << 24;
  case NJ_F64:
    return value >= -((int64_t)1 << 53) && value <= (int64_t)1 << 53;
  default:
    return 1;
  }
}

nj_status nj_randint(nj_ctx *ctx, nj_rng *rng, nj_dtype dtype, int ndim, const int64_t *shape,
                     int64_t low, int64_t high, nj_tensor **out) {
  if (low > high)
    return nj_fail(ctx, NJ_EARG, "randint: no integers between %lld and %lld", (long long)low,
                   (long long)high);
  if (!holds(dtype, low) || !holds(dtype, high))
    return nj_fail(ctx, NJ_EARG, "randint: %s does not hold all of %lld … %lld",
                   nj_dtype_name(dtype), (long long)low, (long long)high);
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, dtype, ndim, shape, &y));
  draw d = {.data = nj_data(y),
            .low = low,
            .width = (uint64_t)high - (uint64_t)low,
            .dtype = dtype,
            .words_each = 2,
            .make = make_integer};
  return nj_finish(fill(ctx, rng, &d, nj_numel(y)), y, out);
}

nj_status nj_randperm(nj_ctx *ctx, nj_rng *rng, int64_t n, nj_tensor **out) {
  if (n < 0)
    return nj_fail(ctx, NJ_EARG, "randperm: %lld is negative", (long long)n);
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, NJ_I64, 1, &n, &y));
  int64_t *at = NJ_I64_DATA(y);
  for (int64_t i = 0; i < n; i++) { /* inside out: no second pass to initialise */
    int64_t j = nj_rng_below(rng, i + 1);
    if (j != i)
      at[i] = at[j];
    at[j] = i;
  }
  *out = y;
  return NJ_OK;
}

static nj_status write_in_place(nj_ctx *ctx, const char *op, nj_tensor *x, nj_rng *rng, int normal,
                                double a, double b) {
  NJ_TRY(nj_check_writable(ctx, op, x, NULL));
  nj_tensor *fresh = NULL;
  nj_status st = NJ_OK;
  if (nj_is_contiguous(x)) {
    st = fill_float(ctx, op, rng, x, normal, a, b);
  } else {
    st = nj_empty_like(x, &fresh);
    if (!st)
      st = fill_float(ctx, op, rng, fresh, normal, a, b);
    if (!st)
      st = nj_copy_values(x, fresh);
  }
  nj_release(fresh);
  if (!st)
    nj_mark_written(x);
  return st;
}

nj_status nj_uniform_(nj_ctx *ctx, nj_tensor *x, nj_rng *rng, double low, double high) {
  return write_in_place(ctx, "uniform_", x, rng, 0, low, high - low);
}

nj_status nj_normal_(nj_ctx *ctx, nj_tensor *x, nj_rng *rng, double mean, double deviation) {
  return write_in_place(ctx, "normal_", x, rng, 1, mean, deviation);
}

/* ---- draws with given probabilities ---- */

static int bad_probability(double p) { return !(p >= 0 && p <= 1); }

nj_status nj_bernoulli(nj_ctx *ctx, nj_rng *rng, nj_tensor *p, nj_tensor **out) {
  nj_tensor *wide = NULL, *u = NULL, *y = NULL;
  NJ_TRY(nj_as(p, NJ_F64, &wide));
  int64_t n = nj_numel(wide);
  const double *chance = NJ_F64_DATA(wide);
  nj_status st = NJ_OK;
  for (int64_t i = 0; i < n && !st; i++)
    if (bad_probability(chance[i]))
      st = nj_fail(ctx, NJ_EARG, "bernoulli: %g is not a probability", chance[i]);
  if (!st)
    st = nj_rand(ctx, rng, NJ_F64, p->ndim, p->shape, 0, 1, &u);
  if (!st) {
    double *draws = NJ_F64_DATA(u);
    for (int64_t i = 0; i < n; i++)
      draws[i] = draws[i] < chance[i];
    st = nj_empty_like(p, &y);
  }
  if (!st)
    st = nj_copy_values(y, u);
  nj_release(wide);
  nj_release(u);
  return nj_finish(st, y, out);
}

static nj_status check_weights(nj_ctx *ctx, const double *w, int64_t n, int64_t k,
                               int replacement) {
  int64_t positive = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!(w[i] >= 0) || isinf(w[i]))
      return nj_fail(ctx, NJ_EARG, "multinomial: weights must be finite and not negative, got %g",
                     w[i]);
    positive += w[i] > 0;
  }
  if (positive == 0 && k > 0)
    return nj_fail(ctx, NJ_EARG, "multinomial: a row has no positive weight");
  if (!replacement && positive < k)
    return nj_fail(ctx, NJ_EARG,
                   "multinomial: %lld draws without replacement from %lld positive "
                   "weights",
                   (long long)k, (long long)positive);
  return NJ_OK;
}

/* The first index whose running sum of weights exceeds u times the total. */
static int64_t pick(const double *sums, int64_t n, double u) {
  double target = u * sums[n - 1];
  int64_t low = 0, high = n - 1;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (sums[middle] > target)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static nj_status draw_with_replacement(nj_ctx *ctx, nj_rng *rng, const nj_tensor *weights,
                                       int64_t rows, int64_t n, int64_t k, int64_t *out) {
  double *sums = nj_alloc(ctx, (size_t)n * sizeof *sums);
  if (!sums)
    return NJ_ENOMEM;
  for (int64_t row = 0; row < rows; row++) {
    double total = 0;
    for (int64_t i = 0; i < n; i++)
      sums[i] = total += NJ_F64_DATA(weights)[row * n + i];
    for (int64_t i = 0; i < k; i++)
      out[row * k + i] = pick(sums, n, nj_rng_uniform(rng));
  }
  nj_free(ctx, sums);
  return NJ_OK;
}

/* The k first arrivals, where index i arrives after an exponential time of rate w[i]. */
static nj_status draw_without(nj_ctx *ctx, nj_rng *rng, nj_tensor *weights, int64_t k,
                              nj_tensor **out) {
  nj_tensor *times = NULL;
  NJ_TRY(nj_rand(ctx, rng, NJ_F64, weights->ndim, weights->shape, 0, 1, &times));
  int64_t n = nj_numel(weights);
  double *t = NJ_F64_DATA(times);
  const double *w = NJ_F64_DATA(weights);
  for (int64_t i = 0; i < n; i++)
    t[i] = w[i] > 0 ? -log1p(-t[i]) / w[i] : INFINITY;
  nj_status st = nj_topk(ctx, times, k, -1, 0, NULL, out);
  nj_release(times);
  return st;
}

nj_status nj_multinomial(nj_ctx *ctx, nj_rng *rng, nj_tensor *weights, int64_t k, int replacement,
                         nj_tensor **out) {
  if (weights->ndim == 0)
    return nj_fail(ctx, NJ_ESHAPE, "multinomial: weights need a dimension to choose along");
  if (k < 0)
    return nj_fail(ctx, NJ_EARG, "multinomial: %lld draws", (long long)k);
  nj_tensor *wide = NULL, *y = NULL;
  NJ_TRY(nj_as(weights, NJ_F64, &wide));
  int last = weights->ndim - 1;
  int64_t n = weights->shape[last], rows = 1, shape[NJ_MAX_DIMS];
  for (int i = 0; i < last; i++)
    rows *= shape[i] = weights->shape[i];
  shape[last] = k;
  nj_status st = NJ_OK;
  for (int64_t row = 0; row < rows && !st; row++)
    st = check_weights(ctx, NJ_F64_DATA(wide) + row * n, n, k, replacement);
  if (!st && !replacement) {
    st = draw_without(ctx, rng, wide, k, out);
  } else if (!st) {
    st = nj_empty(ctx, NJ_I64, weights->ndim, shape, &y);
    if (!st && k > 0)
      st = draw_with_replacement(ctx, rng, wide, rows, n, k, NJ_I64_DATA(y));
    st = nj_finish(st, y, out);
  }
  nj_release(wide);
  return st;
}

/* ---- dropout ---- */

typedef struct {
  const nj_map_kernels *f32;
  double scale;
} dropping;

static void drop_f32(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const dropping *d = arg;
  const float zero = 0;
  if (stride[1])
    d->f32->unary[NJ_MAP_AFFINE](data[1], data[0], n, d->scale, 0);
  else
    for (int64_t i = 0; i < n; i++)
      ((float *)data[0])[i] = *(const float *)data[1] * (float)d->scale;
  d->f32->select(data[2], stride[2], data[0], 1, &zero, 0, data[0], n);
}

static void drop_f64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const dropping *d = arg;
  const uint8_t *mask = data[2];
  for (int64_t i = 0; i < n; i++)
    ((double *)data[0])[i] =
        mask[i * stride[2]] ? ((double *)data[1])[i * stride[1]] * d->scale : 0;
}

static nj_status drop(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, double scale, nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty_result(ctx, x->dtype, x->ndim, x->shape, 1, &x, &y));
  dropping d = {nj_ctx_kernels(ctx)->map, scale};
  nj_iter it;
  nj_status st = nj_iter_init(&it, ctx, "dropout", 3, (const nj_tensor *[]){y, x, mask});
  if (!st)
    st = nj_iter_run(&it, (nj_dtype[]){x->dtype, x->dtype, NJ_U8},
                     x->dtype == NJ_F32 ? drop_f32 : drop_f64, &d);
  return nj_finish(st, y, out);
}

static nj_status dropout_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return drop(ctx, grad, node->saved[0], node->reals[0], &grads[0]);
}

nj_status nj_dropout(nj_ctx *ctx, nj_tensor *x, double p, int training, nj_rng *rng,
                     nj_tensor **out) {
  if (bad_probability(p))
    return nj_fail(ctx, NJ_EARG, "dropout: p must be in [0, 1], got %g", p);
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "dropout: needs float32 or float64, got %s",
                   nj_dtype_name(x->dtype));
  if (!training || p == 0) {
    *out = nj_retain(x);
    return NJ_OK;
  }
  nj_tensor *mask = NULL, *y = NULL;
  NJ_TRY(nj_empty(ctx, NJ_U8, x->ndim, x->shape, &mask));
  draw d = {.data = nj_data(mask),
            .width = (uint64_t)(p * 0x1p32), /* a word below it drops */
            .words_each = 1,
            .make = make_mask};
  double scale = p < 1 ? 1 / (1 - p) : 0;
  nj_node *node = NULL;
  nj_status st = fill(ctx, rng, &d, nj_numel(x));
  if (!st)
    st = drop(ctx, x, mask, scale, &y);
  if (!st)
    st = nj_record(ctx, y, "dropout", dropout_backward, 1, &x, &node);
  if (!st && node) {
    node->reals[0] = scale;
    st = nj_save(node, 0, mask);
  }
  nj_release(mask);
  return nj_finish(st, y, out);
}
