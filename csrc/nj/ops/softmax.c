#include "ops/softmax.h"

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/row.h"
#include "ops/columns.h"
#include "tensor/autograd.h"

#define GRAIN 32768 /* elements of a block */

typedef struct {
  const nj_row_kernels *row;
  nj_dtype dtype;
  int log, dim;
  int64_t n;
  const nj_tensor *x, *g; /* g: backward, where x is the forward result */
  nj_tensor *out;
} softmax_job;

#define RUN_ROWS(T, table)                                                                    \
  do {                                                                                        \
    const T *x = nj_data(job->x), *g = job->g ? nj_data(job->g) : NULL;                       \
    T *out = nj_data(job->out);                                                               \
    for (int64_t i = begin * job->n; i < end * job->n; i += job->n)                           \
      if (g)                                                                                  \
        (job->log ? (table)->log_softmax_grad : (table)->softmax_grad)(x + i, g + i, out + i, \
                                                                       job->n);               \
      else                                                                                    \
        (job->log ? (table)->log_softmax : (table)->softmax)(x + i, out + i, job->n);         \
  } while (0)

static nj_status run_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const softmax_job *job = argument;
  if (job->dtype == NJ_F32)
    RUN_ROWS(float, job->row);
  else
    RUN_ROWS(double, &nj_row_double);
  return NJ_OK;
}

/* out = softmax of x along dim, or with g the gradient, x being the result. */
static nj_status run(nj_ctx *ctx, nj_tensor *x, nj_tensor *g, int dim, int log, nj_tensor **out) {
  nj_tensor *xl = NULL, *gl = NULL, *y = NULL;
  nj_status st = nj_dim_last(x, dim, &xl);
  if (!st && g)
    st = nj_dim_last(g, dim, &gl);
  if (!st)
    st = nj_empty_dim_last(x, dim, &y);
  int64_t n = x->shape[dim];
  softmax_job job = {nj_ctx_kernels(ctx)->row, x->dtype, log, dim, n, xl, gl, y};
  if (!st && nj_numel(x) > 0)
    st = nj_parallel_range(ctx, nj_numel(x) / n, GRAIN / n, run_rows, &job);
  nj_release(xl);
  nj_release(gl);
  return nj_finish(st, y, out);
}

static nj_status softmax_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  return run(ctx, node->saved[0], grad, (int)node->ints[0], (int)node->ints[1], &grads[0]);
}

static nj_status softmax(nj_ctx *ctx, const char *op, nj_tensor *x, int dim, int log,
                         nj_tensor **out) {
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: expected float32 or float64, got %s", op,
                   nj_dtype_name(x->dtype));
  NJ_TRY(nj_normalize_dim(ctx, op, dim, x->ndim, &dim));
  NJ_TRY(run(ctx, x, NULL, dim, log, &y));
  nj_status st = nj_record(ctx, y, op, softmax_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = dim;
    node->ints[1] = log;
    st = nj_save(node, 0, y);
  }
  return nj_finish(st, y, out);
}

nj_status nj_softmax(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out) {
  return softmax(ctx, "softmax", x, dim, 0, out);
}

nj_status nj_log_softmax(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out) {
  return softmax(ctx, "log_softmax", x, dim, 1, out);
}
