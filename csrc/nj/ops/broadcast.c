#include "ops/broadcast.h"

#include <string.h>

#include "ops/reduce_values.h"

void nj_keep_shape(nj_node *node, int at, const nj_tensor *x) {
  node->ints[at] = (int64_t)x->dtype;
  node->ints[at + 1] = x->ndim;
  memcpy(&node->ints[at + 2], x->shape, sizeof x->shape);
}

nj_status nj_sum_to_kept(nj_ctx *ctx, const nj_node *node, int at, nj_tensor *grad,
                         nj_tensor **out) {
  return nj_sum_to(ctx, grad, (nj_dtype)node->ints[at], (int)node->ints[at + 1],
                   &node->ints[at + 2], out);
}

nj_status nj_sum_to(nj_ctx *ctx, nj_tensor *grad, nj_dtype dtype, int ndim, const int64_t *shape,
                    nj_tensor **out) {
  int dims[NJ_MAX_DIMS], n = 0, lead = grad->ndim - ndim;
  for (int i = 0; i < grad->ndim; i++)
    if (i < lead || (shape[i - lead] == 1 && grad->shape[i] != 1))
      dims[n++] = i;
  if (n == 0 && grad->dtype == dtype) {
    *out = nj_retain(grad);
    return NJ_OK;
  }
  nj_tensor *summed = NULL, *shaped = NULL;
  nj_status st = n ? nj_reduce_values(ctx, NJ_REDUCE_SUM, grad, n, dims, 1, &summed)
                   : nj_detach(grad, &summed);
  if (!st) /* drop the leading dimensions, all of size 1 now */
    st = nj_alias(summed, ndim, summed->shape + lead, summed->stride + lead, summed->offset,
                  &shaped);
  if (!st && dtype != grad->dtype)
    st = nj_as(shaped, dtype, out);
  else if (!st)
    *out = nj_retain(shaped);
  nj_release(summed);
  nj_release(shaped);
  return st;
}
