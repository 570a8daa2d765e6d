#include <math.h>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/row.h"
#include "ops/columns.h"
#include "ops/norm.h"
#include "tensor/autograd.h"

#define GRAIN 32768 /* elements of a block */

typedef struct {
  const nj_row_kernels *row;
  nj_dtype dtype;
  int64_t n;
  double eps;
  const nj_tensor *x, *g; /* g: backward */
  nj_tensor *y;
} unit_job;

/* Forward: y = x / d with d = max(|x|, eps). Backward: g / d, less x (x·g) / (|x| d^2) where |x| >
 * eps. */
#define UNIT_ROWS(T, table, SQRT)                                             \
  do {                                                                        \
    int64_t n = job->n;                                                       \
    for (int64_t i = begin; i < end; i++) {                                   \
      const T *x = (const T *)nj_data(job->x) + i * n;                        \
      T *y = (T *)nj_data(job->y) + i * n;                                    \
      T norm = SQRT((table)->reduce[NJ_REDUCE_SUMSQ](x, n));                  \
      T d = norm > (T)job->eps || norm != norm ? norm : (T)job->eps;          \
      if (!job->g) {                                                          \
        for (int64_t j = 0; j < n; j++)                                       \
          y[j] = x[j] / d;                                                    \
        continue;                                                             \
      }                                                                       \
      const T *g = (const T *)nj_data(job->g) + i * n;                        \
      T along = norm > (T)job->eps ? (table)->dot(x, g, n) / (d * d * d) : 0; \
      for (int64_t j = 0; j < n; j++)                                         \
        y[j] = g[j] / d - x[j] * along;                                       \
    }                                                                         \
  } while (0)

static nj_status unit_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const unit_job *job = argument;
  if (job->dtype == NJ_F32)
    UNIT_ROWS(float, job->row, sqrtf);
  else
    UNIT_ROWS(double, &nj_row_double, sqrt);
  return NJ_OK;
}

static nj_status run(nj_ctx *ctx, nj_tensor *x, nj_tensor *g, int dim, double eps,
                     nj_tensor **out) {
  nj_tensor *xl = NULL, *gl = NULL, *y = NULL;
  nj_status st = nj_dim_last(x, dim, &xl);
  if (!st && g)
    st = nj_dim_last(g, dim, &gl);
  if (!st)
    st = nj_empty_dim_last(x, dim, &y);
  int64_t n = x->shape[dim];
  unit_job job = {nj_ctx_kernels(ctx)->row, x->dtype, n, eps, xl, gl, y};
  if (!st && nj_numel(x) > 0)
    st = nj_parallel_range(ctx, nj_numel(x) / n, GRAIN / n, unit_rows, &job);
  nj_release(xl);
  nj_release(gl);
  return nj_finish(st, y, out);
}

static nj_status normalize_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                    nj_tensor **grads) {
  return run(ctx, node->saved[0], grad, (int)node->ints[0], node->reals[0], &grads[0]);
}

nj_status nj_normalize(nj_ctx *ctx, nj_tensor *x, int dim, double eps, nj_tensor **out) {
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "normalize: expected float32 or float64, got %s",
                   nj_dtype_name(x->dtype));
  NJ_TRY(nj_normalize_dim(ctx, "normalize", dim, x->ndim, &dim));
  NJ_TRY(run(ctx, x, NULL, dim, eps, &y));
  nj_status st = nj_record(ctx, y, "normalize", normalize_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = dim;
    node->reals[0] = eps;
    st = nj_save(node, 0, x);
  }
  return nj_finish(st, y, out);
}
