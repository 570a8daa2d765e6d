/* Tensors: a typed, strided view of reference-counted storage.
 *
 *   storage  one 64-byte aligned block, shared by views; counts its in-place writes ("version")
 *   tensor   dtype, shape, strides and offset (all in elements) over a storage, plus its place in
 *            the autograd graph
 *
 * Reference counts are atomic; everything else about a tensor belongs to one thread at a time. A
 * function that makes a tensor gives it to the caller through `out` with one reference, and leaves
 * *out untouched on failure. Sizes may be zero. A tensor of 0 dimensions is a scalar. */
#ifndef NJ_TENSOR_TENSOR_H
#define NJ_TENSOR_TENSOR_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/context.h"
#include "tensor/dtype.h"

#define NJ_MAX_DIMS 8

typedef struct nj_storage {
  atomic_int refs;
  nj_ctx *ctx;
  void *data;
  size_t bytes;
  uint64_t version;             /* in-place writes so far; saved tensors remember it */
  void (*release)(void *owner); /* non-NULL: data belongs to `owner` (a memory map, say) */
  void *owner;
  struct nj_packed *packed; /* forms of the values that kernels prefer; see packed.h */
} nj_storage;

struct nj_node;
struct nj_leaf;

typedef struct nj_tensor {
  atomic_int refs;
  nj_ctx *ctx;
  nj_storage *storage;
  int64_t offset;
  nj_dtype dtype;
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  int64_t stride[NJ_MAX_DIMS];
  struct nj_node *node; /* what made it, when gradients flow through it */
  struct nj_leaf *leaf; /* where its gradient gathers, when it is a leaf that requires grad */
} nj_tensor;

/* Uninitialised, contiguous. Errors: EARG (ndim > NJ_MAX_DIMS, negative size, overflow), ENOMEM. */
nj_status nj_empty(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, nj_tensor **out);
nj_status nj_zeros(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, nj_tensor **out);
nj_status nj_full(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, double value,
                  nj_tensor **out);
/* 0-dimensional. */
nj_status nj_scalar(nj_ctx *ctx, nj_dtype dtype, double value, nj_tensor **out);
nj_status nj_empty_like(const nj_tensor *x, nj_tensor **out);
nj_status nj_zeros_like(const nj_tensor *x, nj_tensor **out);
/* A contiguous tensor over memory that `owner` keeps; `release(owner)` runs when the last view is
 * gone (also when this call fails). `data` must be aligned for the dtype. */
nj_status nj_from_memory(nj_ctx *ctx, nj_dtype dtype, int ndim, const int64_t *shape, void *data,
                         void (*release)(void *owner), void *owner, nj_tensor **out);

nj_tensor *nj_retain(nj_tensor *x);
void nj_release(nj_tensor *x); /* NULL is fine */
/* On success *out = y; on failure releases y. Returns st. */
nj_status nj_finish(nj_status st, nj_tensor *y, nj_tensor **out);

/* A view of the same storage, outside the graph. Strides and offset must stay inside the storage
 * (an internal function of ops/shape.c: it is not checked). */
nj_status nj_alias(const nj_tensor *x, int ndim, const int64_t *shape, const int64_t *stride,
                   int64_t offset, nj_tensor **out);
/* The same tensor cut off from the graph; shares the storage. */
nj_status nj_detach(const nj_tensor *x, nj_tensor **out);

int64_t nj_numel(const nj_tensor *x);
int nj_is_contiguous(const nj_tensor *x);
int nj_same_shape(const nj_tensor *a, const nj_tensor *b);
/* First element. Constness is the caller's business: views share what they show. */
void *nj_data(const nj_tensor *x);
#define NJ_F32_DATA(x) ((float *)nj_data(x))
#define NJ_F64_DATA(x) ((double *)nj_data(x))
#define NJ_I64_DATA(x) ((int64_t *)nj_data(x))

/* x itself (retained) when contiguous, else a contiguous copy outside the graph. For reading. */
nj_status nj_as_contiguous(nj_tensor *x, nj_tensor **out);
/* The same with a dtype: for reading x as `dtype`, contiguous. */
nj_status nj_as(nj_tensor *x, nj_dtype dtype, nj_tensor **out);
/* Copies src into dst, broadcasting and converting (values out of an integer type's range
 * saturate, NaN becomes 0). No graph, no version: see nj_copy_ in ops/inplace.h. */
nj_status nj_copy_values(nj_tensor *dst, const nj_tensor *src);

/* One element as a double, by 0-based indices (ndim of them, in range). */
double nj_get(const nj_tensor *x, const int64_t *index);
void nj_set(nj_tensor *x, const int64_t *index, double value);

/* "(3, 4)" into a caller's buffer; returns the buffer. NJ_SHAPE_TEXT bytes always suffice. */
#define NJ_SHAPE_TEXT 192
const char *nj_shape_text(int ndim, const int64_t *shape, char *buffer, size_t size);
/* The text of a tensor's shape inside an nj_fail call. */
#define NJ_SHAPE_OF(x) nj_shape_text((x)->ndim, (x)->shape, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT)

/* -1 … -ndim count from the end (0-based otherwise); EARG with `op` in the text when out of range. */
nj_status nj_normalize_dim(nj_ctx *ctx, const char *op, int dim, int ndim, int *out);
/* The broadcast shape of two, aligned at the right; ESHAPE when they do not fit. */
nj_status nj_broadcast_shape(nj_ctx *ctx, const char *op, const nj_tensor *a, const nj_tensor *b,
                             int *ndim, int64_t *shape);

#endif
