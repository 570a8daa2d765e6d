#include "ops/product.h"

#include "base/alloc.h"
#include "base/parallel.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "tensor/autograd.h"

/* Fewer products than this run one after the other, each on the whole pool. */
#define MANY 8
#define FEW_ROWS 16

typedef struct {
  nj_ctx *ctx;
  nj_gemm_type type;
  size_t size; /* of an element */
  nj_product_mode mode;
  int n_batch;
  int64_t batch[NJ_MAX_DIMS], kept[NJ_MAX_DIMS];
  int64_t a_batch[NJ_MAX_DIMS], b_batch[NJ_MAX_DIMS]; /* strides */
  int64_t outer, inner;                               /* results; products added up in each */
  int64_t m, n, k;
  int64_t a_row, b_row, b_col;
  int a_t, b_t; /* how OpenBLAS sees them */
  const char *a, *b;
  char *out;
} product;

/* Where the operands of product `inner` of result `outer` begin, in elements. */
static void locate(const product *p, int64_t outer, int64_t inner, int64_t *a, int64_t *b) {
  *a = *b = 0;
  for (int d = p->n_batch - 1; d >= 0; d--) {
    int64_t *from = p->kept[d] == p->batch[d] ? &outer : &inner;
    int64_t i = *from % p->batch[d];
    *from /= p->batch[d];
    *a += i * p->a_batch[d];
    *b += i * p->b_batch[d];
  }
}

/* Few rows do not pay for packing b, where the tiles can read it as it lies. */
static int reads_b_directly(const product *p, const struct nj_tile_kernels *tile) {
  return p->m <= FEW_ROWS && p->b_col == 1 && p->n % tile->lanes == 0 && p->n > 0;
}

static nj_status rows_product(const product *p, int64_t outer) {
  int64_t a, b;
  locate(p, outer, 0, &a, &b);
  const struct nj_tile_kernels *tile = nj_ctx_kernels(p->ctx)->tile;
  const float *b_data = (const float *)(const void *)p->b + b;
  nj_gemm_job job = {.m = p->m,
                     .n = p->n,
                     .k = p->k,
                     .a = (const float *)(const void *)p->a + a,
                     .a_row = p->a_row,
                     .b = b_data,
                     .b_row = p->b_row,
                     .c = (float *)(void *)p->out + outer * p->m * p->n,
                     .c_row = p->n};
  if (reads_b_directly(p, tile))
    return nj_gemm_rows(p->ctx, &job);
  float *packed = nj_alloc(p->ctx, (size_t)nj_gemm_packed_size(tile, p->n, p->k) * sizeof *packed);
  if (!packed)
    return NJ_ENOMEM;
  nj_status st = nj_gemm_pack(p->ctx, p->n, p->k, b_data, p->b_row, p->b_col, packed);
  job.packed = packed;
  if (st == NJ_OK)
    st = nj_gemm_rows(p->ctx, &job);
  nj_free(p->ctx, packed);
  return st;
}

static nj_status blas_products(const product *p, int64_t outer) {
  char *out = p->out + (size_t)(outer * p->m * p->n) * p->size;
  for (int64_t inner = 0; inner < p->inner; inner++) {
    int64_t a, b;
    locate(p, outer, inner, &a, &b);
    NJ_TRY(nj_gemm(p->ctx, p->type, p->a_t, p->b_t, p->m, p->n, p->k, p->a + (size_t)a * p->size,
                   p->a_row, p->b + (size_t)b * p->size, p->b_row, inner > 0, out, p->n));
  }
  return NJ_OK;
}

static nj_status one_result(void *argument, int64_t outer, int worker) {
  (void)worker;
  const product *p = argument;
  return p->mode == NJ_PRODUCT_ROWS ? rows_product(p, outer) : blas_products(p, outer);
}

/* Whether a (rows, cols) matrix is one that BLAS can read, as it is or transposed. */
static int blas_form(int64_t row, int64_t col, int64_t rows, int64_t cols, int *transposed,
                     int64_t *ld) {
  if ((col == 1 || cols == 1) && (row >= cols || rows == 1)) {
    *transposed = 0;
    *ld = rows == 1 && row < cols ? cols : row;
  } else if ((row == 1 || rows == 1) && (col >= rows || cols == 1)) {
    *transposed = 1;
    *ld = cols == 1 && col < rows ? rows : col;
  } else {
    return 0;
  }
  *ld = *ld > 0 ? *ld : 1;
  return 1;
}

/* x itself, or a contiguous copy when a product of this mode cannot read its strides. */
static nj_status readable(const product *p, nj_tensor *x, int is_a, nj_tensor **out) {
  int n = x->ndim, transposed;
  int64_t row = x->stride[n - 2], col = x->stride[n - 1], ld;
  int64_t rows = x->shape[n - 2], cols = x->shape[n - 1];
  int fine = p->mode == NJ_PRODUCT_ROWS ? !is_a || col == 1 || cols == 1
                                        : blas_form(row, col, rows, cols, &transposed, &ld);
  if (!fine)
    return nj_as_contiguous(x, out);
  *out = nj_retain(x);
  return NJ_OK;
}

static void describe(product *p, const nj_tensor *a, const nj_tensor *b, const int64_t *kept) {
  int n = p->n_batch;
  p->m = a->shape[n];
  p->k = a->shape[n + 1];
  p->n = b->shape[n + 1];
  p->outer = p->inner = 1;
  for (int d = 0; d < n; d++) {
    p->batch[d] = a->shape[d];
    p->kept[d] = kept ? kept[d] : a->shape[d];
    p->a_batch[d] = a->stride[d];
    p->b_batch[d] = b->stride[d];
    *(p->kept[d] == p->batch[d] ? &p->outer : &p->inner) *= p->batch[d];
  }
  p->a = nj_data(a);
  p->b = nj_data(b);
  p->a_row = a->stride[n];
  p->b_row = b->stride[n];
  p->b_col = b->stride[n + 1];
  if (p->mode == NJ_PRODUCT_FREE) {
    blas_form(a->stride[n], a->stride[n + 1], p->m, p->k, &p->a_t, &p->a_row);
    blas_form(b->stride[n], b->stride[n + 1], p->k, p->n, &p->b_t, &p->b_row);
  }
}

/* When one b serves every batch and the rows of a follow each other evenly, all is one product. */
static void merge_batches(product *p) {
  int64_t rows = p->m, step = p->a_row;
  for (int d = p->n_batch - 1; d >= 0; d--) {
    if (p->batch[d] == 1)
      continue;
    if (rows == 1)
      step = p->a_batch[d];
    if (p->b_batch[d] != 0 || p->a_batch[d] != rows * step)
      return;
    rows *= p->batch[d];
  }
  p->m = rows;
  p->a_row = step;
  p->outer = 1;
  p->n_batch = 0;
}

nj_status nj_product(nj_ctx *ctx, nj_tensor *a, nj_tensor *b, const int64_t *kept,
                     nj_product_mode mode, nj_tensor **out) {
  int n = a->ndim - 2;
  product p = {.ctx = ctx,
               .n_batch = n,
               .mode = a->dtype == NJ_F64 ? NJ_PRODUCT_FREE : mode,
               .type = a->dtype == NJ_F64 ? NJ_GEMM_F64 : NJ_GEMM_F32,
               .size = nj_dtype_size(a->dtype)};
  nj_tensor *a_in = NULL, *b_in = NULL, *y = NULL;
  int64_t shape[NJ_MAX_DIMS];
  for (int d = 0; d < n; d++)
    shape[d] = kept ? kept[d] : a->shape[d];
  shape[n] = a->shape[n];
  shape[n + 1] = b->shape[n + 1];
  nj_status st = readable(&p, a, 1, &a_in);
  if (!st)
    st = readable(&p, b, 0, &b_in);
  if (!st)
    st = nj_empty(ctx, a->dtype, n + 2, shape, &y);
  if (st)
    goto done;
  describe(&p, a_in, b_in, kept);
  if (p.mode == NJ_PRODUCT_ROWS)
    merge_batches(&p);
  p.out = nj_data(y);
  if (p.inner == 0) { /* nothing to add up */
    nj_release(y);
    y = NULL;
    st = nj_zeros(ctx, a->dtype, n + 2, shape, &y);
  } else if (p.outer >= MANY) {
    st = nj_parallel(ctx, p.outer, one_result, &p);
  } else {
    for (int64_t i = 0; !st && i < p.outer; i++)
      st = one_result(&p, i, 0);
  }
done:
  nj_release(a_in);
  nj_release(b_in);
  return nj_finish(st, y, out);
}
