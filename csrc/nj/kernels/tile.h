/* Register-tile products: the microkernels under matrix products and convolutions.
 *
 * A tile of R rows by V vectors of the result lives in registers while k runs; every element of
 * the result is ONE chain of multiply-adds in the order of k, begun with zero, the bias or what
 * the result held before. Cutting the rows, the columns or k into blocks (with NJ_TILE_ADD for
 * all but the first) therefore never changes a bit: row i of a product has the same bits
 * alone as in a batch, for any number of threads.
 *
 * The shape of the tile follows the instruction set: 24 accumulators of 16 lanes with AVX-512, 12
 * of 8 with AVX2, 12 of 4 elsewhere. OpenBLAS packs its operands at each call and takes other
 * paths for small and edge shapes (measured: 18 of 69 row counts of a 64x64 product change the bits
 * of a row), hence these. */
#ifndef NJ_KERNELS_TILE_H
#define NJ_KERNELS_TILE_H

#include <stdint.h>

/* How the accumulators begin. */
typedef enum { NJ_TILE_ZERO, NJ_TILE_BIAS, NJ_TILE_ADD } nj_tile_start;

/* A run of k: `length` consecutive elements of a row of the left operand, `offset` from the row's
 * first. A matrix product has one; a convolution has one for each row of its window. */
typedef struct {
  int64_t offset;
  int64_t length;
} nj_tile_run;

/* c[r][j] = start + sum over runs, over k of a[r * a_row + offset + k] * b[...][j], for r < m and
 * j < columns; b advances by b_row with each k of each run. */
typedef struct {
  int64_t m;
  const float *a;
  int64_t a_row;
  const nj_tile_run *runs;
  int64_t n_runs;
  const float *b;  /* read in whole vectors: a packed panel, or columns that fill them */
  int64_t b_row;   /* from one k to the next */
  int64_t columns; /* 1 … panel */
  float *c;
  int64_t c_row;
  const float *bias; /* of `columns` elements, for NJ_TILE_BIAS */
  nj_tile_start start;
  int relu; /* clamp at zero when done (NaN stays) */
} nj_tile_rows;

/* c[r][j] = start (zero or what it was) + sum over p < count of a[offset[p] + r] * b[p * b_row + j]: a sum of outer products, for
 * weight gradients; offset tells where each pixel's row of a begins. The sum is made from zero and
 * then added, so that many short sums lose less than one long one. */
typedef struct {
  int64_t m;
  const float *a;
  const int64_t *offset;
  int64_t count;
  const float *b;
  int64_t b_row;
  int64_t columns; /* 1 … panel; b is read in whole vectors */
  float *c;
  int64_t c_row;
  nj_tile_start start; /* NJ_TILE_ZERO or NJ_TILE_ADD */
} nj_tile_outer;

struct nj_tile_kernels {
  int64_t lanes; /* floats in a vector */
  int64_t panel; /* columns of a full panel of packed b */
  void (*rows)(const nj_tile_rows *job);
  void (*outer)(const nj_tile_outer *job);
};

/* Columns rounded up to whole vectors: the row length of a packed panel of `columns`. */
static inline int64_t nj_tile_padded(const struct nj_tile_kernels *tile, int64_t columns) {
  return (columns + tile->lanes - 1) / tile->lanes * tile->lanes;
}

#endif
