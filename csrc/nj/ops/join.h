/* Joining tensors and padding them. Differentiable, every dtype, contiguous results. Dimensions
 * are 0-based, negative from the end. ENOMEM everywhere. */
#ifndef NJ_OPS_JOIN_H
#define NJ_OPS_JOIN_H

#include "tensor/tensor.h"

/* The n tensors one after the other along dim; other sizes must agree. The dtype is the promotion
 * of all. Errors: EARG (n = 0, dim), ESHAPE. */
nj_status nj_cat(nj_ctx *ctx, int n, nj_tensor *const *tensors, int dim, nj_tensor **out);
/* The n tensors of one shape along a new dimension at place dim of the result. */
nj_status nj_stack(nj_ctx *ctx, int n, nj_tensor *const *tensors, int dim, nj_tensor **out);

typedef enum {
  NJ_PAD_CONSTANT,  /* with a value */
  NJ_PAD_REFLECT,   /* mirrored, the edge entry not repeated: c b | a b c d | c b */
  NJ_PAD_REPLICATE, /* the edge entry again and again */
  NJ_PAD_CIRCULAR   /* from the other end */
} nj_pad_mode;

/* Adds before[i] and after[i] entries to dimension i, for the first n dimensions. Errors: EARG
 * (negative amounts, n > ndim), ESHAPE (reflect needs amounts below the size, circular at most
 * the size, replicate a size of at least 1). */
nj_status nj_pad(nj_ctx *ctx, nj_tensor *x, int n, const int64_t *before, const int64_t *after,
                 nj_pad_mode mode, double value, nj_tensor **out);

#endif
