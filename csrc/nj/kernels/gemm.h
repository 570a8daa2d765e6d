/* Matrix products on raw memory, two ways:
 *
 *   nj_gemm_rows   float32, over our own register tiles (kernels/tile.h) and a packed right
 *   operand.
 *                  Row i of the result has the same bits whatever the number of rows: what forward
 *                  passes use, so that a vector is the same alone and in a batch.
 *   nj_gemm        float32 and float64, by OpenBLAS, in blocks that depend on the sizes alone: the
 *                  same bits for any number of threads, but not for any number of rows (OpenBLAS
 *                  0.3.21 changes kernels with the shape). What backward passes and all of
 *                  float64 use.
 *
 * This is the only caller of OpenBLAS. It is told to use one thread: for the calling thread where
 * the library can (openblas_set_num_threads_local), else for the process, from the first product
 * of the first context until the last context that made one has closed. */
#ifndef NJ_KERNELS_GEMM_H
#define NJ_KERNELS_GEMM_H

#include <stdint.h>

#include "base/context.h"
#include "kernels/tile.h"

/* The floats of a packed right operand of k rows and n columns. */
int64_t nj_gemm_packed_size(const struct nj_tile_kernels *tile, int64_t n, int64_t k);

/* Packs b[i * b_k + j * b_n], i < k, j < n, for nj_gemm_rows: panels of tile->panel columns, each
 * k rows long; the last is as wide as its whole vectors, zeros after column n. Runs on the pool. */
nj_status nj_gemm_pack(nj_ctx *ctx, int64_t n, int64_t k, const float *b, int64_t b_k, int64_t b_n,
                       float *out);

/* c = a · b (+ bias along the columns), or c += a · b. Rows of a are contiguous, a_row apart. */
typedef struct {
  int64_t m, n, k;
  const float *a;
  int64_t a_row;
  const float *packed; /* b, from nj_gemm_pack; or NULL, and */
  const float *b;      /* b as it lies: n a multiple of tile->lanes, columns contiguous */
  int64_t b_row;
  const float *bias; /* n elements, or NULL */
  float *c;
  int64_t c_row;
  int accumulate; /* add to c; bias must be NULL */
  int relu;
} nj_gemm_job;

/* Errors: EINTR. */
nj_status nj_gemm_rows(nj_ctx *ctx, const nj_gemm_job *job);
/* The same on the calling thread, for use inside blocks. */
void nj_gemm_rows_serial(const struct nj_tile_kernels *tile, const nj_gemm_job *job);

typedef enum { NJ_GEMM_F32, NJ_GEMM_F64 } nj_gemm_type;

/* c (m, n; rows c_row apart) = op(a) op(b), or += with `accumulate`; op(a) is a (m, k), or the
 * transpose of a (k, m) when a_t; a_row and b_row are the distances of rows as stored. Errors:
 * ENOMEM, EINTR, ESHAPE (a size that BLAS cannot count). */
nj_status nj_gemm(nj_ctx *ctx, nj_gemm_type type, int a_t, int b_t, int64_t m, int64_t n, int64_t k,
                  const void *a, int64_t a_row, const void *b, int64_t b_row, int accumulate,
                  void *c, int64_t c_row);

#endif
