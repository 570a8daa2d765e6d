#include "ops/rows.h"

#include <string.h>

#include "ops/broadcast.h"

static void lay_out(nj_rows *r, int ndim, const int64_t *shape, unsigned mask) {
  memset(r, 0, sizeof *r);
  r->ndim = ndim;
  r->mask = mask;
  r->n_rows = r->n = 1;
  int at = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < ndim; i++)
      if ((int)(mask >> i & 1) == pass) {
        r->order[at++] = i;
        *(pass ? &r->n : &r->n_rows) *= shape[i];
      }
  memcpy(r->shape, shape, (size_t)ndim * sizeof *shape);
}

nj_status nj_rows_make(nj_ctx *ctx, nj_tensor *x, unsigned mask, nj_dtype dtype, nj_rows *out) {
  (void)ctx;
  lay_out(out, x->ndim, x->shape, mask);
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  for (int i = 0; i < x->ndim; i++) {
    shape[i] = x->shape[out->order[i]];
    stride[i] = x->stride[out->order[i]];
  }
  nj_tensor *permuted;
  NJ_TRY(nj_alias(x, x->ndim, shape, stride, x->offset, &permuted));
  nj_status st = nj_as(permuted, dtype, &out->matrix);
  nj_release(permuted);
  return st;
}

nj_status nj_rows_empty(nj_ctx *ctx, int ndim, const int64_t *shape, unsigned mask, nj_dtype dtype,
                        nj_rows *out) {
  lay_out(out, ndim, shape, mask);
  int64_t permuted[NJ_MAX_DIMS];
  for (int i = 0; i < ndim; i++)
    permuted[i] = shape[out->order[i]];
  return nj_empty(ctx, dtype, ndim, permuted, &out->matrix);
}

void nj_rows_free(nj_rows *rows) {
  nj_release(rows->matrix);
  rows->matrix = NULL;
}

nj_status nj_rows_result(nj_ctx *ctx, const nj_rows *rows, int keepdim, nj_dtype dtype,
                         nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS];
  int n = 0;
  for (int i = 0; i < rows->ndim; i++) {
    int reduced = (int)(rows->mask >> i & 1);
    if (!reduced || keepdim)
      shape[n++] = reduced ? 1 : rows->shape[i];
  }
  return nj_empty(ctx, dtype, n, shape, out);
}

nj_status nj_rows_restore(const nj_rows *rows, nj_tensor **out) {
  int64_t stride[NJ_MAX_DIMS];
  for (int i = 0; i < rows->ndim; i++)
    stride[rows->order[i]] = rows->matrix->stride[i];
  return nj_alias(rows->matrix, rows->ndim, rows->shape, stride, rows->matrix->offset, out);
}

void nj_rows_keep(nj_node *node, int at, const nj_tensor *x, unsigned mask) {
  nj_keep_shape(node, at, x);
  node->ints[at + NJ_KEPT_INTS] = (int64_t)mask;
}

nj_status nj_rows_kept(nj_ctx *ctx, const nj_node *node, int at, nj_rows *out) {
  return nj_rows_empty(ctx, (int)node->ints[at + 1], &node->ints[at + 2],
                       (unsigned)node->ints[at + NJ_KEPT_INTS], (nj_dtype)node->ints[at], out);
}
