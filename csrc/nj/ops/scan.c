#include "ops/scan.h"

#include "base/parallel.h"
#include "ops/broadcast.h"
#include "ops/reduce_values.h"
#include "ops/rows.h"
#include "tensor/autograd.h"

enum { SUM, PRODUCT, SUM_BACK, PRODUCT_BACK };

typedef struct {
  int kind;
  nj_dtype dtype;
  int64_t n;
  const void *x, *g; /* g for PRODUCT_BACK */
  void *y;
} scan;

static void scan_int(const scan *s, int64_t row) {
  const int64_t *x = (const int64_t *)s->x + row * s->n;
  int64_t *y = (int64_t *)s->y + row * s->n;
  uint64_t total = s->kind == PRODUCT;
  for (int64_t i = 0; i < s->n; i++) {
    total = s->kind == PRODUCT ? total * (uint64_t)x[i] : total + (uint64_t)x[i];
    y[i] = (int64_t)total;
  }
}

/* d/dx[k] of sum_i g[i] prod_{j<=i} x[j] = prefix[k] * tail[k], where prefix[k] is the product
 * before k and tail[k] = g[k] + x[k+1] * tail[k+1]: no division, so zeros need no care. The prefix
 * is written to y first. */
#define PRODUCT_GRADIENT(T)                               \
  do {                                                    \
    const T *g = (const T *)s->g + row * s->n;            \
    double prefix = 1, tail = 0;                          \
    for (int64_t i = 0; i < s->n; i++) {                  \
      y[i] = (T)prefix;                                   \
      prefix *= x[i];                                     \
    }                                                     \
    for (int64_t i = s->n - 1; i >= 0; i--) {             \
      tail = g[i] + (i + 1 < s->n ? x[i + 1] * tail : 0); \
      y[i] = (T)(y[i] * tail);                            \
    }                                                     \
  } while (0)

#define SCAN_FLOAT(T)                                \
  static void scan_##T(const scan *s, int64_t row) { \
    const T *x = (const T *)s->x + row * s->n;       \
    T *y = (T *)s->y + row * s->n;                   \
    double total = s->kind == PRODUCT;               \
    switch (s->kind) {                               \
    case SUM:                                        \
      for (int64_t i = 0; i < s->n; i++)             \
        y[i] = (T)(total += x[i]);                   \
      break;                                         \
    case PRODUCT:                                    \
      for (int64_t i = 0; i < s->n; i++)             \
        y[i] = (T)(total *= x[i]);                   \
      break;                                         \
    case SUM_BACK:                                   \
      for (int64_t i = s->n - 1; i >= 0; i--)        \
        y[i] = (T)(total += x[i]);                   \
      break;                                         \
    default:                                         \
      PRODUCT_GRADIENT(T);                           \
    }                                                \
  }
SCAN_FLOAT(float)
SCAN_FLOAT(double)

static nj_status scan_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const scan *s = arg;
  for (int64_t row = begin; row < end; row++) {
    if (s->dtype == NJ_F32)
      scan_float(s, row);
    else if (s->dtype == NJ_F64)
      scan_double(s, row);
    else
      scan_int(s, row);
  }
  return NJ_OK;
}

/* Scans x (and g) along the dimension in mask. */
static nj_status run(nj_ctx *ctx, int kind, nj_tensor *x, nj_tensor *g, unsigned mask,
                     nj_tensor **out) {
  nj_dtype dtype = nj_dtype_is_float(x->dtype) ? x->dtype : NJ_I64;
  nj_rows rx = {0}, rg = {0}, ry = {0};
  nj_status st = nj_rows_make(ctx, x, mask, dtype, &rx);
  if (!st && g)
    st = nj_rows_make(ctx, g, mask, dtype, &rg);
  if (!st)
    st = nj_rows_empty(ctx, x->ndim, x->shape, mask, dtype, &ry);
  if (!st) {
    scan s = {
        kind, dtype, rx.n, nj_data(rx.matrix), g ? nj_data(rg.matrix) : NULL, nj_data(ry.matrix)};
    st = nj_parallel_range(ctx, rx.n_rows, 1 + 16384 / (rx.n + 1), scan_rows, &s);
  }
  if (!st)
    st = nj_rows_restore(&ry, out);
  nj_rows_free(&rx);
  nj_rows_free(&rg);
  nj_rows_free(&ry);
  return st;
}

static nj_status cumsum_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return run(ctx, SUM_BACK, grad, NULL, (unsigned)node->ints[0], &grads[0]);
}

static nj_status cumprod_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return run(ctx, PRODUCT_BACK, node->saved[0], grad, (unsigned)node->ints[0], &grads[0]);
}

static nj_status scan_dim(nj_ctx *ctx, const char *op, int kind, nj_backward_fn backward,
                          nj_tensor *x, int dim, nj_tensor **out) {
  unsigned mask = 0;
  nj_tensor *y = NULL;
  if (x->ndim > 0 || (dim != 0 && dim != -1)) /* a scalar has one dimension here */
    NJ_TRY(nj_dims_mask(ctx, op, x, 1, &dim, &mask));
  NJ_TRY(run(ctx, kind, x, NULL, mask, &y));
  nj_node *node = NULL;
  nj_status st = nj_record(ctx, y, op, backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = (int64_t)mask;
    if (kind == PRODUCT)
      st = nj_save(node, 0, x);
  }
  return nj_finish(st, y, out);
}

nj_status nj_cumsum(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out) {
  return scan_dim(ctx, "cumsum", SUM, cumsum_backward, x, dim, out);
}

nj_status nj_cumprod(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out) {
  return scan_dim(ctx, "cumprod", PRODUCT, cumprod_backward, x, dim, out);
}

/* ---- the gradient of a product ---- */

typedef struct {
  nj_dtype dtype;
  int64_t n;
  const void *x, *g;
  void *y;
} product;

#define PRODUCT_ROW(T)                                 \
  do {                                                 \
    const T *x = (const T *)p->x + row * p->n;         \
    T *y = (T *)p->y + row * p->n;                     \
    double before = 1, after = ((const T *)p->g)[row]; \
    for (int64_t i = 0; i < p->n; i++) {               \
      y[i] = (T)before;                                \
      before *= x[i];                                  \
    }                                                  \
    for (int64_t i = p->n - 1; i >= 0; i--) {          \
      y[i] = (T)(y[i] * after);                        \
      after *= x[i];                                   \
    }                                                  \
  } while (0)

static nj_status product_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const product *p = arg;
  for (int64_t row = begin; row < end; row++) {
    if (p->dtype == NJ_F32)
      PRODUCT_ROW(float);
    else
      PRODUCT_ROW(double);
  }
  return NJ_OK;
}

nj_status nj_prod_grad_rows(nj_ctx *ctx, const nj_tensor *x, int64_t n_rows, int64_t n,
                            const nj_tensor *g, nj_tensor *gx) {
  product p = {x->dtype, n, nj_data(x), nj_data(g), nj_data(gx)};
  return nj_parallel_range(ctx, n_rows, 1 + 16384 / (n + 1), product_rows, &p);
}
