#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* A tensor header over storage it takes a reference from; NULL when out of memory. */
static nj_tensor *make_header(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape) {
  nj_tensor *x = nj_calloc(ctx, 1, sizeof *x);
  if (!x)
    return NULL;
  atomic_init(&x->refs, 1);
  x->ctx = nj_ctx_retain(ctx);
  x->dtype = dtype;
  x->ndim = ndim;
  int64_t stride = 1;
  for (int i = ndim - 1; i >= 0; i--) {
    x->shape[i] = shape[i];
    x->stride[i] = stride;
    stride *= shape[i] > 1 ? shape[i] : 1;
  }
  return x;
}

static nj_status check_shape(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape,
                             size_t *bytes) {
  if (ndim < 0 || ndim > NJ_MAX_DIMS)
    return nj_fail(ctx, NJ_EARG, "tensor: %d dimensions, at most %d are possible", ndim,
                   NJ_MAX_DIMS);
  int64_t total = (int64_t)nj_dtype_size(dtype), nonzero = total;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0)
      return nj_fail(ctx, NJ_EARG, "tensor: dimension %d has size %lld, sizes cannot be negative",
                     i + 1, (long long)shape[i]);
    /* Strides are products of the sizes but zeros: these must not overflow either. */
    if (__builtin_mul_overflow(nonzero, shape[i] ? shape[i] : 1, &nonzero))
      return nj_fail(ctx, NJ_EARG, "tensor: too many elements");
    total *= shape[i];
  }
  *bytes = (size_t)total;
  return NJ_OK;
}

static nj_status make(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, void *data,
                      size_t bytes, void (*release)(void *), void *owner, nj_tensor **out) {
  nj_tensor *x = make_header(ctx, dtype, ndim, shape);
  nj_storage *storage = x ? nj_calloc(ctx, 1, sizeof *storage) : NULL;
  if (storage && !release)
    data = nj_alloc(ctx, bytes);
  if (!storage || !data) {
    nj_free(ctx, storage);
    nj_release(x);
    return NJ_ENOMEM;
  }
  atomic_init(&storage->refs, 1);
  storage->ctx = nj_ctx_retain(ctx);
  storage->data = data;
  storage->bytes = bytes;
  storage->release = release;
  storage->owner = owner;
  x->storage = storage;
  *out = x;
  return NJ_OK;
}

nj_status nj_empty(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, nj_tensor **out) {
  size_t bytes;
  NJ_TRY(check_shape(ctx, dtype, ndim, shape, &bytes));
  return make(ctx, dtype, ndim, shape, NULL, bytes, NULL, NULL, out);
}

nj_status nj_zeros(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, nj_tensor **out) {
  nj_tensor *x;
  NJ_TRY(nj_empty(ctx, dtype, ndim, shape, &x));
  memset(x->storage->data, 0, x->storage->bytes);
  *out = x;
  return NJ_OK;
}

nj_status nj_full(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, double value,
                  nj_tensor **out) {
  nj_tensor *one = NULL, *x = NULL;
  nj_status st = nj_scalar(ctx, dtype, value, &one);
  if (!st)
    st = nj_empty(ctx, dtype, ndim, shape, &x);
  if (!st)
    st = nj_copy_values(x, one);
  nj_release(one);
  return nj_finish(st, x, out);
}

nj_status nj_scalar(nj_ctx *ctx, nj_dtype dtype, double value, nj_tensor **out) {
  nj_tensor *x;
  NJ_TRY(nj_empty(ctx, dtype, 0, NULL, &x));
  nj_set(x, NULL, value);
  *out = x;
  return NJ_OK;
}

nj_status nj_empty_like(const nj_tensor *x, nj_tensor **out) {
  return nj_empty(x->ctx, x->dtype, x->ndim, x->shape, out);
}

nj_status nj_zeros_like(const nj_tensor *x, nj_tensor **out) {
  return nj_zeros(x->ctx, x->dtype, x->ndim, x->shape, out);
}

nj_status nj_from_memory(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, void *data,
                         void (*release)(void *owner), void *owner, nj_tensor **out) {
  size_t bytes;
  nj_status st = check_shape(ctx, dtype, ndim, shape, &bytes);
  if (!st)
    st = make(ctx, dtype, ndim, shape, data, bytes, release, owner, out);
  if (st)
    release(owner);
  return st;
}

nj_tensor *nj_retain(nj_tensor *x) {
  atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
  return x;
}

nj_status nj_finish(nj_status st, nj_tensor *y, nj_tensor **out) {
  if (st == NJ_OK)
    *out = y;
  else
    nj_release(y);
  return st;
}

nj_status nj_alias(const nj_tensor *x, int ndim, const int64_t *shape, const int64_t *stride,
                   int64_t offset, nj_tensor **out) {
  nj_tensor *view = make_header(x->ctx, x->dtype, ndim, shape);
  if (!view)
    return NJ_ENOMEM;
  memcpy(view->stride, stride, (size_t)ndim * sizeof *stride);
  view->offset = offset;
  view->storage = x->storage;
  atomic_fetch_add_explicit(&x->storage->refs, 1, memory_order_relaxed);
  *out = view;
  return NJ_OK;
}

nj_status nj_detach(const nj_tensor *x, nj_tensor **out) {
  return nj_alias(x, x->ndim, x->shape, x->stride, x->offset, out);
}

int64_t nj_numel(const nj_tensor *x) {
  int64_t n = 1;
  for (int i = 0; i < x->ndim; i++)
    n *= x->shape[i];
  return n;
}

int nj_is_contiguous(const nj_tensor *x) {
  int64_t expected = 1;
  for (int i = x->ndim - 1; i >= 0; i--) {
    if (x->shape[i] == 0)
      return 1;
    if (x->shape[i] != 1 && x->stride[i] != expected)
      return 0;
    expected *= x->shape[i];
  }
  return 1;
}

int nj_same_shape(const nj_tensor *a, const nj_tensor *b) {
  return a->ndim == b->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0;
}

void *nj_data(const nj_tensor *x) {
  return (char *)x->storage->data + x->offset * (int64_t)nj_dtype_size(x->dtype);
}

nj_status nj_as_contiguous(nj_tensor *x, nj_tensor **out) { return nj_as(x, x->dtype, out); }

nj_status nj_as(nj_tensor *x, nj_dtype dtype, nj_tensor **out) {
  if (x->dtype == dtype && nj_is_contiguous(x)) {
    *out = nj_retain(x);
    return NJ_OK;
  }
  nj_tensor *copy;
  NJ_TRY(nj_empty(x->ctx, dtype, x->ndim, x->shape, &copy));
  return nj_finish(nj_copy_values(copy, x), copy, out);
}

const char *nj_shape_text(int ndim, const int64_t *shape, char *buffer, size_t size) {
  size_t used = 0;
  buffer[0] = '\0';
  for (int i = 0; i < ndim && used < size; i++)
    used +=
        (size_t)snprintf(buffer + used, size - used, "%s%lld", i ? ", " : "(", (long long)shape[i]);
  if (used < size)
    snprintf(buffer + used, size - used, ndim ? ")" : "()");
  return buffer;
}

nj_status nj_normalize_dim(nj_ctx *ctx, const char *op, int dim, int ndim, int *out) {
  int wrapped = dim < 0 ? dim + ndim : dim;
  if (wrapped < 0 || wrapped >= ndim)
    return nj_fail(ctx, NJ_EARG, "%s: dimension %d of a tensor with %d dimensions", op,
                   dim < 0 ? dim : dim + 1, ndim);
  *out = wrapped;
  return NJ_OK;
}

nj_status nj_broadcast_shape(nj_ctx *ctx, const char *op, const nj_tensor *a, const nj_tensor *b,
                             int *ndim, int64_t *shape) {
  int n = a->ndim > b->ndim ? a->ndim : b->ndim;
  for (int i = 1; i <= n; i++) {
    int64_t p = i <= a->ndim ? a->shape[a->ndim - i] : 1;
    int64_t q = i <= b->ndim ? b->shape[b->ndim - i] : 1;
    if (p != q && p != 1 && q != 1)
      return nj_fail(ctx, NJ_ESHAPE, "%s: shapes %s and %s do not broadcast", op, NJ_SHAPE_OF(a),
                     NJ_SHAPE_OF(b));
    shape[n - i] = p == 1 ? q : p;
  }
  *ndim = n;
  return NJ_OK;
}
