/* max, min and where they are. */
#include "base/parallel.h"
#include "kernels/kernels.h"
#include "ops/broadcast.h"
#include "ops/reduce.h"
#include "ops/reduce_values.h"
#include "ops/rows.h"
#include "tensor/autograd.h"

typedef struct {
  const nj_row_kernels *f32;
  const nj_rows *rows;
  int largest;
  int64_t *where;
  nj_tensor *values; /* may be NULL */
} choice;

static int64_t find_int(const int64_t *x, int64_t n, int largest) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++)
    if (largest ? x[i] > x[best] : x[i] < x[best])
      best = i;
  return best;
}

#define CHOOSE_ROWS(T, find)                             \
  do {                                                   \
    const T *x = (const T *)nj_data(matrix) + begin * n; \
    T *values = c->values ? nj_data(c->values) : NULL;   \
    for (int64_t i = begin; i < end; i++, x += n) {      \
      int64_t at = find;                                 \
      c->where[i] = at;                                  \
      if (values)                                        \
        values[i] = x[at];                               \
    }                                                    \
  } while (0)

static nj_status choose_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const choice *c = arg;
  const nj_tensor *matrix = c->rows->matrix;
  int64_t n = c->rows->n;
  if (matrix->dtype == NJ_F32) {
    int64_t (*find)(const float *, int64_t) = c->largest ? c->f32->argmax : c->f32->argmin;
    CHOOSE_ROWS(float, find(x, n));
  } else if (matrix->dtype == NJ_F64) {
    CHOOSE_ROWS(double, c->largest ? nj_row_double.argmax(x, n) : nj_row_double.argmin(x, n));
  } else {
    CHOOSE_ROWS(int64_t, find_int(x, n, c->largest));
  }
  return NJ_OK;
}

/* gx is 0 but for g at the chosen places. saved[0]: the places, one per row. */
static nj_status choice_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_rows rows = {0};
  nj_tensor *g = NULL;
  NJ_TRY(nj_as_contiguous(grad, &g));
  nj_status st = nj_rows_kept(ctx, node, 0, &rows);
  nj_tensor *zero = NULL;
  if (!st)
    st = nj_scalar(ctx, node->dtype, 0, &zero);
  if (!st)
    st = nj_copy_values(rows.matrix, zero);
  const int64_t *where = NJ_I64_DATA(node->saved[0]);
  for (int64_t i = 0; !st && i < rows.n_rows; i++) {
    if (node->dtype == NJ_F32)
      NJ_F32_DATA(rows.matrix)[i * rows.n + where[i]] = NJ_F32_DATA(g)[i];
    else
      NJ_F64_DATA(rows.matrix)[i * rows.n + where[i]] = NJ_F64_DATA(g)[i];
  }
  if (!st)
    st = nj_rows_restore(&rows, &grads[0]);
  nj_release(zero);
  nj_release(g);
  nj_rows_free(&rows);
  return st;
}

/* values and where may be NULL when not wanted. */
static nj_status choose(nj_ctx *ctx, const char *op, nj_tensor *x, unsigned mask, int largest,
                        int keepdim, nj_tensor **values, nj_tensor **indices) {
  nj_dtype compute = nj_dtype_is_float(x->dtype) ? x->dtype : NJ_I64;
  nj_tensor *y = NULL, *where = NULL, *narrow = NULL;
  nj_rows rows = {0};
  nj_status st = nj_rows_make(ctx, x, mask, compute, &rows);
  if (!st && rows.n == 0)
    st = nj_fail(ctx, NJ_ESHAPE, "%s: nothing to choose from in a tensor of shape %s", op,
                 NJ_SHAPE_OF(x));
  if (!st && values)
    st = nj_rows_result(ctx, &rows, keepdim, compute, &y);
  if (!st)
    st = nj_rows_result(ctx, &rows, keepdim, NJ_I64, &where);
  if (!st) {
    choice c = {nj_ctx_kernels(ctx)->row, &rows, largest, NJ_I64_DATA(where), y};
    st = nj_parallel_range(ctx, rows.n_rows, 1 + 16384 / (rows.n + 1), choose_rows, &c);
  }
  nj_rows_free(&rows);
  nj_node *node = NULL;
  if (!st && values)
    st = nj_record(ctx, y, op, choice_backward, 1, &x, &node);
  if (!st && node) {
    nj_rows_keep(node, 0, x, mask);
    st = nj_save(node, 0, where);
  }
  if (!st && values && compute != x->dtype)
    st = nj_as(y, x->dtype, &narrow);
  if (!st && values)
    *values = narrow ? narrow : nj_retain(y);
  if (!st && indices)
    *indices = nj_retain(where);
  nj_release(y);
  nj_release(where);
  return st;
}

static nj_status extreme(nj_ctx *ctx, const char *op, int largest, nj_tensor *x, int n_dims,
                         const int *dims, int keepdim, nj_tensor **out) {
  unsigned mask;
  NJ_TRY(nj_dims_mask(ctx, op, x, n_dims, dims, &mask));
  for (int i = 0; i < x->ndim; i++)
    if (mask >> i & 1 && x->shape[i] == 0)
      return nj_fail(ctx, NJ_ESHAPE, "%s: nothing to choose from in a tensor of shape %s", op,
                     NJ_SHAPE_OF(x));
  if (nj_will_record(ctx, 1, &x))
    return choose(ctx, op, x, mask, largest, keepdim, out, NULL);
  return nj_reduce_mask(ctx, largest ? NJ_REDUCE_MAX : NJ_REDUCE_MIN, x, mask, keepdim, out);
}

static nj_status place(nj_ctx *ctx, const char *op, int largest, nj_tensor *x, int n_dims,
                       const int *dims, int keepdim, nj_tensor **out) {
  unsigned mask;
  NJ_TRY(nj_dims_mask(ctx, op, x, n_dims, dims, &mask));
  return choose(ctx, op, x, mask, largest, keepdim, NULL, out);
}

nj_status nj_max(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out) {
  return extreme(ctx, "max", 1, x, n_dims, dims, keepdim, out);
}

nj_status nj_min(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out) {
  return extreme(ctx, "min", 0, x, n_dims, dims, keepdim, out);
}

nj_status nj_argmax(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                    nj_tensor **out) {
  return place(ctx, "argmax", 1, x, n_dims, dims, keepdim, out);
}

nj_status nj_argmin(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                    nj_tensor **out) {
  return place(ctx, "argmin", 0, x, n_dims, dims, keepdim, out);
}

static nj_status along(nj_ctx *ctx, const char *op, int largest, nj_tensor *x, int dim, int keepdim,
                       nj_tensor **values, nj_tensor **indices) {
  unsigned mask;
  NJ_TRY(nj_dims_mask(ctx, op, x, 1, &dim, &mask));
  return choose(ctx, op, x, mask, largest, keepdim, values, indices);
}

nj_status nj_max_dim(nj_ctx *ctx, nj_tensor *x, int dim, int keepdim, nj_tensor **values,
                     nj_tensor **indices) {
  return along(ctx, "max", 1, x, dim, keepdim, values, indices);
}

nj_status nj_min_dim(nj_ctx *ctx, nj_tensor *x, int dim, int keepdim, nj_tensor **values,
                     nj_tensor **indices) {
  return along(ctx, "min", 0, x, dim, keepdim, values, indices);
}
