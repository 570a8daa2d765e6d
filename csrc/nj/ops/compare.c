#include "ops/compare.h"

#include <math.h>

#include "kernels/kernels.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/map_values.h"
#include "ops/reduce_values.h"
#include "tensor/autograd.h"
#include "tensor/iter.h"

typedef struct {
  const nj_map_kernels *f32;
  int f;
} call;

static void compare_f32(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  c->f32->compare[c->f](data[1], stride[1], data[2], stride[2], data[0], n);
}

static void compare_f64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  nj_map_double.compare[c->f](data[1], stride[1], data[2], stride[2], data[0], n);
}

static void compare_i64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  nj_map_int.compare[c->f](data[1], stride[1], data[2], stride[2], data[0], n);
}

static nj_status compare(nj_ctx *ctx, const char *op, nj_map_compare f, nj_tensor *a, nj_tensor *b,
                         nj_tensor **out) {
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  NJ_TRY(nj_broadcast_shape(ctx, op, a, b, &ndim, shape));
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty_result(ctx, NJ_U8, ndim, shape, 2, (nj_tensor *[]){a, b}, &y));
  nj_dtype compute = nj_compute_dtype(nj_dtype_promote(a->dtype, b->dtype));
  call c = {nj_ctx_kernels(ctx)->map, (int)f};
  nj_iter it;
  nj_status st = nj_iter_init(&it, ctx, op, 3, (const nj_tensor *[]){y, a, b});
  if (!st)
    st = nj_iter_run(&it, (nj_dtype[]){NJ_U8, compute, compute},
                     compute == NJ_F32   ? compare_f32
                     : compute == NJ_F64 ? compare_f64
                                         : compare_i64,
                     &c);
  return nj_finish(st, y, out);
}

#define NJ_X(name, NAME)                                                          \
  nj_status nj_##name(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) { \
    return compare(ctx, #name, NJ_MAP_##NAME, a, b, out);                         \
  }
NJ_COMPARE_OPS(NJ_X)
#undef NJ_X

static nj_status compare_number(nj_ctx *ctx, const char *op, nj_map_compare f, nj_tensor *x,
                                double value, nj_tensor **out) {
  nj_tensor *number = NULL;
  NJ_TRY(nj_scalar(ctx, x->dtype, value, &number));
  nj_status st = compare(ctx, op, f, x, number, out);
  nj_release(number);
  return st;
}

/* ---- logic ---- */

enum { AND, OR, XOR };

static void combine_masks(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const uint8_t *a = data[1], *b = data[2];
  uint8_t *y = data[0];
  int64_t sa = stride[1], sb = stride[2];
  switch (*(const int *)arg) {
  case AND:
    for (int64_t i = 0; i < n; i++)
      y[i] = a[i * sa] & b[i * sb];
    break;
  case OR:
    for (int64_t i = 0; i < n; i++)
      y[i] = a[i * sa] | b[i * sb];
    break;
  default:
    for (int64_t i = 0; i < n; i++)
      y[i] = a[i * sa] ^ b[i * sb];
  }
}

static nj_status logic(nj_ctx *ctx, const char *op, int f, nj_tensor *a, nj_tensor *b,
                       nj_tensor **out) {
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  NJ_TRY(nj_broadcast_shape(ctx, op, a, b, &ndim, shape));
  nj_tensor *p = NULL, *q = NULL, *y = NULL;
  nj_status st = compare_number(ctx, op, NJ_MAP_NE, a, 0, &p);
  if (!st)
    st = compare_number(ctx, op, NJ_MAP_NE, b, 0, &q);
  if (!st)
    st = nj_empty_result(ctx, NJ_U8, ndim, shape, 2, (nj_tensor *[]){p, q}, &y);
  nj_iter it;
  if (!st)
    st = nj_iter_init(&it, ctx, op, 3, (const nj_tensor *[]){y, p, q});
  if (!st)
    st = nj_iter_run(&it, (nj_dtype[]){NJ_U8, NJ_U8, NJ_U8}, combine_masks, &f);
  nj_release(p);
  nj_release(q);
  return nj_finish(st, y, out);
}

nj_status nj_logical_and(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  return logic(ctx, "logical_and", AND, a, b, out);
}

nj_status nj_logical_or(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  return logic(ctx, "logical_or", OR, a, b, out);
}

nj_status nj_logical_xor(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  return logic(ctx, "logical_xor", XOR, a, b, out);
}

nj_status nj_logical_not(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  return compare_number(ctx, "logical_not", NJ_MAP_EQ, x, 0, out);
}

nj_status nj_isnan(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  return compare(ctx, "isnan", NJ_MAP_NE, x, x, out);
}

/* |x| compared with infinity, in floating point. */
static nj_status compare_with_infinity(nj_ctx *ctx, const char *op, nj_map_compare f, nj_tensor *x,
                                       nj_tensor **out) {
  nj_tensor *size = NULL;
  NJ_TRY(nj_empty_result(ctx, nj_dtype_is_float(x->dtype) ? x->dtype : NJ_F64, x->ndim, x->shape, 1,
                         &x, &size));
  nj_status st = nj_map_unary_into(ctx, op, NJ_MAP_ABS, x, 0, 0, size);
  if (!st)
    st = compare_number(ctx, op, f, size, INFINITY, out);
  nj_release(size);
  return st;
}

nj_status nj_isinf(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  return compare_with_infinity(ctx, "isinf", NJ_MAP_EQ, x, out);
}

nj_status nj_isfinite(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  return compare_with_infinity(ctx, "isfinite", NJ_MAP_LT, x, out);
}

/* ---- choice ---- */

static void select_f32(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const call *c = arg;
  c->f32->select(data[1], stride[1], data[2], stride[2], data[3], stride[3], data[0], n);
}

static void select_f64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  (void)arg;
  nj_map_double.select(data[1], stride[1], data[2], stride[2], data[3], stride[3], data[0], n);
}

static void select_i64(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  (void)arg;
  nj_map_int.select(data[1], stride[1], data[2], stride[2], data[3], stride[3], data[0], n);
}

/* mask is uint8. */
static nj_status select_values(nj_ctx *ctx, const char *op, nj_tensor *mask, nj_tensor *a,
                               nj_tensor *b, nj_tensor **out) {
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  NJ_TRY(nj_broadcast_shape(ctx, op, a, b, &ndim, shape));
  nj_tensor like = {.ndim = ndim}; /* only its shape is looked at */
  for (int i = 0; i < ndim; i++)
    like.shape[i] = shape[i];
  NJ_TRY(nj_broadcast_shape(ctx, op, mask, &like, &ndim, shape));
  nj_dtype dtype = nj_dtype_promote(a->dtype, b->dtype), compute = nj_compute_dtype(dtype);
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty_result(ctx, dtype, ndim, shape, 2, (nj_tensor *[]){a, b}, &y));
  call c = {nj_ctx_kernels(ctx)->map, 0};
  nj_iter it;
  nj_status st = nj_iter_init(&it, ctx, op, 4, (const nj_tensor *[]){y, mask, a, b});
  if (!st)
    st = nj_iter_run(&it, (nj_dtype[]){compute, NJ_U8, compute, compute},
                     compute == NJ_F32   ? select_f32
                     : compute == NJ_F64 ? select_f64
                                         : select_i64,
                     &c);
  return nj_finish(st, y, out);
}

enum { SHAPE_A = 0, SHAPE_B = NJ_KEPT_INTS };

/* Each gets the gradient where it was chosen, 0 elsewhere. */
static nj_status where_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *mask = node->saved[0], *zero = NULL;
  NJ_TRY(nj_scalar(ctx, node->dtype, 0, &zero));
  nj_status st = NJ_OK;
  for (int i = 0; i < 2 && !st; i++) {
    if (!nj_needs(node, i))
      continue;
    nj_tensor *part = NULL;
    st = select_values(ctx, node->op, mask, i == 0 ? grad : zero, i == 0 ? zero : grad, &part);
    if (!st)
      st = nj_sum_to_kept(ctx, node, i == 0 ? SHAPE_A : SHAPE_B, part, &grads[i]);
    nj_release(part);
  }
  nj_release(zero);
  return st;
}

static nj_status choose(nj_ctx *ctx, const char *op, nj_tensor *cond, nj_tensor *a, nj_tensor *b,
                        nj_tensor **out) {
  nj_tensor *mask = NULL, *y = NULL;
  nj_node *node = NULL;
  if (cond->dtype == NJ_U8)
    mask = nj_retain(cond);
  else
    NJ_TRY(compare_number(ctx, op, NJ_MAP_NE, cond, 0, &mask));
  nj_status st = select_values(ctx, op, mask, a, b, &y);
  if (!st)
    st = nj_record(ctx, y, op, where_backward, 2, (nj_tensor *[]){a, b}, &node);
  if (!st && node) {
    nj_keep_shape(node, SHAPE_A, a);
    nj_keep_shape(node, SHAPE_B, b);
    st = nj_save(node, 0, mask);
  }
  nj_release(mask);
  return nj_finish(st, y, out);
}

nj_status nj_where(nj_ctx *ctx, nj_tensor *cond, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  return choose(ctx, "where", cond, a, b, out);
}

nj_status nj_masked_fill(nj_ctx *ctx, nj_tensor *x, nj_tensor *mask, double value,
                         nj_tensor **out) {
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  NJ_TRY(nj_broadcast_shape(ctx, "masked_fill", x, mask, &ndim, shape));
  int fits = ndim == x->ndim;
  for (int i = 0; fits && i < ndim; i++)
    fits = shape[i] == x->shape[i];
  if (!fits)
    return nj_fail(ctx, NJ_ESHAPE, "masked_fill: a mask of shape %s does not broadcast to %s",
                   NJ_SHAPE_OF(mask), NJ_SHAPE_OF(x));
  nj_tensor *number = NULL;
  NJ_TRY(nj_scalar(ctx, x->dtype, value, &number));
  nj_status st = choose(ctx, "masked_fill", mask, number, x, out);
  nj_release(number);
  return st;
}

/* ---- whole tensors ---- */

static nj_status count(nj_ctx *ctx, nj_map_compare f, nj_tensor *x, double value, int64_t *out) {
  nj_tensor *mask = NULL, *total = NULL;
  NJ_TRY(compare_number(ctx, "count", f, x, value, &mask));
  nj_status st = nj_reduce_values(ctx, NJ_REDUCE_SUM, mask, 0, NULL, 0, &total);
  if (!st)
    *out = *NJ_I64_DATA(total);
  nj_release(mask);
  nj_release(total);
  return st;
}

nj_status nj_count_equal(nj_ctx *ctx, nj_tensor *x, double value, int64_t *out) {
  return count(ctx, NJ_MAP_EQ, x, value, out);
}

nj_status nj_count_less(nj_ctx *ctx, nj_tensor *x, double value, int64_t *out) {
  return count(ctx, NJ_MAP_LT, x, value, out);
}

/* *out = 1 when no flag is 0. */
static nj_status none_zero(nj_ctx *ctx, nj_tensor *flags, int *out) {
  int64_t zeros;
  NJ_TRY(nj_count_equal(ctx, flags, 0, &zeros));
  *out = zeros == 0;
  return NJ_OK;
}

nj_status nj_equal(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, int *out) {
  *out = 0;
  if (!nj_same_shape(a, b))
    return NJ_OK;
  nj_tensor *same = NULL;
  NJ_TRY(nj_eq(ctx, a, b, &same));
  nj_status st = none_zero(ctx, same, out);
  nj_release(same);
  return st;
}

typedef struct {
  double rtol, atol;
  int equal_nan;
} tolerance;

static void close_run(const void *arg, void *const *data, const int64_t *stride, int64_t n) {
  const tolerance *t = arg;
  uint8_t *y = data[0];
  for (int64_t i = 0; i < n; i++) {
    double a = ((const double *)data[1])[i * stride[1]];
    double b = ((const double *)data[2])[i * stride[2]];
    y[i] = a == b || (isfinite(b) && fabs(a - b) <= t->atol + t->rtol * fabs(b)) ||
           (t->equal_nan && isnan(a) && isnan(b));
  }
}

nj_status nj_allclose(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, double rtol, double atol,
                      int equal_nan, int *out) {
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  NJ_TRY(nj_broadcast_shape(ctx, "allclose", a, b, &ndim, shape));
  nj_tensor *flags = NULL;
  NJ_TRY(nj_empty(ctx, NJ_U8, ndim, shape, &flags));
  tolerance t = {rtol, atol, equal_nan};
  nj_iter it;
  nj_status st = nj_iter_init(&it, ctx, "allclose", 3, (const nj_tensor *[]){flags, a, b});
  if (!st)
    st = nj_iter_run(&it, (nj_dtype[]){NJ_U8, NJ_F64, NJ_F64}, close_run, &t);
  if (!st)
    st = none_zero(ctx, flags, out);
  nj_release(flags);
  return st;
}
