/* Entries named one by one along a dimension, and sums into them. Declared in ops/index.h. */
#include <string.h>

#include "base/parallel.h"
#include "ops/index.h"
#include "ops/shape.h"
#include "tensor/autograd.h"

#define COLUMNS 1024 /* columns (outer × inner places) a block owns */

/* Integers wrap around, as in C's unsigned arithmetic. */
#define PLUS_U8(a, b) (uint8_t)((a) + (b))
#define PLUS_I32(a, b) (int32_t)((uint32_t)(a) + (uint32_t)(b))
#define PLUS_I64(a, b) (int64_t)((uint64_t)(a) + (uint64_t)(b))
#define PLUS_F32(a, b) ((a) + (b))
#define PLUS_F64(a, b) ((a) + (b))

/* x (outer, size, inner); index and packed (outer, count, inner). */
typedef struct {
  int64_t outer, size, count, inner;
  const int64_t *index;
  nj_dtype dtype;
  char *x, *packed;
} gather_job;

static gather_job make_job(const nj_tensor *x, int dim, const nj_tensor *index,
                           const nj_tensor *packed) {
  gather_job job = {1,        x->shape[dim], index->shape[dim], 1, NJ_I64_DATA(index),
                    x->dtype, nj_data(x),    nj_data(packed)};
  for (int i = 0; i < x->ndim; i++) {
    job.outer *= i < dim ? x->shape[i] : 1;
    job.inner *= i > dim ? x->shape[i] : 1;
  }
  return job;
}

/* A column is one (outer, inner) place: its entries are gone through in order, so sums do not
 * depend on how columns are shared out. */
#define COLUMN_LOOP(NAME, STATEMENT)                                         \
  static nj_status NAME(void *arg, int64_t begin, int64_t end, int worker) { \
    (void)worker;                                                            \
    const gather_job *job = arg;                                             \
    for (int64_t c = begin; c < end; c++) {                                  \
      int64_t o = c / job->inner, i = c % job->inner;                        \
      int64_t packed_at = o * job->count * job->inner + i;                   \
      int64_t x_at = o * job->size * job->inner + i;                         \
      switch (job->dtype) { NJ_DTYPE_MAP(STATEMENT) }                        \
    }                                                                        \
    return NJ_OK;                                                            \
  }

#define GATHER(NAME, value, type, text)                                               \
  case NJ_##NAME:                                                                     \
    for (int64_t j = 0, k = packed_at; j < job->count; j++, k += job->inner)          \
      ((type *)job->packed)[k] = ((type *)job->x)[x_at + job->index[k] * job->inner]; \
    break;
COLUMN_LOOP(gather_columns, GATHER)

#define SCATTER(NAME, value, type, text)                                       \
  case NJ_##NAME:                                                              \
    for (int64_t j = 0, k = packed_at; j < job->count; j++, k += job->inner) { \
      type *to = (type *)job->x + x_at + job->index[k] * job->inner;           \
      *to = PLUS_##NAME(*to, ((type *)job->packed)[k]);                        \
    }                                                                          \
    break;
COLUMN_LOOP(scatter_columns, SCATTER)

/* Index stretched to x's shape (but for dim), contiguous int64, checked. */
static nj_status prepare(nj_ctx *ctx, const char *op, const nj_tensor *x, int dim, nj_tensor *index,
                         nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *wide = NULL, *at = NULL;
  if (index->dtype != NJ_I32 && index->dtype != NJ_I64)
    return nj_fail(ctx, NJ_EDTYPE, "%s: the index must be int32 or int64, got %s", op,
                   nj_dtype_name(index->dtype));
  int fits = index->ndim == x->ndim;
  for (int i = 0; fits && i < x->ndim; i++) {
    shape[i] = i == dim ? index->shape[i] : x->shape[i];
    fits = i == dim || index->shape[i] == x->shape[i] || index->shape[i] == 1;
  }
  if (!fits)
    return nj_fail(ctx, NJ_ESHAPE,
                   "%s: an index of shape %s does not fit %s (sizes other than dimension %d must "
                   "agree or be 1)",
                   op, NJ_SHAPE_OF(index), NJ_SHAPE_OF(x), dim + 1);
  NJ_TRY(nj_expand(ctx, index, x->ndim, shape, &wide));
  nj_status st = nj_as(wide, NJ_I64, &at);
  nj_release(wide);
  int64_t n = st ? 0 : nj_numel(at);
  for (int64_t i = 0; i < n && !st; i++) {
    int64_t position = NJ_I64_DATA(at)[i];
    if (position < 0 || position >= x->shape[dim])
      st = nj_fail(ctx, NJ_EINDEX, "%s: index %lld is out of range for dimension %d of size %lld",
                   op, (long long)position + 1, dim + 1, (long long)x->shape[dim]);
  }
  return nj_finish(st, at, out);
}

static nj_status check_ndim(nj_ctx *ctx, const char *op, const nj_tensor *x, int *dim) {
  if (x->ndim == 0)
    return nj_fail(ctx, NJ_ESHAPE, "%s: needs at least one dimension", op);
  return nj_normalize_dim(ctx, op, *dim, x->ndim, dim);
}

/* ---- gather ---- */

/* saved: index. ints: dim, ndim, x's shape. */
static nj_status gather_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *gx = NULL, *g = NULL;
  NJ_TRY(nj_zeros(ctx, grad->dtype, (int)node->ints[1], node->ints + 2, &gx));
  nj_status st = nj_as_contiguous(grad, &g);
  if (!st) {
    gather_job job = make_job(gx, (int)node->ints[0], node->saved[0], g);
    st = nj_parallel_range(ctx, job.outer * job.inner, COLUMNS, scatter_columns, &job);
  }
  nj_release(g);
  return nj_finish(st, gx, &grads[0]);
}

nj_status nj_gather(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor **out) {
  nj_tensor *at = NULL, *xc = NULL, *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(check_ndim(ctx, "gather", x, &dim));
  NJ_TRY(prepare(ctx, "gather", x, dim, index, &at));
  nj_status st = nj_as_contiguous(x, &xc);
  if (!st)
    st = nj_empty(ctx, x->dtype, x->ndim, at->shape, &y);
  if (!st) {
    gather_job job = make_job(xc, dim, at, y);
    st = nj_parallel_range(ctx, job.outer * job.inner, COLUMNS, gather_columns, &job);
  }
  if (!st)
    st = nj_record(ctx, y, "gather", gather_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = dim;
    node->ints[1] = x->ndim;
    memcpy(node->ints + 2, x->shape, sizeof x->shape);
    st = nj_save(node, 0, at);
  }
  nj_release(at);
  nj_release(xc);
  return nj_finish(st, y, out);
}

/* ---- scatter_add ---- */

static nj_status scatter_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  if (nj_needs(node, 0))
    grads[0] = nj_retain(grad);
  if (nj_needs(node, 1))
    NJ_TRY(nj_gather(ctx, grad, (int)node->ints[0], node->saved[0], &grads[1]));
  return NJ_OK;
}

/* src has the index's shape and x's dtype. */
static nj_status scatter_same(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *at, nj_tensor *src,
                              nj_tensor **out) {
  nj_tensor *y = NULL, *s = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_empty_like(x, &y));
  nj_status st = nj_copy_values(y, x);
  if (!st)
    st = nj_as_contiguous(src, &s);
  if (!st) {
    gather_job job = make_job(y, dim, at, s);
    st = nj_parallel_range(ctx, job.outer * job.inner, COLUMNS, scatter_columns, &job);
  }
  nj_release(s);
  if (!st)
    st = nj_record(ctx, y, "scatter_add", scatter_backward, 2, (nj_tensor *[]){x, src}, &node);
  if (!st && node) {
    node->ints[0] = dim;
    st = nj_save(node, 0, at);
  }
  return nj_finish(st, y, out);
}

nj_status nj_scatter_add(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src,
                         nj_tensor **out) {
  nj_tensor *at = NULL, *wide = NULL, *s = NULL;
  NJ_TRY(check_ndim(ctx, "scatter_add", x, &dim));
  NJ_TRY(prepare(ctx, "scatter_add", x, dim, index, &at));
  nj_status st = nj_expand(ctx, src, at->ndim, at->shape, &wide);
  if (!st)
    st = nj_to(ctx, wide, x->dtype, &s);
  if (!st)
    st = scatter_same(ctx, x, dim, at, s, out);
  nj_release(at);
  nj_release(wide);
  nj_release(s);
  return st;
}

/* ---- one_hot ---- */

nj_status nj_one_hot(nj_ctx *ctx, nj_tensor *index, int64_t classes, nj_dtype dtype,
                     nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS + 1], place[NJ_MAX_DIMS + 1] = {0};
  nj_tensor *at = NULL, *y = NULL, *flat = NULL;
  if (classes < 1)
    return nj_fail(ctx, NJ_EARG, "one_hot: the number of classes must be positive, got %lld",
                   (long long)classes);
  if (index->dtype != NJ_I32 && index->dtype != NJ_I64)
    return nj_fail(ctx, NJ_EDTYPE, "one_hot: the index must be int32 or int64, got %s",
                   nj_dtype_name(index->dtype));
  memcpy(shape, index->shape, sizeof index->shape);
  shape[index->ndim] = classes;
  nj_status st = nj_zeros(ctx, dtype, index->ndim + 1, shape, &y);
  if (!st)
    st = nj_as(index, NJ_I64, &at);
  int64_t n = st ? 0 : nj_numel(at);
  if (!st)
    st = nj_view(ctx, y, 2, (int64_t[]){n, classes}, &flat);
  for (int64_t i = 0; i < n && !st; i++) {
    place[0] = i;
    place[1] = NJ_I64_DATA(at)[i];
    if (place[1] < 0 || place[1] >= classes)
      st = nj_fail(ctx, NJ_EINDEX, "one_hot: index %lld is out of range for %lld classes",
                   (long long)place[1] + 1, (long long)classes);
    else
      nj_set(flat, place, 1.0);
  }
  nj_release(at);
  nj_release(flat);
  return nj_finish(st, y, out);
}
