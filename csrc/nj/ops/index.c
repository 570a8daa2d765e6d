#include "ops/index.h"

#include <string.h>

#include "base/parallel.h"
#include "ops/inplace.h"
#include "ops/shape.h"
#include "tensor/autograd.h"

#define GRAIN 32768 /* elements a block moves */
#define COLUMNS 256 /* columns a block sums */

/* Integers wrap around, as in C's unsigned arithmetic. */
#define PLUS_U8(a, b) (uint8_t)((a) + (b))
#define PLUS_I32(a, b) (int32_t)((uint32_t)(a) + (uint32_t)(b))
#define PLUS_I64(a, b) (int64_t)((uint64_t)(a) + (uint64_t)(b))
#define PLUS_F32(a, b) ((a) + (b))
#define PLUS_F64(a, b) ((a) + (b))

/* A tensor seen along one dimension: (outer, size, inner). */
typedef struct {
  int64_t outer, size, inner;
} fold;

static fold fold_at(const int64_t *shape, int ndim, int dim) {
  fold f = {1, ndim > 0 ? shape[dim] : 1, 1};
  for (int i = 0; i < ndim; i++) {
    f.outer *= i < dim ? shape[i] : 1;
    f.inner *= i > dim ? shape[i] : 1;
  }
  return f;
}

static int64_t blocks_of(int64_t total, int64_t size) { return (total + size - 1) / size; }

/* ---- index tensors ---- */

static nj_status check_index_dtype(nj_ctx *ctx, const char *op, const nj_tensor *index) {
  if (index->dtype == NJ_I32 || index->dtype == NJ_I64)
    return NJ_OK;
  return nj_fail(ctx, NJ_EDTYPE, "%s: the index must be int32 or int64, got %s", op,
                 nj_dtype_name(index->dtype));
}

static nj_status out_of_range(nj_ctx *ctx, const char *op, int64_t shown, int dim, int64_t size) {
  return nj_fail(ctx, NJ_EINDEX, "%s: index %lld is out of range for dimension %d of size %lld", op,
                 (long long)shown, dim + 1, (long long)size);
}

nj_status nj_index_from_one(nj_ctx *ctx, const char *op, nj_tensor *index, int dim, int64_t size,
                            nj_tensor **out) {
  NJ_TRY(check_index_dtype(ctx, op, index));
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, NJ_I64, index->ndim, index->shape, &y));
  nj_status st = nj_copy_values(y, index);
  int64_t n = nj_numel(y), *at = NJ_I64_DATA(y);
  for (int64_t i = 0; !st && i < n; i++) {
    int64_t position = at[i] > 0 ? at[i] - 1 : at[i] < 0 && at[i] >= -size ? at[i] + size : -1;
    if (position < 0 || position >= size)
      st = out_of_range(ctx, op, at[i], dim, size);
    at[i] = position;
  }
  return nj_finish(st, y, out);
}

/* The index as contiguous int64, each in [0, size). */
static nj_status ready_index(nj_ctx *ctx, const char *op, nj_tensor *index, int dim, int64_t size,
                             nj_tensor **out) {
  NJ_TRY(check_index_dtype(ctx, op, index));
  nj_tensor *y = NULL;
  NJ_TRY(nj_as(index, NJ_I64, &y));
  int64_t n = nj_numel(y);
  const int64_t *at = NJ_I64_DATA(y);
  nj_status st = NJ_OK;
  for (int64_t i = 0; !st && i < n; i++) {
    if (at[i] < 0 || at[i] >= size)
      st = out_of_range(ctx, op, at[i] + 1, dim, size);
  }
  return nj_finish(st, y, out);
}

nj_status nj_nonzero(nj_ctx *ctx, nj_tensor *mask, nj_tensor **out) {
  nj_tensor *m = NULL, *y = NULL;
  NJ_TRY(nj_as(mask, mask->dtype == NJ_U8 ? NJ_U8 : NJ_F64, &m));
  int64_t n = nj_numel(m), count = 0;
  const uint8_t *bytes = nj_data(m);
  const double *reals = nj_data(m);
  int small = m->dtype == NJ_U8;
  for (int64_t i = 0; i < n; i++)
    count += small ? bytes[i] != 0 : reals[i] != 0;
  nj_status st = nj_empty(ctx, NJ_I64, 2, (int64_t[]){count, m->ndim}, &y);
  int64_t *at = st ? NULL : NJ_I64_DATA(y);
  for (int64_t i = 0; at && i < n; i++) {
    if (small ? bytes[i] == 0 : reals[i] == 0)
      continue;
    int64_t rest = i;
    for (int d = m->ndim - 1; d >= 0; d--) {
      at[d] = rest % m->shape[d];
      rest /= m->shape[d];
    }
    at += m->ndim;
  }
  nj_release(m);
  return nj_finish(st, y, out);
}

/* ---- moving and adding runs of elements ---- */

/* Runs at rows of y (outer, size, inner) and of packed (outer, count, inner). */
typedef struct {
  fold f;
  int64_t count;
  const int64_t *index; /* count of them */
  int64_t skip;         /* index that adds nothing; -1: none */
  nj_dtype dtype;
  size_t bytes; /* of an element */
  char *rows, *packed;
} index_job;

static nj_status take_block(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const index_job *job = arg;
  size_t run = (size_t)job->f.inner * job->bytes;
  for (int64_t i = begin; i < end; i++) {
    int64_t row = (i / job->count) * job->f.size + job->index[i % job->count];
    memcpy(job->packed + (size_t)i * run, job->rows + (size_t)row * run, run);
  }
  return NJ_OK;
}

/* packed[o, j, :] = rows[o, index[j], :] */
static nj_status take_rows(nj_ctx *ctx, index_job *job) {
  int64_t grain = GRAIN / (job->f.inner + 1) + 1;
  if (job->f.inner == 0)
    return NJ_OK;
  return nj_parallel_range(ctx, job->f.outer * job->count, grain, take_block, job);
}

/* rows[o, index[j], :] = packed[o, j, :], in order: the last write to a row stays. */
static void put_rows(const index_job *job) {
  size_t run = (size_t)job->f.inner * job->bytes;
  for (int64_t i = 0; i < job->f.outer * job->count; i++) {
    int64_t row = (i / job->count) * job->f.size + job->index[i % job->count];
    memcpy(job->rows + (size_t)row * run, job->packed + (size_t)i * run, run);
  }
}

/* A block owns some columns of one outer entry and goes through all indices in order, so sums do
 * not depend on how blocks are shared out. */
static nj_status add_block(void *arg, int64_t block, int worker) {
  (void)worker;
  const index_job *job = arg;
  int64_t per_outer = blocks_of(job->f.inner, COLUMNS);
  int64_t o = block / per_outer, from = block % per_outer * COLUMNS;
  int64_t n = job->f.inner - from < COLUMNS ? job->f.inner - from : COLUMNS;
  for (int64_t j = 0; j < job->count; j++) {
    if (job->index[j] == job->skip)
      continue;
    int64_t to = (o * job->f.size + job->index[j]) * job->f.inner + from;
    int64_t at = (o * job->count + j) * job->f.inner + from;
    switch (job->dtype) {
#define NJ_X(NAME, value, type, text)                 \
  case NJ_##NAME: {                                   \
    type *y = (type *)job->rows + to;                 \
    const type *g = (const type *)job->packed + at;   \
    for (int64_t i = 0; i < n; i++)                   \
      y[i] = PLUS_##NAME(y[i], g[i]);                     \
  } break;
      NJ_DTYPE_MAP(NJ_X)
#undef NJ_X
    }
  }
  return NJ_OK;
}

/* rows[o, index[j], :] += packed[o, j, :] */
static nj_status add_rows(nj_ctx *ctx, index_job *job) {
  return nj_parallel(ctx, job->f.outer * blocks_of(job->f.inner, COLUMNS), add_block, job);
}

static index_job make_job(const nj_tensor *rows, int dim, const nj_tensor *index,
                          nj_tensor *packed) {
  return (index_job){.f = fold_at(rows->shape, rows->ndim, dim),
                     .count = nj_numel(index),
                     .index = NJ_I64_DATA(index),
                     .skip = -1,
                     .dtype = rows->dtype,
                     .bytes = nj_dtype_size(rows->dtype),
                     .rows = nj_data(rows),
                     .packed = nj_data(packed)};
}

/* ---- index_select ---- */

/* saved: the index. ints: dim, x's ndim, x's shape; the index that is skipped. */
static nj_status select_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *gx = NULL, *g = NULL;
  NJ_TRY(nj_zeros(ctx, grad->dtype, (int)node->ints[1], node->ints + 2, &gx));
  nj_status st = nj_as_contiguous(grad, &g);
  if (!st) {
    index_job job = make_job(gx, (int)node->ints[0], node->saved[0], g);
    job.skip = node->ints[2 + NJ_MAX_DIMS];
    st = add_rows(ctx, &job);
  }
  nj_release(g);
  return nj_finish(st, gx, &grads[0]);
}

static nj_status select_shape(nj_ctx *ctx, const char *op, const nj_tensor *x, int dim,
                              const nj_tensor *index, int *ndim, int64_t *shape) {
  int n = x->ndim - 1 + index->ndim, at = 0;
  if (n > NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "%s: the result would have %d dimensions, at most %d are possible",
                   op, n, NJ_MAX_DIMS);
  for (int i = 0; i < x->ndim; i++) {
    for (int j = 0; i == dim && j < index->ndim; j++)
      shape[at++] = index->shape[j];
    if (i != dim)
      shape[at++] = x->shape[i];
  }
  *ndim = n;
  return NJ_OK;
}

static nj_status select_as(nj_ctx *ctx, const char *op, nj_tensor *x, int dim, nj_tensor *index,
                           int64_t skip, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  int ndim;
  nj_tensor *at = NULL, *xc = NULL, *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_normalize_dim(ctx, op, dim, x->ndim, &dim));
  NJ_TRY(select_shape(ctx, op, x, dim, index, &ndim, shape));
  nj_status st = ready_index(ctx, op, index, dim, x->shape[dim], &at);
  if (!st)
    st = nj_as_contiguous(x, &xc);
  if (!st)
    st = nj_empty(ctx, x->dtype, ndim, shape, &y);
  if (!st) {
    index_job job = make_job(xc, dim, at, y);
    st = take_rows(ctx, &job);
  }
  if (!st)
    st = nj_record(ctx, y, op, select_backward, 1, &x, &node);
  if (!st && node) {
    node->ints[0] = dim;
    node->ints[1] = x->ndim;
    memcpy(node->ints + 2, x->shape, sizeof x->shape);
    node->ints[2 + NJ_MAX_DIMS] = skip;
    st = nj_save(node, 0, at);
  }
  nj_release(at);
  nj_release(xc);
  return nj_finish(st, y, out);
}

nj_status nj_index_select(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor **out) {
  return select_as(ctx, "index_select", x, dim, index, -1, out);
}

nj_status nj_embedding(nj_ctx *ctx, nj_tensor *weight, nj_tensor *ids, int64_t padding_idx,
                       nj_tensor **out) {
  return select_as(ctx, "embedding", weight, 0, ids, padding_idx < 0 ? -1 : padding_idx, out);
}

/* ---- index_add ---- */

static nj_status index_add_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                    nj_tensor **grads) {
  if (nj_needs(node, 0))
    grads[0] = nj_retain(grad);
  if (nj_needs(node, 1))
    NJ_TRY(nj_index_select(ctx, grad, (int)node->ints[0], node->saved[0], &grads[1]));
  return NJ_OK;
}

/* src has the right shape and x's dtype. */
static nj_status index_add_same(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *at, nj_tensor *src,
                                nj_tensor **out) {
  nj_tensor *y = NULL, *s = NULL;
  nj_node *node = NULL;
  NJ_TRY(nj_empty_like(x, &y));
  nj_status st = nj_copy_values(y, x);
  if (!st)
    st = nj_as_contiguous(src, &s);
  if (!st) {
    index_job job = make_job(y, dim, at, s);
    st = add_rows(ctx, &job);
  }
  nj_release(s);
  if (!st)
    st = nj_record(ctx, y, "index_add", index_add_backward, 2, (nj_tensor *[]){x, src}, &node);
  if (!st && node) {
    node->ints[0] = dim;
    st = nj_save(node, 0, at);
  }
  return nj_finish(st, y, out);
}

nj_status nj_index_add(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src,
                       nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *at = NULL, *wide = NULL, *s = NULL;
  NJ_TRY(nj_normalize_dim(ctx, "index_add", dim, x->ndim, &dim));
  if (index->ndim != 1)
    return nj_fail(ctx, NJ_ESHAPE, "index_add: the index must be a vector, got shape %s",
                   NJ_SHAPE_OF(index));
  memcpy(shape, x->shape, sizeof shape);
  shape[dim] = index->shape[0];
  nj_status st = ready_index(ctx, "index_add", index, dim, x->shape[dim], &at);
  if (!st)
    st = nj_expand(ctx, src, x->ndim, shape, &wide);
  if (!st)
    st = nj_to(ctx, wide, x->dtype, &s);
  if (!st)
    st = index_add_same(ctx, x, dim, at, s, out);
  nj_release(at);
  nj_release(wide);
  nj_release(s);
  return st;
}

/* ---- masks ---- */

/* Positions chosen by a mask over x's leading dimensions, counted along them flattened. */
static nj_status mask_index(nj_ctx *ctx, const nj_tensor *x, nj_tensor *mask, nj_tensor **out) {
  nj_tensor *at = NULL;
  int fits = mask->ndim <= x->ndim && mask->ndim > 0;
  for (int i = 0; fits && i < mask->ndim; i++)
    fits = mask->shape[i] == x->shape[i];
  if (!fits)
    return nj_fail(ctx, NJ_ESHAPE,
                   "index: a mask of shape %s does not fit the leading dimensions of %s",
                   NJ_SHAPE_OF(mask), NJ_SHAPE_OF(x));
  NJ_TRY(nj_nonzero(ctx, mask, &at));
  int64_t count = at->shape[0], *from = NJ_I64_DATA(at);
  for (int64_t i = 0; i < count; i++) { /* in place: position i is read at or after where it goes */
    int64_t flat = 0;
    for (int d = 0; d < mask->ndim; d++)
      flat = flat * mask->shape[d] + from[i * mask->ndim + d];
    from[i] = flat;
  }
  nj_status st = nj_alias(at, 1, &count, (int64_t[]){1}, 0, out);
  nj_release(at);
  return st;
}

/* The shape with the first n dimensions of x made one; returns its ndim. */
static int lead_shape(const nj_tensor *x, int n, int64_t *shape) {
  shape[0] = 1;
  for (int i = 0; i < n; i++)
    shape[0] *= x->shape[i];
  memcpy(shape + 1, x->shape + n, sizeof(int64_t) * (size_t)(x->ndim - n));
  return x->ndim - n + 1;
}

nj_status nj_mask_rows(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *at = NULL, *flat = NULL;
  NJ_TRY(mask_index(ctx, x, mask, &at));
  int ndim = lead_shape(x, mask->ndim, shape);
  nj_status st = nj_reshape(ctx, x, ndim, shape, &flat);
  if (!st)
    st = nj_index_select(ctx, flat, 0, at, out);
  nj_release(at);
  nj_release(flat);
  return st;
}

nj_status nj_masked_select(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  int ndim;
  nj_tensor *wide = NULL, *m = NULL, *flat = NULL, *flat_mask = NULL;
  NJ_TRY(nj_broadcast_shape(ctx, "masked_select", x, mask, &ndim, shape));
  nj_status st = nj_expand(ctx, x, ndim, shape, &wide);
  if (!st)
    st = nj_expand(ctx, mask, ndim, shape, &m);
  if (!st)
    st = nj_flatten(ctx, wide, 0, -1, &flat);
  if (!st)
    st = nj_flatten(ctx, m, 0, -1, &flat_mask);
  if (!st)
    st = nj_mask_rows(ctx, flat, flat_mask, out);
  nj_release(wide);
  nj_release(m);
  nj_release(flat);
  nj_release(flat_mask);
  return st;
}

/* ---- writing ---- */

/* Puts src over the rows of x, which is contiguous. */
static nj_status put_into(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *at, nj_tensor *src) {
  int64_t shape[NJ_MAX_DIMS];
  int ndim;
  nj_tensor *packed = NULL;
  NJ_TRY(select_shape(ctx, "index", x, dim, at, &ndim, shape));
  NJ_TRY(nj_empty(ctx, x->dtype, ndim, shape, &packed));
  nj_status st = nj_copy_values(packed, src);
  if (!st) {
    index_job job = make_job(x, dim, at, packed);
    put_rows(&job);
  }
  nj_release(packed);
  return st;
}

nj_status nj_index_put_(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src) {
  nj_tensor *at = NULL, *xc = NULL;
  NJ_TRY(nj_normalize_dim(ctx, "index", dim, x->ndim, &dim));
  NJ_TRY(nj_check_writable(ctx, "index assignment", x, src));
  NJ_TRY(ready_index(ctx, "index", index, dim, x->shape[dim], &at));
  nj_status st = nj_as_contiguous(x, &xc);
  if (!st)
    st = put_into(ctx, xc, dim, at, src);
  if (!st && xc != x)
    st = nj_copy_values(x, xc);
  nj_mark_written(x);
  nj_release(at);
  nj_release(xc);
  return st;
}

nj_status nj_mask_put_(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor *src) {
  int64_t shape[NJ_MAX_DIMS];
  nj_tensor *at = NULL, *xc = NULL, *rows = NULL;
  NJ_TRY(nj_check_writable(ctx, "index assignment", x, src));
  NJ_TRY(mask_index(ctx, x, mask, &at));
  int ndim = lead_shape(x, mask->ndim, shape);
  nj_status st = nj_as_contiguous(x, &xc);
  if (!st)
    st = nj_view(ctx, xc, ndim, shape, &rows);
  if (!st)
    st = put_into(ctx, rows, 0, at, src);
  if (!st && xc != x)
    st = nj_copy_values(x, xc);
  nj_mark_written(x);
  nj_release(at);
  nj_release(xc);
  nj_release(rows);
  return st;
}
