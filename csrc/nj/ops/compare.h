/* Comparison, logic and choice. Masks are uint8, 1 or 0. */
#ifndef NJ_OPS_COMPARE_H
#define NJ_OPS_COMPARE_H

#include "kernels/map.h"
#include "tensor/tensor.h"

/* a ? b elementwise, broadcasting; both are compared in their promoted dtype. Comparisons with NaN
 * are false, but for ne. */
#define NJ_COMPARE_OPS(X) X(eq, EQ) X(ne, NE) X(lt, LT) X(le, LE) X(gt, GT) X(ge, GE)
#define NJ_X(name, NAME) \
  nj_status nj_##name(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);
NJ_COMPARE_OPS(NJ_X)
#undef NJ_X

/* Anything that is not 0 counts as true. */
nj_status nj_logical_and(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);
nj_status nj_logical_or(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);
nj_status nj_logical_xor(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out);
nj_status nj_logical_not(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);

nj_status nj_isnan(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);
nj_status nj_isinf(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);
nj_status nj_isfinite(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);

/* cond ? a : b, all three broadcast together. Differentiable in a and b; neither leaks into the
 * other's gradient, whatever it holds. */
nj_status nj_where(nj_ctx *ctx, nj_tensor *cond, nj_tensor *a, nj_tensor *b, nj_tensor **out);
/* x with `value` where the mask, broadcast to x, is not 0. */
nj_status nj_masked_fill(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, double value, nj_tensor **out);

/* *out = 1 when shapes and all elements are equal (NaN equals nothing). */
nj_status nj_equal(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, int *out);
/* *out = 1 when |a - b| <= atol + rtol * |b| everywhere (equal infinities are close; NaNs are when
 * equal_nan). Broadcasts. */
nj_status nj_allclose(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, double rtol, double atol,
                      int equal_nan, int *out);
/* How many elements are equal to / less than a value. */
nj_status nj_count_equal(nj_ctx *ctx, nj_tensor *x, double value, int64_t *out);
nj_status nj_count_less(nj_ctx *ctx, nj_tensor *x, double value, int64_t *out);

#endif
