/* A tensor as a matrix: the kept dimensions are its rows, the reduced ones its columns. Serves what
 * works on one row at a time (sorting, scanning, choosing the largest). */
#ifndef NJ_OPS_ROWS_H
#define NJ_OPS_ROWS_H

#include "tensor/autograd.h"

typedef struct {
  nj_tensor *matrix;          /* contiguous; its dimensions are x's in the order `order` */
  int64_t n_rows, n;          /* n columns */
  int ndim;                   /* of x */
  int order[NJ_MAX_DIMS];     /* kept dimensions, then reduced ones */
  int64_t shape[NJ_MAX_DIMS]; /* of x */
  unsigned mask;
} nj_rows;

/* Reads x as a matrix of `dtype`, without copying where x allows. Free with nj_rows_free. */
nj_status nj_rows_make(nj_ctx *ctx, nj_tensor *x, unsigned mask, nj_dtype dtype, nj_rows *out);
/* The same layout with fresh, uninitialised memory. */
nj_status nj_rows_empty(nj_ctx *ctx, int ndim, const int64_t *shape, unsigned mask, nj_dtype dtype,
                        nj_rows *out);
void nj_rows_free(nj_rows *rows);
/* An uninitialised contiguous tensor with one element per row: x's shape without the reduced
 * dimensions, or with them at size 1. */
nj_status nj_rows_result(nj_ctx *ctx, const nj_rows *rows, int keepdim, nj_dtype dtype,
                         nj_tensor **out);
/* The matrix with x's shape again, a view. */
nj_status nj_rows_restore(const nj_rows *rows, nj_tensor **out);

/* What a backward function needs to rebuild the layout: node->ints[at … at + NJ_KEPT_INTS]. */
void nj_rows_keep(nj_node *node, int at, const nj_tensor *x, unsigned mask);
nj_status nj_rows_kept(nj_ctx *ctx, const nj_node *node, int at, nj_rows *out);

#endif
