#include "ops/masked_softmax.h"

#include <math.h>

#include "kernels/kernels.h"
#include "kernels/row.h"
#include "ops/compare.h"
#include "ops/masked_rows.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

typedef struct {
  const nj_row_kernels *row;
  int log;
} softmax_kind;

/* Forward: what is hidden counts as -inf; a row of nothing but that is filled by hand. */
#define FORWARD_ROW(T, table)                                                           \
  do {                                                                                  \
    const T low = (T)-INFINITY;                                                         \
    const T *x = (const T *)nj_data(job->x) + at;                                       \
    T *y = (T *)nj_data(job->out) + at;                                                 \
    for (int64_t j = 0; j < n; j++)                                                     \
      y[j] = see[j] ? x[j] : low;                                                       \
    if ((kind->log ? (table)->log_softmax(y, y, n) : (table)->softmax(y, y, n)) == low) \
      for (int64_t j = 0; j < n; j++)                                                   \
        y[j] = kind->log ? low : 0;                                                     \
  } while (0)

/* Backward: gradients that arrive at hidden entries, which are constants, count as 0. */
#define BACKWARD_ROW(T, table)                                                          \
  do {                                                                                  \
    const T hidden = kind->log ? (T)-INFINITY : 0;                                      \
    const T *y = (const T *)nj_data(job->x) + at, *g = (const T *)nj_data(job->g) + at; \
    T *gx = (T *)nj_data(job->out) + at;                                                \
    for (int64_t j = 0; j < n; j++)                                                     \
      gx[j] = y[j] == hidden ? 0 : g[j];                                                \
    (kind->log ? (table)->log_softmax_grad : (table)->softmax_grad)(y, gx, gx, n);      \
  } while (0)

static void make_row(const nj_masked_rows *job, int64_t at, const uint8_t *see) {
  const softmax_kind *kind = job->how;
  int64_t n = job->n;
  if (job->g && job->dtype == NJ_F32)
    BACKWARD_ROW(float, kind->row);
  else if (job->g)
    BACKWARD_ROW(double, &nj_row_double);
  else if (job->dtype == NJ_F32)
    FORWARD_ROW(float, kind->row);
  else
    FORWARD_ROW(double, &nj_row_double);
}

/* out = masked softmax of x along dim, or with g the gradient, x being the result. */
static nj_status run(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor *g, int dim, int log,
                     nj_tensor **out) {
  softmax_kind kind = {nj_ctx_kernels(ctx)->row, log};
  return nj_masked_rows_run(ctx, make_row, &kind, x, mask, g, dim, out);
}

static nj_status masked_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return run(ctx, node->saved[0], NULL, grad, (int)node->ints[0], (int)node->ints[1], &grads[0]);
}

nj_status nj_mask_of(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *mask, nj_tensor **out) {
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *zero = NULL;
  NJ_TRY(nj_broadcast_shape(ctx, op, x, mask, &ndim, shape));
  int fits = ndim == x->ndim;
  for (int i = 0; fits && i < ndim; i++)
    fits = shape[i] == x->shape[i];
  if (!fits)
    return nj_fail(ctx, NJ_ESHAPE, "%s: a mask of shape %s does not broadcast to %s", op,
                   NJ_SHAPE_OF(mask), NJ_SHAPE_OF(x));
  NJ_TRY(nj_scalar(ctx, mask->dtype, 0, &zero));
  nj_flow f = nj_flow_begin(mask);
  if (mask->dtype != NJ_U8)
    NJ_FLOW(f, nj_ne(ctx, f.x, zero, &f.next));
  NJ_FLOW(f, nj_expand(ctx, f.x, ndim, shape, &f.next));
  nj_release(zero);
  return nj_flow_end(&f, out);
}

static nj_status masked(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *mask, int dim,
                        int log, nj_tensor **out) {
  nj_tensor *wide = NULL, *y = NULL;
  nj_node *node = NULL;
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: expected float32 or float64, got %s", op,
                   nj_dtype_name(x->dtype));
  NJ_TRY(nj_normalize_dim(ctx, op, dim, x->ndim, &dim));
  NJ_TRY(nj_mask_of(ctx, op, x, mask, &wide));
  nj_status st = run(ctx, x, wide, NULL, dim, log, &y);
  nj_release(wide);
  NJ_TRY(st);
  st = nj_record(ctx, y, op, masked_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = dim;
    node->ints[1] = log;
    st = nj_save(node, 0, y);
  }
  return nj_finish(st, y, out);
}

nj_status nj_masked_softmax(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, int dim, nj_tensor **out) {
  return masked(ctx, "masked_softmax", x, mask, dim, 0, out);
}

nj_status nj_masked_log_softmax(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, int dim,
                                nj_tensor **out) {
  return masked(ctx, "masked_log_softmax", x, mask, dim, 1, out);
}
