/* Shapes: views that share storage, and the copies that rearrange.
 *
 * Functions marked "view" never copy: the result shares x's storage, and writing through one shows
 * in the other. All are differentiable and take every dtype. Dimensions are 0-based and may be
 * negative (-1 is the last); a dimension out of range is EARG. ENOMEM everywhere. */
#ifndef NJ_OPS_SHAPE_H
#define NJ_OPS_SHAPE_H

#include "tensor/tensor.h"

/* x with another shape of as many elements, in row-major order; one size may be -1 and is worked
 * out. A view when the strides allow it, else a copy. Errors: ESHAPE. */
nj_status nj_reshape(nj_ctx *ctx, nj_tensor *x, int ndim, const int64_t *shape, nj_tensor **out);
/* The same, but ESHAPE where it would have to copy. View. */
nj_status nj_view(nj_ctx *ctx, nj_tensor *x, int ndim, const int64_t *shape, nj_tensor **out);
/* Dimensions first … last (inclusive) become one; a scalar becomes a vector of one. As reshape. */
nj_status nj_flatten(nj_ctx *ctx, nj_tensor *x, int first, int last, nj_tensor **out);
/* Dimension dim becomes n dimensions of the given sizes (one may be -1). As reshape. */
nj_status nj_unflatten(nj_ctx *ctx, nj_tensor *x, int dim, int n, const int64_t *sizes,
                       nj_tensor **out);

/* Result dimension i is x's dimension dims[i]; all x->ndim of them, each once. View. */
nj_status nj_permute(nj_ctx *ctx, nj_tensor *x, const int *dims, nj_tensor **out);
nj_status nj_transpose(nj_ctx *ctx, nj_tensor *x, int dim0, int dim1, nj_tensor **out); /* view */
/* Dimension `from` moves to place `to`; the others keep their order. View. */
nj_status nj_movedim(nj_ctx *ctx, nj_tensor *x, int from, int to, nj_tensor **out);

/* What to keep of one dimension: start, start + step, … (count of them). step 0 keeps the single
 * index `start` and drops the dimension. */
typedef struct {
  int64_t start, count, step;
} nj_range;
/* ranges has x->ndim entries. View. Errors: EINDEX outside the size, EARG for a negative step. */
nj_status nj_slice(nj_ctx *ctx, nj_tensor *x, const nj_range *ranges, nj_tensor **out);
/* `length` entries of one dimension from `start` on. View. Errors: EINDEX. */
nj_status nj_narrow(nj_ctx *ctx, nj_tensor *x, int dim, int64_t start, int64_t length,
                    nj_tensor **out);
/* One entry of a dimension, which is dropped; index may count from the end. View. EINDEX. */
nj_status nj_select(nj_ctx *ctx, nj_tensor *x, int dim, int64_t index, nj_tensor **out);

/* Sizes of 1 stretch to the given shape, new dimensions come in front; -1 keeps a size. View with
 * stride 0. Errors: ESHAPE. */
nj_status nj_expand(nj_ctx *ctx, nj_tensor *x, int ndim, const int64_t *shape, nj_tensor **out);
/* Drops dimension dim when its size is 1 (else the result has x's shape). View. */
nj_status nj_squeeze(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out);
nj_status nj_squeeze_all(nj_ctx *ctx, nj_tensor *x, nj_tensor **out); /* view */
/* A new dimension of size 1 at place dim of the result. View. */
nj_status nj_unsqueeze(nj_ctx *ctx, nj_tensor *x, int dim, nj_tensor **out);
/* Elements (i, i + offset) of dimensions dim0 and dim1, as a new last dimension. View. */
nj_status nj_diagonal(nj_ctx *ctx, nj_tensor *x, int64_t offset, int dim0, int dim1,
                      nj_tensor **out);
/* Windows of `size` every `step` along dim: that dimension counts windows, a new last one runs
 * inside them. View (windows may overlap: clone before writing). Errors: EARG, ESHAPE. */
nj_status nj_unfold(nj_ctx *ctx, nj_tensor *x, int dim, int64_t size, int64_t step,
                    nj_tensor **out);

/* x itself when contiguous, else a contiguous copy. */
nj_status nj_contiguous(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);
/* A contiguous copy in storage of its own. */
nj_status nj_clone(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);
/* x itself when it has the dtype, else a converted copy (integer targets: truncated towards zero,
 * saturated, NaN becomes 0). The gradient comes back in x's dtype; to an integer dtype nothing is
 * recorded. */
nj_status nj_to(nj_ctx *ctx, nj_tensor *x, nj_dtype dtype, nj_tensor **out);

#endif
