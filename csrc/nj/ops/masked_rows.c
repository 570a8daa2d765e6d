#include "ops/masked_rows.h"

#include "base/parallel.h"
#include "ops/columns.h"

#define GRAIN 16384 /* elements of a block */

static nj_status run_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const nj_masked_rows *job = argument;
  for (int64_t i = begin; i < end; i++) {
    int64_t at = i * job->n;
    job->fn(job, at, job->mask ? (const uint8_t *)nj_data(job->mask) + at : NULL);
  }
  return NJ_OK;
}

nj_status nj_masked_rows_run(nj_ctx *ctx, nj_masked_row_fn fn, const void *how, nj_tensor *x,
                             nj_tensor *mask, nj_tensor *g, int dim, nj_tensor **out) {
  nj_tensor *xl = NULL, *ml = NULL, *gl = NULL, *y = NULL;
  nj_status st = nj_dim_last(x, dim, &xl);
  if (!st && mask)
    st = nj_dim_last(mask, dim, &ml);
  if (!st && g)
    st = nj_dim_last(g, dim, &gl);
  if (!st)
    st = nj_empty_dim_last(x, dim, &y);
  int64_t n = x->shape[dim];
  nj_masked_rows job = {fn, how, x->dtype, n, xl, ml, gl, y};
  if (!st && nj_numel(x) > 0)
    st = nj_parallel_range(ctx, nj_numel(x) / n, GRAIN / n, run_rows, &job);
  nj_release(xl);
  nj_release(ml);
  nj_release(gl);
  return nj_finish(st, y, out);
}
