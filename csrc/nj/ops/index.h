/* Taking and putting entries by index tensors and masks.
 *
 * Index tensors are int32 or int64 and hold 0-based positions here (Lua's 1-based ones pass
 * through nj_index_from_one first); a position out of range is EINDEX, another dtype EDTYPE. Masks
 * are tensors of any dtype, non-zero meaning chosen. Sums of gradients run in the order of the
 * indices, whatever the number of threads. Dimensions are 0-based, negative from the end. */
#ifndef NJ_OPS_INDEX_H
#define NJ_OPS_INDEX_H

#include "tensor/tensor.h"

/* Positions of the non-zero entries: int64 of shape (count, ndim), row-major order. */
nj_status nj_nonzero(nj_ctx *ctx, nj_tensor *mask, nj_tensor **out);

/* Entries of dimension dim named by index; that dimension is replaced by index's shape (a vector
 * keeps ndim). Differentiable in x. Errors: EARG when the result has too many dimensions. */
nj_status nj_index_select(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor **out);
/* index_select of rows of weight (V, …), whose row padding_idx (negative: none) gets no
 * gradient. */
nj_status nj_embedding(nj_ctx *ctx, nj_tensor *weight, nj_tensor *ids, int64_t padding_idx,
                       nj_tensor **out);
/* x plus src added to the entries of dimension dim named by index (a vector of n); src has x's
 * shape with n in place of that size, or broadcasts to it. Differentiable in x and src. */
nj_status nj_index_add(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src,
                       nj_tensor **out);

/* out[..., j, ...] = x[..., index[..., j, ...], ...]: index has x's ndim; its sizes equal x's or are
 * 1 (stretched), but for dim. Differentiable in x. Errors: ESHAPE. */
nj_status nj_gather(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor **out);
/* x with x[..., index[..., j, ...], ...] += src[..., j, ...]; index as in gather, src broadcasts
 * to its shape. Differentiable in x and src. */
nj_status nj_scatter_add(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src,
                         nj_tensor **out);

/* A vector of the entries where mask (broadcast with x) is non-zero. Differentiable in x. */
nj_status nj_masked_select(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor **out);
/* The same for a mask over x's leading dimensions: (count, the other dimensions of x). */
nj_status nj_mask_rows(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor **out);

/* Writes src, broadcast, over the entries that nj_index_select(x, dim, index) would give, in order.
 * In place, for views too. Errors: ESHAPE, EGRAD and EARG (see nj_check_writable). */
nj_status nj_index_put_(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor *index, nj_tensor *src);
/* The same over the entries of nj_mask_rows. */
nj_status nj_mask_put_(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, nj_tensor *src);

/* index's shape with a last dimension of `classes`: 1 at each position named, else 0. */
nj_status nj_one_hot(nj_ctx *ctx, nj_tensor *index, int64_t classes, nj_dtype dtype,
                     nj_tensor **out);

#endif
