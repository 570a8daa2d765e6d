#include "ops/inplace.h"

#include <math.h>
#include <string.h>

#include "ops/compare.h"
#include "ops/map_values.h"
#include "tensor/autograd.h"

nj_status nj_check_writable(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *source) {
  NJ_TRY(nj_check_inplace(ctx, op, x, source));
  for (int i = 0; i < x->ndim; i++)
    if (x->stride[i] == 0 && x->shape[i] > 1)
      return nj_fail(ctx, NJ_EARG,
                     "%s: cannot write in place to an expanded tensor, whose elements "
                     "share memory; use clone()",
                     op);
  return NJ_OK;
}

static int same_view(const nj_tensor *a, const nj_tensor *b) {
  return a->offset == b->offset && a->dtype == b->dtype && nj_same_shape(a, b) &&
         memcmp(a->stride, b->stride, (size_t)a->ndim * sizeof *a->stride) == 0;
}

nj_status nj_apart(const nj_tensor *x, nj_tensor *src, nj_tensor **out) {
  if (src->storage != x->storage || same_view(x, src)) {
    *out = nj_retain(src);
    return NJ_OK;
  }
  nj_tensor *copy;
  NJ_TRY(nj_empty_like(src, &copy));
  return nj_finish(nj_copy_values(copy, src), copy, out);
}

nj_status nj_copy_(nj_ctx *ctx, nj_tensor *dst, nj_tensor *src) {
  nj_tensor *from = NULL;
  NJ_TRY(nj_check_writable(ctx, "copy_", dst, src));
  NJ_TRY(nj_apart(dst, src, &from));
  nj_status st = nj_copy_values(dst, from);
  nj_release(from);
  if (!st)
    nj_mark_written(dst);
  return st;
}

nj_status nj_fill_(nj_ctx *ctx, nj_tensor *x, double value) {
  nj_tensor *number = NULL;
  NJ_TRY(nj_check_writable(ctx, "fill_", x, NULL));
  NJ_TRY(nj_scalar(ctx, x->dtype, value, &number));
  nj_status st = nj_copy_values(x, number);
  nj_release(number);
  if (!st)
    nj_mark_written(x);
  return st;
}

nj_status nj_zero_(nj_ctx *ctx, nj_tensor *x) {
  NJ_TRY(nj_check_writable(ctx, "zero_", x, NULL));
  return nj_fill_(ctx, x, 0);
}

/* ---- x = f(x, y) ---- */

static nj_status update(nj_ctx *ctx, const char *op, nj_map_binary f, nj_tensor *x, nj_tensor *y,
                        double p) {
  nj_tensor *other = NULL;
  NJ_TRY(nj_check_writable(ctx, op, x, y));
  if (!nj_dtype_is_float(x->dtype) && (nj_dtype_is_float(y->dtype) || !nj_map_int.binary[f]))
    return nj_fail(ctx, NJ_EDTYPE,
                   "%s: the result does not fit a tensor of dtype %s; convert it to "
                   "float32 first",
                   op, nj_dtype_name(x->dtype));
  NJ_TRY(nj_apart(x, y, &other));
  nj_status st = nj_map_into(ctx, op, f, x, other, p, x);
  nj_release(other);
  if (!st)
    nj_mark_written(x);
  return st;
}

static nj_status add_scaled(nj_ctx *ctx, const char *op, nj_tensor *x, nj_tensor *y, double alpha) {
  if (!nj_dtype_is_float(x->dtype) && alpha != rint(alpha))
    return nj_fail(ctx, NJ_EARG, "%s: alpha must be whole for integers, got %g", op, alpha);
  return update(ctx, op, NJ_MAP_AXPY, x, y, alpha);
}

nj_status nj_add_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, double alpha) {
  return add_scaled(ctx, "add_", x, y, alpha);
}

nj_status nj_sub_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, double alpha) {
  return add_scaled(ctx, "sub_", x, y, -alpha);
}

nj_status nj_mul_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y) {
  return update(ctx, "mul_", NJ_MAP_MUL, x, y, 0);
}

nj_status nj_div_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y) {
  return update(ctx, "div_", NJ_MAP_DIV, x, y, 0);
}

nj_status nj_pow_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y) {
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "pow_: needs float32 or float64, got %s",
                   nj_dtype_name(x->dtype));
  return update(ctx, "pow_", NJ_MAP_POW, x, y, 0);
}

nj_status nj_maximum_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y) {
  return update(ctx, "maximum_", NJ_MAP_MAXIMUM, x, y, 0);
}

nj_status nj_minimum_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y) {
  return update(ctx, "minimum_", NJ_MAP_MINIMUM, x, y, 0);
}

nj_status nj_lerp_(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, double weight) {
  return update(ctx, "lerp_", NJ_MAP_LERP, x, y, weight);
}

/* ---- x = f(x) ---- */

static nj_status update_unary(nj_ctx *ctx, const char *op, nj_map_unary f, nj_tensor *x, double p,
                              double q) {
  NJ_TRY(nj_check_writable(ctx, op, x, NULL));
  if (!nj_dtype_is_float(x->dtype) && !nj_map_int.unary[f])
    return nj_fail(ctx, NJ_EDTYPE, "%s: needs float32 or float64, got %s", op,
                   nj_dtype_name(x->dtype));
  NJ_TRY(nj_map_unary_into(ctx, op, f, x, p, q, x));
  nj_mark_written(x);
  return NJ_OK;
}

#define NJ_X(name, NAME)                                         \
  nj_status nj_##name##_(nj_ctx *ctx, nj_tensor *x) {            \
    return update_unary(ctx, #name "_", NJ_MAP_##NAME, x, 0, 0); \
  }
NJ_ELEMENTWISE_UNARY(NJ_X)
#undef NJ_X

nj_status nj_affine_(nj_ctx *ctx, nj_tensor *x, double scale, double shift) {
  return update_unary(ctx, "affine_", NJ_MAP_AFFINE, x, scale, shift);
}

nj_status nj_clamp_(nj_ctx *ctx, nj_tensor *x, double low, double high) {
  if (isnan(low) || isnan(high))
    return nj_fail(ctx, NJ_EARG, "clamp_: a bound is NaN");
  return update_unary(ctx, "clamp_", NJ_MAP_CLAMP, x, low, high);
}

nj_status nj_masked_fill_(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, double value) {
  nj_tensor *plain = NULL, *filled = NULL;
  NJ_TRY(nj_check_writable(ctx, "masked_fill_", x, NULL));
  NJ_TRY(nj_detach(x, &plain));
  nj_status st = nj_masked_fill(ctx, plain, mask, value, &filled);
  if (!st)
    st = nj_copy_values(x, filled);
  if (!st)
    nj_mark_written(x);
  nj_release(plain);
  nj_release(filled);
  return st;
}
