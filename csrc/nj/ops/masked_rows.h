/* What makes a row of a row along one dimension, where some entries may be hidden: softmax, sparsemax,
 * and their gradients. */
#ifndef NJ_OPS_MASKED_ROWS_H
#define NJ_OPS_MASKED_ROWS_H

#include "tensor/autograd.h"

typedef struct nj_masked_rows nj_masked_rows;
/* Makes the n elements from `at` of job->out; `see` is the row's mask, or NULL. */
typedef void (*nj_masked_row_fn)(const nj_masked_rows *job, int64_t at, const uint8_t *see);

struct nj_masked_rows {
  nj_masked_row_fn fn;
  const void *how; /* the operation's own */
  nj_dtype dtype;
  int64_t n;
  const nj_tensor *x, *mask, *g; /* g: backward, where x is the forward result and mask NULL */
  nj_tensor *out;
};

/* A new tensor of x's shape, made row by row along `dim`. mask (uint8) and g have x's shape, or are NULL.
 * Errors: ENOMEM, EINTR. */
nj_status nj_masked_rows_run(nj_ctx *ctx, nj_masked_row_fn fn, const void *how, nj_tensor *x,
                             nj_tensor *mask, nj_tensor *g, int dim, nj_tensor **out);

#endif
