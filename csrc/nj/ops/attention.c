#include "ops/attention.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parallel.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/row.h"
#include "ops/broadcast.h"
#include "tensor/autograd.h"

nj_attention_options nj_attention_default_options(void) { return (nj_attention_options){0}; }

#define O nj_attention_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "scale", scale, -1e30, 1e30, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 1, 0),
};
NJ_OPTION_TABLE(attention, items, NULL)
#undef O

/* Queries of a block: their scores stay in the cache. */
#define QUERIES 64

/* One call. An item is one of the leading dimensions' heads; offsets are in elements. */
typedef struct {
  nj_ctx *ctx;
  const struct nj_kernels *kernels;
  nj_dtype dtype;
  size_t size; /* of an element */
  int n_lead;
  int64_t lead[NJ_MAX_DIMS], items, n, m, d, e, blocks; /* blocks of queries in an item */
  const nj_tensor *q, *k, *v, *mask;                    /* q, k, v: rows contiguous */
  int64_t mask_stride[NJ_MAX_DIMS];                     /* 0 where broadcast */
  double scale, dropout;
  nj_rng rng; /* as it was when the call began */
  nj_tensor *out;
  const nj_tensor *grad;           /* backward */
  nj_tensor *gq, *gk, *gv, *gmask; /* backward: contiguous; gmask (…, N, M); may be NULL */
} attention_job;

static int64_t offset_of(const attention_job *job, const int64_t *stride, int64_t item) {
  int64_t offset = 0;
  for (int i = job->n_lead - 1; i >= 0; i--) {
    offset += item % job->lead[i] * stride[i];
    item /= job->lead[i];
  }
  return offset;
}

static char *item_data(const attention_job *job, const nj_tensor *x, int64_t item) {
  return (char *)nj_data(x) + (size_t)offset_of(job, x->stride, item) * job->size;
}

static int64_t row_stride(const nj_tensor *x) {
  int64_t row = x->stride[x->ndim - 2], cols = x->shape[x->ndim - 1];
  return row > cols ? row : cols > 0 ? cols : 1; /* a single row may have any stride */
}

/* ---- the weights of a block of queries ---- */

/* One row of scores: scaled, masked, made into weights. Rows that see nothing become zero. */
#define WEIGHTS_ROW(T, table)                                    \
  do {                                                           \
    T *s = (T *)scores + i * job->m;                             \
    const T low = (T)-INFINITY;                                  \
    for (int64_t j = 0; j < job->m; j++)                         \
      s[j] *= (T)job->scale;                                     \
    if (mask && job->mask->dtype == NJ_U8) {                     \
      const uint8_t *see = (const uint8_t *)mask + i * mask_row; \
      for (int64_t j = 0; j < job->m; j++)                       \
        s[j] = see[j * mask_col] ? s[j] : low;                   \
    } else if (mask) {                                           \
      const T *add = (const T *)mask + i * mask_row;             \
      for (int64_t j = 0; j < job->m; j++)                       \
        s[j] += add[j * mask_col];                               \
    }                                                            \
    if ((table)->softmax(s, s, job->m) == low)                   \
      memset(s, 0, (size_t)job->m * sizeof *s);                  \
  } while (0)

static void make_weights(const attention_job *job, int64_t item, int64_t first, int64_t rows,
                         void *scores) {
  const int64_t *stride = job->mask_stride;
  int64_t mask_row = stride[job->n_lead], mask_col = stride[job->n_lead + 1];
  const void *mask = NULL;
  if (job->mask)
    mask =
        (const char *)nj_data(job->mask) +
        (size_t)(offset_of(job, stride, item) + first * mask_row) * nj_dtype_size(job->mask->dtype);
  for (int64_t i = 0; job->m > 0 && i < rows; i++)
    if (job->dtype == NJ_F32)
      WEIGHTS_ROW(float, job->kernels->row);
    else
      WEIGHTS_ROW(double, &nj_row_double);
}

/* Multiplies values of a block by 0 or 1 / (1 - p), as each weight's number in the stream says. */
static void drop(const attention_job *job, int64_t item, int64_t first, int64_t rows,
                 void *values) {
  uint64_t at = job->rng.counter + (uint64_t)((item * job->n + first) * job->m);
  double factor = 1 / (1 - job->dropout), bound = job->dropout * 4294967296.0;
  for (int64_t i = 0; i < rows * job->m; i++) {
    double f = (double)nj_rng_word(&job->rng, at + (uint64_t)i) < bound ? 0 : factor;
    if (job->dtype == NJ_F32)
      ((float *)values)[i] *= (float)f;
    else
      ((double *)values)[i] *= f;
  }
}

/* ---- forward ---- */

/* c (rows, columns) = a (rows, k) times b, seen as b[i * b_k + j * b_n]; row by row the same bits.
 * */
static nj_status multiply_f32(const attention_job *job, int64_t rows, int64_t columns, int64_t k,
                              const void *a, int64_t a_row, const void *b, int64_t b_k, int64_t b_n,
                              float *packed, void *c, int64_t c_row) {
  NJ_TRY(nj_gemm_pack(job->ctx, columns, k, b, b_k, b_n, packed));
  nj_gemm_job product = {.m = rows,
                         .n = columns,
                         .k = k,
                         .a = a,
                         .a_row = a_row,
                         .packed = packed,
                         .c = c,
                         .c_row = c_row};
  nj_gemm_rows_serial(job->kernels->tile, &product);
  return NJ_OK;
}

static nj_status forward_block(const attention_job *job, int64_t item, int64_t first, int64_t rows,
                               float *packed, void *scores) {
  int64_t q_row = row_stride(job->q), k_row = row_stride(job->k), v_row = row_stride(job->v);
  int64_t out_row = job->out->stride[job->n_lead];
  const char *q = item_data(job, job->q, item) + (size_t)(first * q_row) * job->size;
  const char *k = item_data(job, job->k, item), *v = item_data(job, job->v, item);
  char *out = item_data(job, job->out, item) + (size_t)(first * out_row) * job->size;
  if (job->dtype == NJ_F32)
    NJ_TRY(multiply_f32(job, rows, job->m, job->d, q, q_row, k, 1, k_row, packed, scores, job->m));
  else
    NJ_TRY(nj_gemm(job->ctx, NJ_GEMM_F64, 0, 1, rows, job->m, job->d, q, q_row, k, k_row, 0, scores,
                   job->m));
  make_weights(job, item, first, rows, scores);
  if (job->dropout > 0)
    drop(job, item, first, rows, scores);
  if (job->dtype == NJ_F32)
    return multiply_f32(job, rows, job->e, job->m, scores, job->m, v, v_row, 1, packed, out,
                        out_row);
  return nj_gemm(job->ctx, NJ_GEMM_F64, 0, 0, rows, job->e, job->m, scores, job->m, v, v_row, 0,
                 out, out_row);
}

static nj_status forward_task(void *argument, int64_t index, int worker) {
  (void)worker;
  const attention_job *job = argument;
  int64_t item = index / job->blocks, first = index % job->blocks * QUERIES;
  int64_t rows = job->n - first < QUERIES ? job->n - first : QUERIES;
  const struct nj_tile_kernels *tile = job->kernels->tile;
  int64_t for_k = nj_gemm_packed_size(tile, job->m, job->d);
  int64_t for_v = nj_gemm_packed_size(tile, job->e, job->m);
  float *packed = nj_alloc(job->ctx, (size_t)(for_k > for_v ? for_k : for_v) * sizeof *packed);
  void *scores = nj_alloc(job->ctx, (size_t)(rows * job->m) * job->size);
  nj_status st =
      packed && scores ? forward_block(job, item, first, rows, packed, scores) : NJ_ENOMEM;
  nj_free(job->ctx, packed);
  nj_free(job->ctx, scores);
  return st;
}

/* ---- backward ---- */

static nj_status product(const attention_job *job, int a_t, int b_t, int64_t m, int64_t n,
                         int64_t k, const void *a, int64_t a_row, const void *b, int64_t b_row,
                         int add, void *c, int64_t c_row) {
  return nj_gemm(job->ctx, job->dtype == NJ_F32 ? NJ_GEMM_F32 : NJ_GEMM_F64, a_t, b_t, m, n, k, a,
                 a_row > 0 ? a_row : 1, b, b_row > 0 ? b_row : 1, add, c, c_row > 0 ? c_row : 1);
}

/* g: gradient of the weights, becomes that of the masked scores; w: the weights. */
static void scores_grad(const attention_job *job, int64_t item, int64_t first, int64_t rows,
                        const void *w, void *g) {
  int64_t count = rows * job->m;
  for (int64_t i = 0; i < count; i += job->m)
    if (job->dtype == NJ_F32)
      job->kernels->row->softmax_grad((const float *)w + i, (float *)g + i, (float *)g + i, job->m);
    else
      nj_row_double.softmax_grad((const double *)w + i, (double *)g + i, (double *)g + i, job->m);
  if (job->gmask)
    memcpy((char *)nj_data(job->gmask) + (size_t)((item * job->n + first) * job->m) * job->size, g,
           (size_t)count * job->size);
  for (int64_t i = 0; i < count; i++)
    if (job->dtype == NJ_F32)
      ((float *)g)[i] *= (float)job->scale;
    else
      ((double *)g)[i] *= job->scale;
}

static nj_status backward_block(const attention_job *job, int64_t item, int64_t first, int64_t rows,
                                void *w, void *g) {
  int64_t d = job->d, e = job->e, m = job->m;
  int64_t q_row = row_stride(job->q), k_row = row_stride(job->k), v_row = row_stride(job->v);
  int64_t o_row = row_stride(job->grad);
  const char *q = item_data(job, job->q, item) + (size_t)(first * q_row) * job->size;
  const char *k = item_data(job, job->k, item), *v = item_data(job, job->v, item);
  const char *go = item_data(job, job->grad, item) + (size_t)(first * o_row) * job->size;
  char *gq = item_data(job, job->gq, item) + (size_t)(first * d) * job->size;
  NJ_TRY(product(job, 0, 1, rows, m, d, q, q_row, k, k_row, 0, w, m));
  make_weights(job, item, first, rows, w);
  NJ_TRY(product(job, 0, 1, rows, m, e, go, o_row, v, v_row, 0, g, m));
  if (job->dropout > 0) { /* g holds the gradient of the weights before dropout; w waits its turn */
    drop(job, item, first, rows, g);
    void *kept = nj_alloc(job->ctx, (size_t)(rows * m) * job->size);
    if (!kept)
      return NJ_ENOMEM;
    memcpy(kept, w, (size_t)(rows * m) * job->size);
    drop(job, item, first, rows, kept);
    nj_status st = product(job, 1, 0, m, e, rows, kept, m, go, o_row, first > 0,
                           item_data(job, job->gv, item), e);
    nj_free(job->ctx, kept);
    NJ_TRY(st);
  } else {
    NJ_TRY(product(job, 1, 0, m, e, rows, w, m, go, o_row, first > 0, item_data(job, job->gv, item),
                   e));
  }
  scores_grad(job, item, first, rows, w, g);
  NJ_TRY(product(job, 0, 0, rows, d, m, g, m, k, k_row, 0, gq, d));
  return product(job, 1, 0, m, d, rows, g, m, q, q_row, first > 0, item_data(job, job->gk, item),
                 d);
}

static nj_status backward_task(void *argument, int64_t item, int worker) {
  (void)worker;
  const attention_job *job = argument;
  size_t bytes = (size_t)(QUERIES * job->m) * job->size;
  void *w = nj_alloc(job->ctx, bytes), *g = nj_alloc(job->ctx, bytes);
  nj_status st = w && g ? NJ_OK : NJ_ENOMEM;
  for (int64_t first = 0; !st && first < job->n; first += QUERIES)
    st =
        backward_block(job, item, first, job->n - first < QUERIES ? job->n - first : QUERIES, w, g);
  nj_free(job->ctx, w);
  nj_free(job->ctx, g);
  return st;
}

/* ---- checks ---- */

static nj_status check_dtypes(nj_ctx *ctx, const nj_tensor *q, const nj_tensor *k,
                              const nj_tensor *v, const nj_tensor *mask) {
  if (!nj_dtype_is_float(q->dtype) || k->dtype != q->dtype || v->dtype != q->dtype)
    return nj_fail(ctx, NJ_EDTYPE,
                   "attention: expected q, k and v of one floating dtype, got %s, "
                   "%s and %s",
                   nj_dtype_name(q->dtype), nj_dtype_name(k->dtype), nj_dtype_name(v->dtype));
  if (mask && mask->dtype != NJ_U8 && mask->dtype != q->dtype)
    return nj_fail(ctx, NJ_EDTYPE,
                   "attention: the mask must be uint8 (which keys are seen) or %s "
                   "(added to the scores), got %s",
                   nj_dtype_name(q->dtype), nj_dtype_name(mask->dtype));
  return NJ_OK;
}

static nj_status check_shapes(nj_ctx *ctx, const nj_tensor *q, const nj_tensor *k,
                              const nj_tensor *v) {
  int n = q->ndim, fits = n >= 2 && k->ndim == n && v->ndim == n;
  for (int i = 0; fits && i < n - 2; i++)
    fits = q->shape[i] == k->shape[i] && q->shape[i] == v->shape[i];
  if (!fits || q->shape[n - 1] != k->shape[n - 1] || k->shape[n - 2] != v->shape[n - 2])
    return nj_fail(ctx, NJ_ESHAPE,
                   "attention: expected q (…, N, D), k (…, M, D) and v (…, M, E), "
                   "got %s, %s and %s",
                   NJ_SHAPE_OF(q), NJ_SHAPE_OF(k), NJ_SHAPE_OF(v));
  return NJ_OK;
}

/* The mask's strides for (…, N, M), 0 where it is broadcast. */
static nj_status mask_strides(attention_job *job) {
  const nj_tensor *mask = job->mask;
  int n = job->n_lead + 2;
  if (!mask)
    return NJ_OK;
  int64_t shape[NJ_MAX_DIMS];
  memcpy(shape, job->lead, sizeof shape);
  shape[n - 2] = job->n;
  shape[n - 1] = job->m;
  int fits = mask->ndim <= n;
  for (int i = 1; fits && i <= mask->ndim; i++) {
    int64_t size = mask->shape[mask->ndim - i];
    fits = size == 1 || size == shape[n - i];
    job->mask_stride[n - i] = size == 1 ? 0 : mask->stride[mask->ndim - i];
  }
  if (!fits)
    return nj_fail(job->ctx, NJ_ESHAPE, "attention: a mask %s does not broadcast to %s",
                   NJ_SHAPE_OF(mask),
                   nj_shape_text(n, shape, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT));
  return NJ_OK;
}

static nj_status describe(nj_ctx *ctx, const nj_tensor *q, const nj_tensor *k, const nj_tensor *v,
                          const nj_tensor *mask, attention_job *job) {
  int n = q->ndim;
  *job = (attention_job){.ctx = ctx,
                         .kernels = nj_ctx_kernels(ctx),
                         .dtype = q->dtype,
                         .size = nj_dtype_size(q->dtype),
                         .n_lead = n - 2,
                         .items = 1,
                         .n = q->shape[n - 2],
                         .m = k->shape[n - 2],
                         .d = q->shape[n - 1],
                         .e = v->shape[n - 1],
                         .q = q,
                         .k = k,
                         .v = v,
                         .mask = mask};
  for (int i = 0; i < n - 2; i++) {
    job->lead[i] = q->shape[i];
    job->items *= q->shape[i];
  }
  job->blocks = (job->n + QUERIES - 1) / QUERIES;
  return mask_strides(job);
}

/* x itself when its rows are contiguous, else a contiguous copy. */
static nj_status with_rows(nj_tensor *x, nj_tensor **out) {
  int n = x->ndim;
  if ((x->stride[n - 1] != 1 && x->shape[n - 1] != 1) ||
      (x->stride[n - 2] < x->shape[n - 1] && x->shape[n - 2] != 1))
    return nj_as_contiguous(x, out);
  *out = nj_retain(x);
  return NJ_OK;
}

/* A fresh (…, N, E); with two leading dimensions its memory is (B, N, H, E). */
static nj_status empty_output(const attention_job *job, nj_tensor **out) {
  int n = job->n_lead;
  int64_t shape[NJ_MAX_DIMS];
  memcpy(shape, job->lead, sizeof shape);
  shape[n] = job->n;
  shape[n + 1] = job->e;
  if (n != 2)
    return nj_empty(job->ctx, job->dtype, n + 2, shape, out);
  nj_tensor *y = NULL;
  NJ_TRY(
      nj_empty(job->ctx, job->dtype, 4, (int64_t[]){shape[0], shape[2], shape[1], shape[3]}, &y));
  int64_t stride[] = {y->stride[0], y->stride[2], y->stride[1], y->stride[3]};
  nj_status st = nj_alias(y, 4, shape, stride, 0, out);
  nj_release(y);
  return st;
}

/* ---- the operation ---- */

typedef struct {
  nj_tensor *q, *k, *v, *grad; /* with contiguous rows */
} readable;

static nj_status make_readable(nj_tensor *q, nj_tensor *k, nj_tensor *v, nj_tensor *grad,
                               readable *r) {
  NJ_TRY(with_rows(q, &r->q));
  NJ_TRY(with_rows(k, &r->k));
  NJ_TRY(with_rows(v, &r->v));
  return grad ? with_rows(grad, &r->grad) : NJ_OK;
}

static void drop_readable(readable *r) {
  nj_release(r->q);
  nj_release(r->k);
  nj_release(r->v);
  nj_release(r->grad);
}

/* The gradient of the mask: the scores' gradient, summed where the mask was broadcast. */
static nj_status mask_grad(nj_ctx *ctx, const attention_job *job, nj_tensor **out) {
  return nj_sum_to(ctx, job->gmask, job->dtype, job->mask->ndim, job->mask->shape, out);
}

/* saved: q, k, v, mask; reals: scale, dropout; ints: seed, stream, counter. */
static nj_status run_backward(nj_ctx *ctx, nj_node *node, const readable *r, nj_tensor **grads) {
  attention_job job;
  NJ_TRY(describe(ctx, r->q, r->k, r->v, node->saved[3], &job));
  job.grad = r->grad;
  job.scale = node->reals[0];
  job.dropout = node->reals[1];
  job.rng = (nj_rng){(uint64_t)node->ints[0], (uint64_t)node->ints[1], (uint64_t)node->ints[2]};
  int64_t shape[NJ_MAX_DIMS];
  memcpy(shape, job.lead, sizeof shape);
  shape[job.n_lead] = job.n;
  shape[job.n_lead + 1] = job.m;
  NJ_TRY(nj_zeros(ctx, job.dtype, r->q->ndim, r->q->shape, &grads[0]));
  NJ_TRY(nj_zeros(ctx, job.dtype, r->k->ndim, r->k->shape, &grads[1]));
  NJ_TRY(nj_zeros(ctx, job.dtype, r->v->ndim, r->v->shape, &grads[2]));
  if (nj_needs(node, 3))
    NJ_TRY(nj_empty(ctx, job.dtype, job.n_lead + 2, shape, &job.gmask));
  job.gq = grads[0];
  job.gk = grads[1];
  job.gv = grads[2];
  nj_status st = job.m > 0 ? nj_parallel(ctx, job.items, backward_task, &job) : NJ_OK;
  if (!st && job.gmask)
    st = mask_grad(ctx, &job, &grads[3]);
  nj_release(job.gmask);
  return st;
}

static nj_status attention_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad,
                                    nj_tensor **grads) {
  readable r = {0};
  nj_status st = make_readable(node->saved[0], node->saved[1], node->saved[2], grad, &r);
  if (!st)
    st = run_backward(ctx, node, &r, grads);
  drop_readable(&r);
  for (int i = 0; i < 3; i++)
    if (!st && !nj_needs(node, i)) {
      nj_release(grads[i]);
      grads[i] = NULL;
    }
  return st;
}

static nj_status record(nj_ctx *ctx, nj_tensor *y, nj_tensor *const inputs[4],
                        const attention_job *job) {
  nj_node *node = NULL;
  NJ_TRY(nj_record(ctx, y, "attention", attention_backward, 4, inputs, &node));
  if (!node)
    return NJ_OK;
  node->reals[0] = job->scale;
  node->reals[1] = job->dropout;
  node->ints[0] = (int64_t)job->rng.seed;
  node->ints[1] = (int64_t)job->rng.stream;
  node->ints[2] = (int64_t)job->rng.counter;
  for (int i = 0; i < 4; i++)
    NJ_TRY(nj_save(node, i, inputs[i]));
  return NJ_OK;
}

nj_status nj_attention(nj_ctx *ctx, nj_tensor *q, nj_tensor *k, nj_tensor *v, nj_tensor *mask,
                       const nj_attention_options *options, nj_tensor **out) {
  nj_attention_options o = options ? *options : (nj_attention_options){0};
  readable r = {0};
  attention_job job;
  nj_tensor *y = NULL;
  NJ_TRY(check_dtypes(ctx, q, k, v, mask));
  NJ_TRY(check_shapes(ctx, q, k, v));
  if (!(o.dropout >= 0 && o.dropout < 1) || (o.dropout > 0 && !o.rng))
    return nj_fail(ctx, NJ_EARG, "attention: expected dropout in [0, 1) and a generator, got %g",
                   o.dropout);
  nj_status st = make_readable(q, k, v, NULL, &r);
  if (!st)
    st = describe(ctx, r.q, r.k, r.v, mask, &job);
  if (!st)
    st = empty_output(&job, &y);
  if (!st) {
    job.out = y;
    job.scale = o.scale != 0 ? o.scale : job.d > 0 ? 1 / sqrt((double)job.d) : 1;
    job.dropout = o.dropout;
    job.rng = o.rng ? *o.rng : (nj_rng){0};
    st = nj_parallel(ctx, job.items * job.blocks, forward_task, &job);
  }
  if (!st)
    st = record(ctx, y, (nj_tensor *[]){q, k, v, mask}, &job);
  if (!st && o.dropout > 0)
    o.rng->counter += (uint64_t)(job.items * job.n * job.m);
  drop_readable(&r);
  return nj_finish(st, y, out);
}
