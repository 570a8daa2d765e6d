/* Masks, and writing through masks and index tensors. Declared in ops/index.h. */
#include <string.h>

#include "ops/index.h"
#include "ops/index_rows.h"
#include "ops/inplace.h"
#include "ops/shape.h"
#include "tensor/autograd.h"

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
  NJ_TRY(nj_take_shape(ctx, "index", x, dim, at, &ndim, shape));
  NJ_TRY(nj_empty(ctx, x->dtype, ndim, shape, &packed));
  nj_status st = nj_copy_values(packed, src);
  if (!st) {
    nj_row_job job = nj_row_job_of(x, dim, at, packed);
    nj_put_rows(&job);
  }
  nj_release(packed);
  return st;
}

nj_status nj_index_put_(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src) {
  nj_tensor *at = NULL, *xc = NULL;
  NJ_TRY(nj_normalize_dim(ctx, "index", dim, x->ndim, &dim));
  NJ_TRY(nj_check_writable(ctx, "index assignment", x, src));
  NJ_TRY(nj_ready_index(ctx, "index", index, dim, x->shape[dim], &at));
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
