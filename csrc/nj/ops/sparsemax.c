#include "ops/sparsemax.h"

#include <math.h>

#include "ops/masked_rows.h"
#include "ops/masked_softmax.h"
#include "tensor/autograd.h"

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

static void make_row(const nj_masked_rows *job, int64_t at, const uint8_t *see) {
  int64_t n = job->n;
  if (job->g && job->dtype == NJ_F32)
    BACKWARD_ROW(float);
  else if (job->g)
    BACKWARD_ROW(double);
  else if (job->dtype == NJ_F32)
    FORWARD_ROW(float);
  else
    FORWARD_ROW(double);
}

static nj_status sparsemax_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                    nj_tensor **grads) {
  return nj_masked_rows_run(ctx, make_row, NULL, node->saved[0], NULL, grad, (int)node->ints[0],
                            &grads[0]);
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
  nj_status st = nj_masked_rows_run(ctx, make_row, NULL, x, wide, NULL, dim, &y);
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
