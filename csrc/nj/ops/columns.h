/* Matrices that other tensors hide: x with one dimension moved to the end, and sums of columns.
 * What operations along a channel dimension work on; outside the graph. */
#ifndef NJ_OPS_COLUMNS_H
#define NJ_OPS_COLUMNS_H

#include "tensor/tensor.h"

/* x with `dim` moved to the end, contiguous: for a channels-last activation and its channel
 * dimension that is x's own memory, else a copy. For reading. */
nj_status nj_dim_last(nj_tensor *x, int dim, nj_tensor **out);
/* A fresh tensor of x's shape whose memory has `dim` innermost and the others in order: for
 * dimension 1 of (B, C, H, W) that is channels-last. */
nj_status nj_empty_dim_last(const nj_tensor *x, int dim, nj_tensor **out);

/* The sums of the columns of a contiguous matrix (rows, n), added over fixed blocks of rows: (n).
 * */
nj_status nj_column_sums(nj_ctx *ctx, const nj_tensor *x, nj_tensor **out);

#endif
