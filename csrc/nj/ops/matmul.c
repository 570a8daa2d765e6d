#include "ops/matmul.h"

#include <string.h>

#include "ops/product.h"
#include "tensor/autograd.h"

static nj_status check_dtypes(nj_ctx *ctx, const nj_tensor *a, const nj_tensor *b) {
  if (!nj_dtype_is_float(a->dtype) || a->dtype != b->dtype)
    return nj_fail(ctx, NJ_EDTYPE,
                   "matmul: expected two float32 or two float64 tensors, got %s "
                   "and %s",
                   nj_dtype_name(a->dtype), nj_dtype_name(b->dtype));
  return NJ_OK;
}

/* The sizes of a product: both operands as (batch…, rows, cols). */
typedef struct {
  int n_batch;
  int64_t batch[NJ_MAX_DIMS];
  int a_vector, b_vector;
} sizes;

/* x (…, p, q) as a view (batch…, p, q), transposed when asked; vectors become a row (a) or a
 * column. */
static nj_status as_batch(const nj_tensor *x, const sizes *s, int is_a, int transposed,
                          nj_tensor **out) {
  int n = s->n_batch, vector = x->ndim == 1;
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  for (int d = 0; d < n; d++) {
    int from = x->ndim - 2 - n + d;
    shape[d] = s->batch[d];
    stride[d] = vector || from < 0 || x->shape[from] == 1 ? 0 : x->stride[from];
  }
  int row = transposed ? n + 1 : n, col = transposed ? n : n + 1;
  if (vector) {
    shape[row] = is_a ? 1 : x->shape[0];
    shape[col] = is_a ? x->shape[0] : 1;
    stride[row] = is_a ? (x->stride[0] > 0 ? x->stride[0] * x->shape[0] : 0) : x->stride[0];
    stride[col] = is_a ? x->stride[0] : 1;
  } else {
    shape[row] = x->shape[x->ndim - 2];
    shape[col] = x->shape[x->ndim - 1];
    stride[row] = x->stride[x->ndim - 2];
    stride[col] = x->stride[x->ndim - 1];
  }
  return nj_alias(x, n + 2, shape, stride, x->offset, out);
}

static nj_status find_sizes(nj_ctx *ctx, const nj_tensor *a, const nj_tensor *b, sizes *s) {
  if (a->ndim == 0 || b->ndim == 0)
    return nj_fail(ctx, NJ_ESHAPE, "matmul: expected tensors of at least 1 dimension, got %s x %s",
                   NJ_SHAPE_OF(a), NJ_SHAPE_OF(b));
  s->a_vector = a->ndim == 1;
  s->b_vector = b->ndim == 1;
  if (a->shape[a->ndim - 1] != b->shape[s->b_vector ? 0 : b->ndim - 2])
    return nj_fail(ctx, NJ_ESHAPE, "matmul: inner sizes differ: %s x %s", NJ_SHAPE_OF(a),
                   NJ_SHAPE_OF(b));
  int na = a->ndim > 2 ? a->ndim - 2 : 0, nb = b->ndim > 2 ? b->ndim - 2 : 0;
  s->n_batch = na > nb ? na : nb;
  if (s->n_batch > NJ_MAX_DIMS - 2)
    return nj_fail(ctx, NJ_ESHAPE, "matmul: too many dimensions: %s x %s", NJ_SHAPE_OF(a),
                   NJ_SHAPE_OF(b));
  for (int i = 1; i <= s->n_batch; i++) {
    int64_t p = i <= na ? a->shape[na - i] : 1, q = i <= nb ? b->shape[nb - i] : 1;
    if (p != q && p != 1 && q != 1)
      return nj_fail(ctx, NJ_ESHAPE, "matmul: batch sizes do not broadcast: %s x %s",
                     NJ_SHAPE_OF(a), NJ_SHAPE_OF(b));
    s->batch[s->n_batch - i] = p == 1 ? q : p;
  }
  return NJ_OK;
}

/* The fresh contiguous x with another shape of as many elements. */
static nj_status reshaped(nj_status st, nj_tensor *x, int ndim, const int64_t *shape,
                          nj_tensor **out) {
  if (st != NJ_OK)
    return st;
  int64_t stride[NJ_MAX_DIMS], step = 1;
  for (int i = ndim - 1; i >= 0; i--) {
    stride[i] = step;
    step *= shape[i] > 1 ? shape[i] : 1;
  }
  st = nj_alias(x, ndim, shape, stride, x->offset, out);
  nj_release(x);
  return st;
}

static nj_status forward(nj_ctx *ctx, const nj_tensor *a, const nj_tensor *b, const sizes *s,
                         nj_tensor **out) {
  nj_tensor *av = NULL, *bv = NULL, *y = NULL;
  nj_status st = as_batch(a, s, 1, 0, &av);
  if (!st)
    st = as_batch(b, s, 0, 0, &bv);
  if (!st)
    st = nj_product(ctx, av, bv, NULL, NJ_PRODUCT_ROWS, &y);
  nj_release(av);
  nj_release(bv);
  if (st)
    return st;
  int64_t shape[NJ_MAX_DIMS];
  int n = s->n_batch;
  memcpy(shape, s->batch, (size_t)n * sizeof *shape);
  if (!s->a_vector)
    shape[n++] = y->shape[s->n_batch];
  if (!s->b_vector)
    shape[n++] = y->shape[s->n_batch + 1];
  return reshaped(NJ_OK, y, n, shape, out);
}

/* The sizes that a gradient for x keeps of the batch: 1 where x was broadcast. */
static void kept_sizes(const nj_tensor *x, const sizes *s, int64_t *kept) {
  int n = x->ndim > 2 ? x->ndim - 2 : 0;
  for (int d = 0; d < s->n_batch; d++) {
    int from = n - s->n_batch + d;
    kept[d] = from < 0 ? 1 : x->shape[from];
  }
}

/* grad seen as (batch…, m, n) though vectors lost their dimension. */
static nj_status grad_as_batch(const nj_tensor *grad, const sizes *s, int transposed,
                               nj_tensor **out) {
  int n = s->n_batch, at = n;
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  memcpy(shape, grad->shape, (size_t)n * sizeof *shape);
  memcpy(stride, grad->stride, (size_t)n * sizeof *stride);
  int row = transposed ? n + 1 : n, col = transposed ? n : n + 1;
  shape[row] = shape[col] = 1;
  stride[row] = stride[col] = 1;
  if (!s->a_vector) {
    shape[row] = grad->shape[at];
    stride[row] = grad->stride[at++];
  }
  if (!s->b_vector) {
    shape[col] = grad->shape[at];
    stride[col] = grad->stride[at];
  }
  return nj_alias(grad, n + 2, shape, stride, grad->offset, out);
}

static nj_status grad_a(nj_ctx *ctx, const nj_tensor *a, const nj_tensor *b, const nj_tensor *grad,
                        const sizes *s, nj_tensor **out) {
  nj_tensor *g = NULL, *bt = NULL, *y = NULL;
  int64_t kept[NJ_MAX_DIMS];
  kept_sizes(a, s, kept);
  nj_status st = grad_as_batch(grad, s, 0, &g);
  if (!st)
    st = as_batch(b, s, 0, 1, &bt);
  if (!st)
    st = nj_product(ctx, g, bt, kept, NJ_PRODUCT_FREE, &y);
  nj_release(g);
  nj_release(bt);
  return reshaped(st, y, a->ndim, a->shape, out);
}

/* x (batch…, p, q), whole batch as one (batch * p, q) matrix; contiguous. */
static nj_status stacked(nj_tensor *x, nj_tensor **out) {
  nj_tensor *c = NULL;
  NJ_TRY(nj_as_contiguous(x, &c));
  int64_t q = x->shape[x->ndim - 1], p = x->shape[x->ndim - 2];
  for (int d = 0; d < x->ndim - 2; d++)
    p *= x->shape[d];
  return reshaped(NJ_OK, c, 2, (int64_t[]){p, q}, out);
}

static nj_status swap_last(nj_tensor *x, nj_tensor **out) {
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  int n = x->ndim;
  memcpy(shape, x->shape, sizeof shape);
  memcpy(stride, x->stride, sizeof stride);
  shape[n - 2] = x->shape[n - 1];
  shape[n - 1] = x->shape[n - 2];
  stride[n - 2] = x->stride[n - 1];
  stride[n - 1] = x->stride[n - 2];
  nj_status st = nj_alias(x, n, shape, stride, x->offset, out);
  nj_release(x);
  return st;
}

/* With one b for the whole batch, its gradient is one product over all rows. */
static nj_status grad_b(nj_ctx *ctx, const nj_tensor *a, const nj_tensor *b, const nj_tensor *grad,
                        const sizes *s, nj_tensor **out) {
  nj_tensor *av = NULL, *g = NULL, *at = NULL, *y = NULL, *part = NULL;
  int64_t kept[NJ_MAX_DIMS], single = 1;
  kept_sizes(b, s, kept);
  for (int d = 0; d < s->n_batch; d++)
    single = single && kept[d] == 1;
  nj_status st = as_batch(a, s, 1, 0, &av);
  if (!st)
    st = grad_as_batch(grad, s, 0, &g);
  if (!st && single) {
    st = stacked(av, &part);
    nj_release(av);
    av = part;
    part = NULL;
    if (!st)
      st = stacked(g, &part);
    nj_release(g);
    g = part;
  }
  if (!st) {
    st = swap_last(av, &at);
    av = NULL;
  }
  if (!st)
    st = nj_product(ctx, at, g, single ? NULL : kept, NJ_PRODUCT_FREE, &y);
  nj_release(av);
  nj_release(g);
  nj_release(at);
  return reshaped(st, y, b->ndim, b->shape, out);
}

static nj_status matmul_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  const nj_tensor *a = node->saved[0], *b = node->saved[1];
  sizes s;
  NJ_TRY(find_sizes(ctx, a, b, &s));
  if (nj_needs(node, 0))
    NJ_TRY(grad_a(ctx, a, b, grad, &s, &grads[0]));
  if (nj_needs(node, 1))
    NJ_TRY(grad_b(ctx, a, b, grad, &s, &grads[1]));
  return NJ_OK;
}

nj_status nj_matmul(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, nj_tensor **out) {
  sizes s;
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(check_dtypes(ctx, a, b));
  NJ_TRY(find_sizes(ctx, a, b, &s));
  NJ_TRY(forward(ctx, a, b, &s, &y));
  nj_status st = nj_record(ctx, y, "matmul", matmul_backward, 2, (nj_tensor *[]){a, b}, &node);
  if (node) {
    st = nj_save(node, 0, a);
    if (!st)
      st = nj_save(node, 1, b);
  }
  return nj_finish(st, y, out);
}
