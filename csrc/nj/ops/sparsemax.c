#include "ops/sparsemax.h"

#include <math.h>

#include "base/parallel.h"
#include "ops/columns.h"
#include "ops/masked_softmax.h"
#include "tensor/autograd.h"

#define GRAIN 16384 /* elements of a block */

typedef struct {
  nj_dtype dtype;
  int64_t n;
  const nj_tensor *x, *mask, *g; /* g: backward, where x is the forward result and mask NULL */
  nj_tensor *out;
} sparsemax_job;

/* t is found by Michelot's method: of the mean that the entries that may count give it, those at or below
 * it are left out, until all that count lie above. Only entries less than 1 below the largest may; they
 * gather in y, as distances from the largest, before it holds the result. Sums are of doubles, in the
 * order of the row. `most` is NaN where the row's result is. */
#define FORWARD_ROW(T)                                      \
  do {                                                      \
    const T *x = (const T *)nj_data(job->x) + at;           \
    T *y = (T *)nj_data(job->out) + at;                     \
    T most = (T)-INFINITY;                                  \
    int64_t count = 0, before;                              \
    double sum = 0, t;                                      \
    for (int64_t j = 0; j < n; j++)                         \
      if ((!see || see[j]) && !(x[j] <= most))              \
        most = isnan(most) ? most : x[j];                   \
    most = isinf(most) ? (T)NAN : most;                     \
    for (int64_t j = 0; j < n; j++)                         \
      if ((!see || see[j]) && x[j] - most > -1) {           \
        y[count++] = x[j] - most;                           \
        sum += (double)(x[j] - most);                       \
      }                                                     \
    do {                                                    \
      t = (sum - 1) / (double)count;                        \
      before = count;                                       \
      count = 0;                                            \
      sum = 0;                                              \
      for (int64_t j = 0; j < before; j++)                  \
        if ((double)y[j] > t) {                             \
          sum += (double)y[j];                              \
          y[count++] = y[j];                                \
        }                                                   \
    } while (count < before);                               \
    for (int64_t j = 0; j < n; j++) {                       \
      double above = (double)(x[j] - most) - t;             \
      y[j] = (see && !see[j]) || above <= 0 ? 0 : (T)above; \
    }                                                       \
  } while (0)

/* What came to entries of the support, less its mean over them; NaN reaches all of its row. */
#define BACKWARD_ROW(T)                                                                 \
  do {                                                                                  \
    const T *y = (const T *)nj_data(job->x) + at, *g = (const T *)nj_data(job->g) + at; \
    T *gx = (T *)nj_data(job->out) + at;                                                \
    double sum = 0;                                                                     \
    int64_t count = 0;                                                                  \
    for (int64_t j = 0; j < n; j++)                                                     \
      if (y[j] != 0) {                                                                  \
        sum += isnan(y[j]) ? (double)y[j] : (double)g[j];                               \
        count++;                                                                        \
      }                                                                                 \
    for (int64_t j = 0; j < n; j++)                                                     \
      gx[j] = y[j] != 0 ? (T)((double)g[j] - sum / (double)count) : 0;                  \
  } while (0)

static nj_status run_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const sparsemax_job *job = argument;
  int64_t n = job->n;
  for (int64_t i = begin; i < end; i++) {
    int64_t at = i * n;
    const uint8_t *see = job->mask ? (const uint8_t *)nj_data(job->mask) + at : NULL;
    if (job->g && job->dtype == NJ_F32)
      BACKWARD_ROW(float);
    else if (job->g)
      BACKWARD_ROW(double);
    else if (job->dtype == NJ_F32)
      FORWARD_ROW(float);
    else
      FORWARD_ROW(double);
  }
  return NJ_OK;
}

/* out = sparsemax of x along dim, or with g the gradient, x being the result. */
static nj_status run(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor *g, int dim,
                     nj_tensor **out) {
  nj_tensor *xl = NULL, *ml = NULL, *gl = NULL, *y = NULL;
  nj_status st = nj_dim_last(x, dim, &xl);
  if (!st && mask)
    st = nj_dim_last(mask, dim, &ml);
  if (!st && g)
    st = nj_dim_last(g, dim, &gl);
  if (!st)
    st = nj_empty_dim_last(x, dim, &y);
  int64_t n = x->shape[dim];
  sparsemax_job job = {x->dtype, n, xl, ml, gl, y};
  if (!st && nj_numel(x) > 0)
    st = nj_parallel_range(ctx, nj_numel(x) / n, GRAIN / n, run_rows, &job);
  nj_release(xl);
  nj_release(ml);
  nj_release(gl);
  return nj_finish(st, y, out);
}

static nj_status sparsemax_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                    nj_tensor **grads) {
  return run(ctx, node->saved[0], NULL, grad, (int)node->ints[0], &grads[0]);
}

static nj_status sparsemax(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *mask, int dim,
                           nj_tensor **out) {
  nj_tensor *wide = NULL, *y = NULL;
  nj_node *node = NULL;
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: expected float32 or float64, got %s", op,
                   nj_dtype_name(x->dtype));
  NJ_TRY(nj_normalize_dim(ctx, op, dim, x->ndim, &dim));
  if (mask)
    NJ_TRY(nj_mask_of(ctx, op, x, mask, &wide));
  nj_status st = run(ctx, x, wide, NULL, dim, &y);
  nj_release(wide);
  NJ_TRY(st);
  st = nj_record(ctx, y, op, sparsemax_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = dim;
    st = nj_save(node, 0, y);
  }
  return nj_finish(st, y, out);
}

nj_status nj_sparsemax(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out) {
  return sparsemax(ctx, "sparsemax", x, NULL, dim, out);
}

nj_status nj_masked_sparsemax(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, int dim,
                              nj_tensor **out) {
  return sparsemax(ctx, "masked_sparsemax", x, mask, dim, out);
}
