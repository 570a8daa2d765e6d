/* Sums, means, variances, norms. The work is in reduce_values.c and rows.c. */
#include "ops/reduce.h"

#include <float.h>
#include <math.h>

#include "base/parallel.h"
#include "kernels/kernels.h"
#include "ops/broadcast.h"
#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/map_values.h"
#include "ops/reduce_values.h"
#include "ops/rows.h"
#include "ops/scan.h"
#include "tensor/autograd.h"

/* ints[KEPT_MASK] is the mask beside the shape that nj_keep_shape stores at 0. */
enum { KEPT_MASK = NJ_KEPT_INTS };

static nj_status expand_to_input(const nj_node *node, const nj_tensor *t, nj_tensor **out) {
  return nj_expand_reduced(t, (int)node->ints[1], &node->ints[2], (unsigned)node->ints[KEPT_MASK],
                           out);
}

static nj_status record(nj_ctx *ctx, const char *op, nj_backward_fn backward, nj_tensor *x,
                        unsigned mask, nj_tensor *y, nj_node **node) {
  NJ_TRY(nj_record(ctx, y, op, backward, 1, &x, node));
  if (*node)
    nj_rows_keep(*node, 0, x, mask);
  return NJ_OK;
}

/* How many elements go into one result. */
static double reduced_count(const nj_tensor *x, unsigned mask) {
  double n = 1;
  for (int i = 0; i < x->ndim; i++)
    if (mask >> i & 1)
      n *= (double)x->shape[i];
  return n;
}

/* x itself, or as float32 when it holds integers. */
static nj_status as_float(nj_tensor *x, nj_tensor **out) {
  if (!nj_dtype_is_float(x->dtype))
    return nj_as(x, NJ_F32, out);
  *out = nj_retain(x);
  return NJ_OK;
}

/* ---- sum and mean: x (…) → y; both spread y's gradient over what was summed ---- */

static nj_status sum_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  (void)ctx;
  return expand_to_input(node, grad, &grads[0]);
}

nj_status nj_sum(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out) {
  unsigned mask;
  nj_tensor *y = NULL;
  NJ_TRY(nj_dims_mask(ctx, "sum", x, n_dims, dims, &mask));
  NJ_TRY(nj_reduce_mask(ctx, NJ_REDUCE_SUM, x, mask, keepdim, &y));
  nj_node *node = NULL;
  return nj_finish(record(ctx, "sum", sum_backward, x, mask, y, &node), y, out);
}

static nj_status mean_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *scaled = NULL;
  NJ_TRY(nj_affine(ctx, grad, node->reals[0], 0, &scaled));
  nj_status st = expand_to_input(node, scaled, &grads[0]);
  nj_release(scaled);
  return st;
}

nj_status nj_mean(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                  nj_tensor **out) {
  unsigned mask;
  nj_tensor *sum = NULL, *y = NULL;
  NJ_TRY(nj_dims_mask(ctx, "mean", x, n_dims, dims, &mask));
  NJ_TRY(nj_reduce_mask(ctx, NJ_REDUCE_SUM, x, mask, keepdim, &sum));
  nj_status st = as_float(sum, &y); /* integers were summed exactly */
  nj_release(sum);
  if (st)
    return st;
  double factor = 1 / reduced_count(x, mask);
  st = nj_map_unary_into(ctx, "mean", NJ_MAP_AFFINE, y, factor, 0, y);
  nj_node *node = NULL;
  if (!st)
    st = record(ctx, "mean", mean_backward, x, mask, y, &node);
  if (!st && node)
    node->reals[0] = factor;
  return nj_finish(st, y, out);
}

/* ---- product ---- */

static nj_status prod_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_rows x = {0}, gx = {0};
  nj_tensor *g = NULL;
  NJ_TRY(nj_as_contiguous(grad, &g));
  nj_status st =
      nj_rows_make(ctx, node->saved[0], (unsigned)node->ints[KEPT_MASK], node->dtype, &x);
  if (!st)
    st = nj_rows_kept(ctx, node, 0, &gx);
  if (!st)
    st = nj_prod_grad_rows(ctx, x.matrix, x.n_rows, x.n, g, gx.matrix);
  if (!st)
    st = nj_rows_restore(&gx, &grads[0]);
  nj_release(g);
  nj_rows_free(&x);
  nj_rows_free(&gx);
  return st;
}

nj_status nj_prod(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                  nj_tensor **out) {
  unsigned mask;
  nj_tensor *y = NULL;
  NJ_TRY(nj_dims_mask(ctx, "prod", x, n_dims, dims, &mask));
  NJ_TRY(nj_reduce_mask(ctx, NJ_REDUCE_PROD, x, mask, keepdim, &y));
  nj_node *node = NULL;
  nj_status st = record(ctx, "prod", prod_backward, x, mask, y, &node);
  if (!st && node)
    st = nj_save(node, 0, x);
  return nj_finish(st, y, out);
}

/* ---- variance: sum((x - mean)^2) / (n - correction) ---- */

static nj_status deviations(nj_ctx *ctx, nj_tensor *x, unsigned mask, nj_tensor **out) {
  nj_tensor *mean = NULL;
  NJ_TRY(nj_reduce_mask(ctx, NJ_REDUCE_SUM, x, mask, 1, &mean));
  nj_status st =
      nj_map_unary_into(ctx, "var", NJ_MAP_AFFINE, mean, 1 / reduced_count(x, mask), 0, mean);
  if (!st)
    st = nj_map_values(ctx, "var", NJ_MAP_SUB, x, mean, 0, out);
  nj_release(mean);
  return st;
}

/* gx = g * 2 (x - mean) / (n - correction) */
static nj_status var_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *d = NULL, *scaled = NULL, *spread = NULL;
  nj_status st = deviations(ctx, node->saved[0], (unsigned)node->ints[KEPT_MASK], &d);
  if (!st)
    st = nj_affine(ctx, grad, 2 * node->reals[0], 0, &scaled);
  if (!st)
    st = expand_to_input(node, scaled, &spread);
  if (!st)
    st = nj_map_into(ctx, "var", NJ_MAP_MUL, d, spread, 0, d);
  nj_release(scaled);
  nj_release(spread);
  return nj_finish(st, d, &grads[0]);
}

nj_status nj_var(nj_ctx *ctx, nj_tensor *x_, int n_dims, const int *dims, double correction,
                 int keepdim, nj_tensor **out) {
  unsigned mask;
  nj_tensor *x = NULL, *y = NULL;
  NJ_TRY(nj_dims_mask(ctx, "var", x_, n_dims, dims, &mask));
  double rest = reduced_count(x_, mask) - correction, factor = rest > 0 ? 1 / rest : (double)NAN;
  nj_status st = as_float(x_, &x);
  if (!st)
    st = nj_reduce_deviations(ctx, x, mask, keepdim, &y);
  if (!st)
    st = nj_map_unary_into(ctx, "var", NJ_MAP_AFFINE, y, factor, 0, y);
  nj_node *node = NULL;
  if (!st)
    st = record(ctx, "var", var_backward, x, mask, y, &node);
  if (!st && node) {
    node->reals[0] = factor;
    st = nj_save(node, 0, x);
  }
  nj_release(x);
  return nj_finish(st, y, out);
}

nj_status nj_std(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, double correction,
                 int keepdim, nj_tensor **out) {
  nj_tensor *var = NULL;
  NJ_TRY(nj_var(ctx, x, n_dims, dims, correction, keepdim, &var));
  nj_status st = nj_sqrt(ctx, var, out);
  nj_release(var);
  return st;
}

/* ---- norms ---- */

/* gx = g * x / y for p = 2 (0 where y is 0), g * sign(x) for p = 1. */
static nj_status norm_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *x = node->saved[0], *y = node->saved[1], *gs = NULL, *spread = NULL, *gx = NULL;
  nj_status st = NJ_OK;
  if (node->reals[0] == 2) {
    /* g / y would be infinite at y = 0: there g is replaced by 0 and y by 1. */
    nj_tensor *zero = NULL, *one = NULL, *safe = NULL, *masked = NULL, *at_zero = NULL;
    st = nj_scalar(ctx, y->dtype, 0, &zero);
    if (!st)
      st = nj_scalar(ctx, y->dtype, 1, &one);
    if (!st)
      st = nj_eq(ctx, y, zero, &at_zero);
    if (!st)
      st = nj_where(ctx, at_zero, one, y, &safe);
    if (!st)
      st = nj_where(ctx, at_zero, zero, grad, &masked);
    if (!st)
      st = nj_map_values(ctx, "norm", NJ_MAP_DIV, masked, safe, 0, &gs);
    nj_release(zero);
    nj_release(one);
    nj_release(safe);
    nj_release(masked);
    nj_release(at_zero);
    if (!st)
      st = expand_to_input(node, gs, &spread);
    if (!st)
      st = nj_map_values(ctx, "norm", NJ_MAP_MUL, x, spread, 0, &gx);
  } else {
    st = expand_to_input(node, grad, &spread);
    if (!st)
      st = nj_sign(ctx, x, &gs);
    if (!st)
      st = nj_map_values(ctx, "norm", NJ_MAP_MUL, gs, spread, 0, &gx);
  }
  nj_release(gs);
  nj_release(spread);
  return nj_finish(st, gx, &grads[0]);
}

/* p = 1 or 2, straight through the kernels. */
static nj_status simple_norm(nj_ctx *ctx, nj_tensor *x, double p, unsigned mask, int keepdim,
                             nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_reduce_mask(ctx, p == 2 ? NJ_REDUCE_SUMSQ : NJ_REDUCE_SUMABS, x, mask, keepdim, &y));
  nj_status st = p == 2 ? nj_map_unary_into(ctx, "norm", NJ_MAP_SQRT, y, 0, 0, y) : NJ_OK;
  nj_node *node = NULL;
  if (!st)
    st = record(ctx, "norm", norm_backward, x, mask, y, &node);
  if (!st && node) {
    node->reals[0] = p;
    st = nj_save(node, 0, x);
    if (!st)
      st = nj_save(node, 1, y);
  }
  return nj_finish(st, y, out);
}

/* Other p, composed of recorded operations. */
static nj_status general_norm(nj_ctx *ctx, nj_tensor *x, double p, int n_dims, const int *dims,
                              int keepdim, nj_tensor **out) {
  nj_tensor *a = NULL, *b = NULL, *c = NULL, *exponent = NULL, *root = NULL;
  nj_status st = nj_abs(ctx, x, &a);
  if (!st && isinf(p)) {
    st = nj_max(ctx, a, n_dims, dims, keepdim, out);
    nj_release(a);
    return st;
  }
  if (!st)
    st = nj_scalar(ctx, x->dtype, p, &exponent);
  if (!st && p == 0) { /* how many are not 0: no gradient */
    nj_tensor *mask = NULL;
    st = nj_ne(ctx, a, exponent, &mask);
    if (!st)
      st = nj_as(mask, x->dtype, &b);
    nj_release(mask);
    if (!st)
      st = nj_sum(ctx, b, n_dims, dims, keepdim, out);
  } else if (!st) {
    st = nj_pow(ctx, a, exponent, &b);
    if (!st)
      st = nj_sum(ctx, b, n_dims, dims, keepdim, &c);
    if (!st)
      st = nj_scalar(ctx, x->dtype, 1 / p, &root);
    if (!st)
      st = nj_pow(ctx, c, root, out);
  }
  nj_release(a);
  nj_release(b);
  nj_release(c);
  nj_release(exponent);
  nj_release(root);
  return st;
}

nj_status nj_norm(nj_ctx *ctx, nj_tensor *x_, double p, int n_dims, const int *dims, int keepdim,
                  nj_tensor **out) {
  unsigned mask;
  nj_tensor *x = NULL;
  if (!(p >= 0))
    return nj_fail(ctx, NJ_EARG, "norm: p must be 0 or positive, got %g", p);
  NJ_TRY(nj_dims_mask(ctx, "norm", x_, n_dims, dims, &mask));
  NJ_TRY(as_float(x_, &x));
  nj_status st = p == 1 || p == 2 ? simple_norm(ctx, x, p, mask, keepdim, out)
                                  : general_norm(ctx, x, p, n_dims, dims, keepdim, out);
  nj_release(x);
  return st;
}

/* ---- logsumexp ---- */

typedef struct {
  const nj_row_kernels *f32;
  const nj_rows *rows;
  void *out;
} row_call;

static nj_status logsumexp_rows(void *arg, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const row_call *c = arg;
  int64_t n = c->rows->n;
  for (int64_t i = begin; i < end; i++) {
    if (c->f32)
      ((float *)c->out)[i] = c->f32->logsumexp((const float *)nj_data(c->rows->matrix) + i * n, n);
    else
      ((double *)c->out)[i] =
          nj_row_double.logsumexp((const double *)nj_data(c->rows->matrix) + i * n, n);
  }
  return NJ_OK;
}

/* gx = g * exp(x - y), and 0 where everything was -inf. */
static nj_status logsumexp_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                    nj_tensor **grads) {
  nj_tensor *x = node->saved[0], *y = NULL, *spread = NULL, *gx = NULL, *finite = NULL;
  double lowest = node->dtype == NJ_F32 ? -(double)FLT_MAX : -DBL_MAX; /* -inf - -inf is NaN */
  nj_status st = nj_clamp(ctx, node->saved[1], lowest, INFINITY, &finite);
  if (!st)
    st = expand_to_input(node, finite, &y);
  if (!st)
    st = nj_map_values(ctx, "logsumexp", NJ_MAP_SUB, x, y, 0, &gx);
  if (!st)
    st = nj_map_unary_into(ctx, "logsumexp", NJ_MAP_EXP, gx, 0, 0, gx);
  if (!st)
    st = expand_to_input(node, grad, &spread);
  if (!st)
    st = nj_map_into(ctx, "logsumexp", NJ_MAP_MUL, gx, spread, 0, gx);
  nj_release(finite);
  nj_release(y);
  nj_release(spread);
  return nj_finish(st, gx, &grads[0]);
}

nj_status nj_logsumexp(nj_ctx *ctx, nj_tensor *x_, int n_dims, const int *dims, int keepdim,
                       nj_tensor **out) {
  unsigned mask;
  nj_tensor *x = NULL, *y = NULL;
  nj_rows rows = {0};
  NJ_TRY(nj_dims_mask(ctx, "logsumexp", x_, n_dims, dims, &mask));
  NJ_TRY(as_float(x_, &x));
  nj_status st = nj_rows_make(ctx, x, mask, x->dtype, &rows);
  if (!st)
    st = nj_rows_result(ctx, &rows, keepdim, x->dtype, &y);
  if (!st) {
    row_call c = {x->dtype == NJ_F32 ? nj_ctx_kernels(ctx)->row : NULL, &rows, nj_data(y)};
    st = nj_parallel_range(ctx, rows.n_rows, 1 + 8192 / (rows.n + 1), logsumexp_rows, &c);
  }
  nj_rows_free(&rows);
  nj_node *node = NULL;
  if (!st)
    st = record(ctx, "logsumexp", logsumexp_backward, x, mask, y, &node);
  if (!st && node) {
    st = nj_save(node, 0, x);
    if (!st)
      st = nj_save(node, 1, y);
  }
  nj_release(x);
  return nj_finish(st, y, out);
}

/* ---- all, any ---- */

static nj_status truth(nj_ctx *ctx, const char *op, nj_reduce_kind kind, nj_tensor *x, int n_dims,
                       const int *dims, int keepdim, nj_tensor **out) {
  unsigned mask;
  nj_tensor *zero = NULL, *flags = NULL, *wide = NULL;
  NJ_TRY(nj_dims_mask(ctx, op, x, n_dims, dims, &mask));
  nj_status st = nj_scalar(ctx, x->dtype, 0, &zero);
  if (!st)
    st = nj_ne(ctx, x, zero, &flags);
  if (!st)
    st = nj_reduce_mask(ctx, kind, flags, mask, keepdim, &wide);
  if (!st)
    st = nj_as(wide, NJ_U8, out);
  nj_release(zero);
  nj_release(flags);
  nj_release(wide);
  return st;
}

nj_status nj_all(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out) {
  return truth(ctx, "all", NJ_REDUCE_PROD, x, n_dims, dims, keepdim, out);
}

/* For uint8 the empty maximum saturates to 0. */
nj_status nj_any(nj_ctx *ctx, nj_tensor *x, int n_dims, const int *dims, int keepdim,
                 nj_tensor **out) {
  return truth(ctx, "any", NJ_REDUCE_MAX, x, n_dims, dims, keepdim, out);
}
