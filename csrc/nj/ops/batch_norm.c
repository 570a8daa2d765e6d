#include <math.h>

#include "base/parallel.h"
#include "kernels/channel.h"
#include "kernels/kernels.h"
#include "ops/columns.h"
#include "ops/norm.h"
#include "tensor/autograd.h"

/* Elements of a block: it stays in the cache between the two looks at it. */
#define BLOCK 16384

nj_batch_norm_options nj_batch_norm_default_options(void) {
  return (nj_batch_norm_options){.momentum = 0.1, .eps = 1e-5, .channel_dim = 1};
}

#define O nj_batch_norm_options
static const nj_option items[] = {
    NJ_OPTION_FLAG(O, "training", training, 0),
    NJ_OPTION_RANGE(O, "momentum", momentum, 0, 1, 0),
    NJ_OPTION_RANGE(O, "eps", eps, 0, 1e30, 0),
    NJ_OPTION_FLAG(O, "relu", relu, 0),
};
NJ_OPTION_TABLE(batch_norm, items, NULL)
#undef O

/* One call. x, g and y are (rows, n) matrices in memory, channels innermost. */
typedef struct {
  nj_ctx *ctx;
  nj_dtype dtype;
  const struct nj_channel_kernels *kernels;
  int64_t rows, n, block_rows, blocks;
  int relu;
  const void *x, *g;
  void *y;
  void *mean, *a, *b;  /* (n): y = (x - mean) * a + b */
  void *c0, *c1;       /* (n): see nj_channel_kernels.grad */
  void *part0, *part1; /* (blocks, n): mean and m2, or the sums of the gradient */
} norm_job;

static norm_job make_job(nj_ctx *ctx, nj_dtype dtype, int64_t rows, int64_t n, int relu) {
  norm_job job = {.ctx = ctx,
                  .dtype = dtype,
                  .kernels = nj_ctx_kernels(ctx)->channel,
                  .rows = rows,
                  .n = n,
                  .relu = relu};
  job.block_rows = n > 0 && BLOCK / n < 16 ? 16 : BLOCK / (n > 0 ? n : 1);
  job.blocks = (rows + job.block_rows - 1) / job.block_rows;
  return job;
}

/* CALL(T, table, x, g, y, rows, at): the block's rows begin at element `from`, its partial sums at
 * `at`. */
#define EACH_BLOCK(name, CALL)                                                                \
  static nj_status name(void *argument, int64_t block, int worker) {                          \
    (void)worker;                                                                             \
    const norm_job *job = argument;                                                           \
    int64_t first = block * job->block_rows, from = first * job->n, at = block * job->n;      \
    int64_t rows = job->rows - first < job->block_rows ? job->rows - first : job->block_rows; \
    (void)at;                                                                                 \
    if (job->dtype == NJ_F32)                                                                 \
      CALL(float, job->kernels);                                                              \
    else                                                                                      \
      CALL(double, &nj_channel_double);                                                       \
    return NJ_OK;                                                                             \
  }

#define CALL_MOMENTS(T, table)                                                   \
  (table)->moments((const T *)job->x + from, rows, job->n, (T *)job->part0 + at, \
                   (T *)job->part1 + at)
#define CALL_AFFINE(T, table)                                                                   \
  (table)->affine((const T *)job->x + from, rows, job->n, job->mean, job->a, job->b, job->relu, \
                  (T *)job->y + from)
#define CALL_SUMS(T, table)                                                                       \
  (table)->grad_sums((const T *)job->x + from, (const T *)job->g + from, rows, job->n, job->mean, \
                     job->a, job->b, job->relu, (T *)job->part0 + at, (T *)job->part1 + at)
#define CALL_GRAD(T, table)                                                                  \
  (table)->grad((const T *)job->x + from, (const T *)job->g + from, rows, job->n, job->mean, \
                job->a, job->b, job->relu, job->c0, job->c1, (T *)job->y + from)
EACH_BLOCK(moments_block, CALL_MOMENTS)
EACH_BLOCK(affine_block, CALL_AFFINE)
EACH_BLOCK(sums_block, CALL_SUMS)
EACH_BLOCK(grad_block, CALL_GRAD)

/* Element i of an array of the job's dtype. */
static double get(const norm_job *job, const void *p, int64_t i) {
  return job->dtype == NJ_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void set(const norm_job *job, void *p, int64_t i, double v) {
  if (job->dtype == NJ_F32)
    ((float *)p)[i] = (float)v;
  else
    ((double *)p)[i] = v;
}

/* A vector's element: parameters may have any stride. NULL gives `preset`. */
static double param(const nj_tensor *p, int64_t i, double preset) {
  return p ? nj_get(p, &i) : preset;
}

/* (n) and (blocks, n) arrays in one allocation. */
static nj_status make_arrays(norm_job *job, void **memory) {
  size_t size = nj_dtype_size(job->dtype), n = (size_t)job->n, parts = (size_t)job->blocks * n;
  char *p = nj_alloc(job->ctx, size * (5 * n + 2 * parts));
  if (!p)
    return NJ_ENOMEM;
  *memory = p;
  job->mean = p;
  job->a = p + size * n;
  job->b = p + 2 * size * n;
  job->c0 = p + 3 * size * n;
  job->c1 = p + 4 * size * n;
  job->part0 = p + 5 * size * n;
  job->part1 = p + size * (5 * n + parts);
  return NJ_OK;
}

/* ---- statistics ---- */

/* Joins the blocks' means and squared deviations (Chan, Golub and LeVeque 1983), in double. */
static void join_moments(const norm_job *job, int64_t c, double *mean, double *m2) {
  double count = 0;
  *mean = *m2 = 0;
  for (int64_t i = 0; i < job->blocks; i++) {
    int64_t left = job->rows - i * job->block_rows;
    double n = (double)(left < job->block_rows ? left : job->block_rows);
    double delta = get(job, job->part0, i * job->n + c) - *mean;
    *m2 += get(job, job->part1, i * job->n + c) + delta * delta * (count * n / (count + n));
    *mean += delta * (n / (count + n));
    count += n;
  }
}

static void update_running(const norm_job *job, nj_tensor *running, double momentum,
                           const void *batch) {
  if (!running)
    return;
  for (int64_t c = 0; c < job->n; c++)
    nj_set(running, &c, (1 - momentum) * nj_get(running, &c) + momentum * get(job, batch, c));
  nj_mark_written(running);
}

/* Fills mean, a and b, and rstd (n); the unbiased variance of the batch goes to c0. */
static nj_status statistics(norm_job *job, const nj_batch_norm_options *o, const nj_tensor *w,
                            const nj_tensor *b, nj_tensor *running_mean, nj_tensor *running_var,
                            nj_tensor *rstd) {
  int from_batch = o->training || !running_mean || !running_var;
  if (from_batch)
    NJ_TRY(nj_parallel(job->ctx, job->blocks, moments_block, job));
  for (int64_t c = 0; c < job->n; c++) {
    double mean, var, m2 = 0, rows = (double)job->rows;
    if (from_batch) {
      join_moments(job, c, &mean, &m2);
      var = m2 / rows;
    } else {
      mean = nj_get(running_mean, &c);
      var = nj_get(running_var, &c);
    }
    set(job, job->c0, c, m2 / (rows - 1));
    double r = 1 / sqrt(var + o->eps);
    set(job, job->mean, c, mean);
    set(job, job->a, c, r * param(w, c, 1));
    set(job, job->b, c, param(b, c, 0));
    nj_set(rstd, &c, r);
  }
  return NJ_OK;
}

/* ---- backward ---- */

/* Sums the blocks' gradients per channel, gives w's and b's, and makes c0 and c1. */
static void gather_grads(norm_job *job, int from_batch, const nj_tensor *rstd, nj_tensor *gw,
                         nj_tensor *gb) {
  for (int64_t c = 0; c < job->n; c++) {
    double sum_g = 0, sum_gx = 0, r = nj_get(rstd, &c), a = get(job, job->a, c);
    for (int64_t i = 0; i < job->blocks; i++) {
      sum_g += get(job, job->part0, i * job->n + c);
      sum_gx += get(job, job->part1, i * job->n + c);
    }
    if (gw)
      nj_set(gw, &c, sum_gx * r);
    if (gb)
      nj_set(gb, &c, sum_g);
    double rows = (double)job->rows;
    set(job, job->c0, c, from_batch ? a * sum_g / rows : 0);
    set(job, job->c1, c, from_batch ? a * r * r * sum_gx / rows : 0);
  }
}

static nj_status run_backward(norm_job *job, nj_node *node, nj_tensor *gx, nj_tensor *gw,
                              nj_tensor *gb) {
  int from_batch = (int)node->ints[1];
  const nj_tensor *w = node->saved[1], *b = node->saved[4];
  for (int64_t c = 0; c < job->n; c++) {
    set(job, job->mean, c, nj_get(node->saved[2], &c));
    set(job, job->a, c, nj_get(node->saved[3], &c) * param(w, c, 1));
    set(job, job->b, c, param(b, c, 0));
  }
  if (gw || gb || from_batch)
    NJ_TRY(nj_parallel(job->ctx, job->blocks, sums_block, job));
  else
    job->blocks = 0;
  gather_grads(job, from_batch, node->saved[3], gw, gb);
  job->blocks = (job->rows + job->block_rows - 1) / job->block_rows;
  return gx ? nj_parallel(job->ctx, job->blocks, grad_block, job) : NJ_OK;
}

/* saved: x, w, mean, rstd, b (relu only); ints: channel dimension, statistics of the batch, relu.
 * */
static nj_status batch_norm_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                     nj_tensor **grads) {
  nj_tensor *x = node->saved[0], *xl = NULL, *gl = NULL;
  int dim = (int)node->ints[0];
  int64_t n = x->shape[dim], rows = n > 0 ? nj_numel(x) / n : 0;
  norm_job job = make_job(ctx, x->dtype, rows, n, (int)node->ints[2]);
  void *memory = NULL;
  nj_status st = nj_dim_last(x, dim, &xl);
  if (!st)
    st = nj_dim_last(grad, dim, &gl);
  if (!st)
    st = make_arrays(&job, &memory);
  if (!st && nj_needs(node, 0))
    st = nj_empty_dim_last(x, dim, &grads[0]);
  if (!st && nj_needs(node, 1))
    st = nj_empty(ctx, x->dtype, 1, &n, &grads[1]);
  if (!st && nj_needs(node, 2))
    st = nj_empty(ctx, x->dtype, 1, &n, &grads[2]);
  if (!st) {
    job.x = nj_data(xl);
    job.g = nj_data(gl);
    job.y = grads[0] ? nj_data(grads[0]) : NULL;
    st = run_backward(&job, node, grads[0], grads[1], grads[2]);
  }
  nj_free(ctx, memory);
  nj_release(xl);
  nj_release(gl);
  return st;
}

/* ---- checks ---- */

static nj_status check_vector(nj_ctx *ctx, const char *name, const nj_tensor *p, const nj_tensor *x,
                              int64_t n) {
  if (p && p->dtype != x->dtype)
    return nj_fail(ctx, NJ_EDTYPE, "batch_norm: %s is %s, the input %s", name,
                   nj_dtype_name(p->dtype), nj_dtype_name(x->dtype));
  if (p && (p->ndim != 1 || p->shape[0] != n))
    return nj_fail(ctx, NJ_ESHAPE,
                   "batch_norm: expected a %s of %lld elements, one per channel, "
                   "got %s",
                   name, (long long)n, NJ_SHAPE_OF(p));
  return NJ_OK;
}

static nj_status check(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b, nj_tensor *mean,
                       nj_tensor *var, nj_batch_norm_options *o) {
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "batch_norm: expected float32 or float64, got %s",
                   nj_dtype_name(x->dtype));
  NJ_TRY(nj_normalize_dim(ctx, "batch_norm", o->channel_dim, x->ndim, &o->channel_dim));
  int64_t n = x->shape[o->channel_dim];
  NJ_TRY(check_vector(ctx, "weight", w, x, n));
  NJ_TRY(check_vector(ctx, "bias", b, x, n));
  NJ_TRY(check_vector(ctx, "running mean", mean, x, n));
  NJ_TRY(check_vector(ctx, "running variance", var, x, n));
  if (o->training && nj_numel(x) == n && n > 0)
    return nj_fail(ctx, NJ_ESHAPE,
                   "batch_norm: training needs more than one value per channel, "
                   "got %s",
                   NJ_SHAPE_OF(x));
  if (o->training && mean)
    NJ_TRY(nj_check_inplace(ctx, "batch_norm", mean, NULL));
  if (o->training && var)
    NJ_TRY(nj_check_inplace(ctx, "batch_norm", var, NULL));
  return NJ_OK;
}

/* ---- the operation ---- */

typedef struct {
  nj_tensor *x, *w, *b, *mean, *rstd;
} operands;

static nj_status record(nj_ctx *ctx, nj_tensor *y, const operands *p,
                        const nj_batch_norm_options *o, int from_batch) {
  nj_node *node = NULL;
  NJ_TRY(nj_record(ctx, y, "batch_norm", batch_norm_backward, 3, (nj_tensor *[]){p->x, p->w, p->b},
                   &node));
  if (!node)
    return NJ_OK;
  node->ints[0] = o->channel_dim;
  node->ints[1] = from_batch;
  node->ints[2] = o->relu;
  NJ_TRY(nj_save(node, 0, p->x));
  NJ_TRY(nj_save(node, 1, p->w));
  NJ_TRY(nj_save(node, 2, p->mean));
  NJ_TRY(nj_save(node, 3, p->rstd));
  return o->relu ? nj_save(node, 4, p->b) : NJ_OK;
}

static nj_status run(norm_job *job, const operands *p, const nj_batch_norm_options *o,
                     nj_tensor *running_mean, nj_tensor *running_var) {
  NJ_TRY(statistics(job, o, p->w, p->b, running_mean, running_var, p->rstd));
  for (int64_t c = 0; c < job->n; c++)
    nj_set(p->mean, &c, get(job, job->mean, c));
  return nj_parallel(job->ctx, job->blocks, affine_block, job);
}

nj_status nj_batch_norm(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b,
                        nj_tensor *running_mean, nj_tensor *running_var,
                        const nj_batch_norm_options *options, nj_tensor **out) {
  nj_batch_norm_options o = options ? *options : nj_batch_norm_default_options();
  NJ_TRY(check(ctx, x, w, b, running_mean, running_var, &o));
  int64_t n = x->shape[o.channel_dim], rows = n > 0 ? nj_numel(x) / n : 0;
  norm_job job = make_job(ctx, x->dtype, rows, n, o.relu);
  operands p = {x, w, b, NULL, NULL};
  nj_tensor *xl = NULL, *y = NULL;
  void *memory = NULL;
  nj_status st = nj_dim_last(x, o.channel_dim, &xl);
  if (!st)
    st = nj_empty_dim_last(x, o.channel_dim, &y);
  if (!st)
    st = nj_empty(ctx, x->dtype, 1, &n, &p.mean);
  if (!st)
    st = nj_empty(ctx, x->dtype, 1, &n, &p.rstd);
  if (!st)
    st = make_arrays(&job, &memory);
  if (!st) {
    job.x = nj_data(xl);
    job.y = nj_data(y);
    if (rows > 0)
      st = run(&job, &p, &o, running_mean, running_var);
  }
  if (!st)
    st = record(ctx, y, &p, &o, o.training || !running_mean || !running_var);
  if (!st && o.training && rows > 0) { /* last: a call that failed has changed nothing */
    update_running(&job, running_mean, o.momentum, job.mean);
    update_running(&job, running_var, o.momentum, job.c0);
  }
  nj_free(ctx, memory);
  nj_release(xl);
  nj_release(p.mean);
  nj_release(p.rstd);
  return nj_finish(st, y, out);
}
