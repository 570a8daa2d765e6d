#include "ops/cross_entropy.h"

#include <math.h>

#include "base/parallel.h"
#include "ops/columns.h"
#include "ops/softmax.h"
#include "tensor/autograd.h"

nj_cross_entropy_options nj_cross_entropy_default_options(void) {
  return (nj_cross_entropy_options){.reduction = NJ_REDUCTION_MEAN};
}

#define O nj_cross_entropy_options
static const char *const reductions[] = {"mean", "sum", "none", NULL};
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "smoothing", smoothing, 0, 1, 0),
    NJ_OPTION_RANGE(O, "base", base, 0, 1, NJ_OPTION_DERIVED),
    NJ_OPTION_ENUM(O, "reduction", reduction, reductions, 0),
};
NJ_OPTION_TABLE(cross_entropy, items, NULL)
#undef O

/* One call: log-probabilities (rows, n) and what they are held against. */
typedef struct {
  nj_ctx *ctx;
  nj_dtype dtype;
  int64_t rows, n;
  const void *log_p;
  const int64_t *classes; /* 0-based; -1: ignored. NULL with probabilities */
  const void *probs;
  double smoothing;
  void *loss;               /* (rows) */
  const void *g;            /* backward: gradient of each row's loss, scaled */
  void *d_logits, *d_probs; /* backward; may be NULL */
} entropy_job;

static int class_dim(const nj_tensor *logits) { return logits->ndim > 1 ? 1 : 0; }

#define TARGET(T, i, c)                                                                        \
  ((T)(1 - job->smoothing) * (probs ? probs[(i)*job->n + (c)] : (T)(job->classes[i] == (c))) + \
   (T)(job->smoothing / (double)job->n))

#define LOSS_ROWS(T)                                        \
  do {                                                      \
    const T *log_p = job->log_p, *probs = job->probs;       \
    T *loss = job->loss;                                    \
    for (int64_t i = begin; i < end; i++) {                 \
      double sum = 0;                                       \
      if (job->classes && job->classes[i] < 0) {            \
        loss[i] = 0;                                        \
        continue;                                           \
      }                                                     \
      if (job->classes && job->smoothing == 0) {            \
        loss[i] = -log_p[i * job->n + job->classes[i]];     \
        continue;                                           \
      }                                                     \
      for (int64_t c = 0; c < job->n; c++) {                \
        T t = TARGET(T, i, c);                              \
        if (t != 0)                                         \
          sum -= (double)t * (double)log_p[i * job->n + c]; \
      }                                                     \
      loss[i] = (T)sum;                                     \
    }                                                       \
  } while (0)

static nj_status loss_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const entropy_job *job = argument;
  if (job->dtype == NJ_F32)
    LOSS_ROWS(float);
  else
    LOSS_ROWS(double);
  return NJ_OK;
}

/* d loss / d logit = softmax * sum of targets - target; d loss / d probability = -(1 - s) log p. */
#define GRAD_ROWS(T, EXP)                                                                          \
  do {                                                                                             \
    const T *log_p = job->log_p, *probs = job->probs, *g = job->g;                                 \
    T *d_logits = job->d_logits, *d_probs = job->d_probs;                                          \
    for (int64_t i = begin; i < end; i++) {                                                        \
      int64_t at = i * job->n;                                                                     \
      int ignored = job->classes && job->classes[i] < 0;                                           \
      double total = 1;                                                                            \
      if (probs) {                                                                                 \
        total = 0;                                                                                 \
        for (int64_t c = 0; c < job->n; c++)                                                       \
          total += (double)TARGET(T, i, c);                                                        \
      }                                                                                            \
      for (int64_t c = 0; d_logits && c < job->n; c++)                                             \
        d_logits[at + c] = ignored ? 0 : g[i] * (EXP(log_p[at + c]) * (T)total - TARGET(T, i, c)); \
      for (int64_t c = 0; d_probs && c < job->n; c++)                                              \
        d_probs[at + c] = -(T)(1 - job->smoothing) * log_p[at + c] * g[i];                         \
    }                                                                                              \
  } while (0)

static nj_status grad_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const entropy_job *job = argument;
  if (job->dtype == NJ_F32)
    GRAD_ROWS(float, expf);
  else
    GRAD_ROWS(double, exp);
  return NJ_OK;
}

/* ---- targets ---- */

static nj_status check_logits(nj_ctx *ctx, const nj_tensor *logits,
                              const nj_cross_entropy_options *o) {
  if (!nj_dtype_is_float(logits->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "cross_entropy: expected float32 or float64 logits, got %s",
                   nj_dtype_name(logits->dtype));
  if (logits->ndim == 0 || logits->shape[class_dim(logits)] == 0)
    return nj_fail(ctx, NJ_ESHAPE,
                   "cross_entropy: expected logits (classes) or (N, classes, …), "
                   "got %s",
                   NJ_SHAPE_OF(logits));
  if (!(o->smoothing >= 0 && o->smoothing <= 1))
    return nj_fail(ctx, NJ_EARG, "cross_entropy: expected smoothing in [0, 1], got %g",
                   o->smoothing);
  return NJ_OK;
}

/* The logits' shape without the class dimension. */
static int row_shape(const nj_tensor *logits, int64_t *shape) {
  int at = 0;
  for (int d = 0; d < logits->ndim; d++)
    if (d != class_dim(logits))
      shape[at++] = logits->shape[d];
  return at;
}

static int targets_are_probs(const nj_tensor *targets) { return nj_dtype_is_float(targets->dtype); }

static nj_status check_targets(nj_ctx *ctx, const nj_tensor *logits, const nj_tensor *targets) {
  int64_t shape[NJ_MAX_DIMS];
  int n = row_shape(logits, shape), fits = targets->ndim == n;
  if (targets_are_probs(targets)) {
    if (targets->dtype != logits->dtype)
      return nj_fail(ctx, NJ_EDTYPE, "cross_entropy: probabilities are %s, logits %s",
                     nj_dtype_name(targets->dtype), nj_dtype_name(logits->dtype));
    if (!nj_same_shape(logits, targets))
      return nj_fail(ctx, NJ_ESHAPE,
                     "cross_entropy: logits %s need probabilities of that shape, got "
                     "%s",
                     NJ_SHAPE_OF(logits), NJ_SHAPE_OF(targets));
    return NJ_OK;
  }
  if (targets->dtype != NJ_I32 && targets->dtype != NJ_I64)
    return nj_fail(ctx, NJ_EDTYPE,
                   "cross_entropy: targets must be int32 or int64 classes, or "
                   "probabilities, got %s",
                   nj_dtype_name(targets->dtype));
  for (int d = 0; fits && d < n; d++)
    fits = targets->shape[d] == shape[d];
  if (!fits)
    return nj_fail(ctx, NJ_ESHAPE, "cross_entropy: logits %s need classes of shape %s, got %s",
                   NJ_SHAPE_OF(logits),
                   nj_shape_text(n, shape, (char[NJ_SHAPE_TEXT]){0}, NJ_SHAPE_TEXT),
                   NJ_SHAPE_OF(targets));
  return NJ_OK;
}

/* Classes as 0-based int64, -1 where ignored; how many are not in *counted. */
static nj_status read_classes(nj_ctx *ctx, const nj_tensor *targets, int64_t n,
                              const nj_cross_entropy_options *o, int64_t *counted,
                              nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, NJ_I64, targets->ndim, targets->shape, &y));
  nj_status st = nj_copy_values(y, targets);
  int64_t *c = NJ_I64_DATA(y), rows = nj_numel(y);
  *counted = 0;
  for (int64_t i = 0; !st && i < rows; i++) {
    if (o->has_ignore && c[i] == o->ignore) {
      c[i] = -1;
      continue;
    }
    if (c[i] < o->base || c[i] - o->base >= n)
      st = nj_fail(ctx, NJ_EINDEX, "cross_entropy: class %lld of row %lld is not in %d … %lld",
                   (long long)c[i], (long long)(i + 1), o->base, (long long)(n - 1 + o->base));
    c[i] -= o->base;
    ++*counted;
  }
  return nj_finish(st, y, out);
}

/* ---- the operation ---- */

/* saved: log-probabilities, classes or probabilities (class dimension last); the mean's divisor is
 * reals[1]. */
static nj_status entropy_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_tensor *log_p = node->saved[0], *targets = node->saved[1], *last = NULL, *probs = NULL;
  nj_tensor *g = NULL, *scaled = NULL, *d_logits = NULL, *d_probs = NULL;
  int dim = class_dim(log_p), probabilities = targets_are_probs(targets);
  int64_t n = log_p->shape[dim], rows = nj_numel(log_p) / n;
  nj_status st = nj_dim_last(log_p, dim, &last);
  if (!st && probabilities)
    st = nj_dim_last(targets, dim, &probs);
  if (!st)
    st = nj_as_contiguous(grad, &g);
  if (!st)
    st = nj_empty(ctx, grad->dtype, 1, &rows, &scaled);
  if (!st && nj_needs(node, 0))
    st = nj_empty_dim_last(log_p, dim, &d_logits);
  if (!st && probabilities && nj_needs(node, 1))
    st = nj_empty_dim_last(log_p, dim, &d_probs);
  if (!st) {
    int64_t each = node->ints[0] == NJ_REDUCTION_NONE;
    for (int64_t i = 0; i < rows; i++) {
      int64_t from = each ? i : 0;
      if (grad->dtype == NJ_F32)
        NJ_F32_DATA(scaled)[i] = (float)(NJ_F32_DATA(g)[from] / node->reals[1]);
      else
        NJ_F64_DATA(scaled)[i] = NJ_F64_DATA(g)[from] / node->reals[1];
    }
    entropy_job job = {.ctx = ctx,
                       .dtype = grad->dtype,
                       .rows = rows,
                       .n = n,
                       .log_p = nj_data(last),
                       .classes = probabilities ? NULL : NJ_I64_DATA(targets),
                       .probs = probabilities ? nj_data(probs) : NULL,
                       .smoothing = node->reals[0],
                       .g = nj_data(scaled),
                       .d_logits = d_logits ? nj_data(d_logits) : NULL,
                       .d_probs = d_probs ? nj_data(d_probs) : NULL};
    st = nj_parallel_range(ctx, rows, 1 + 8192 / n, grad_rows, &job);
  }
  nj_release(last);
  nj_release(probs);
  nj_release(g);
  nj_release(scaled);
  grads[0] = d_logits;
  grads[1] = d_probs;
  return st;
}

/* The sum of the rows' losses, in order, in double. */
static nj_status reduce(nj_ctx *ctx, const nj_tensor *loss, double divisor, nj_tensor **out) {
  double sum = 0;
  for (int64_t i = 0; i < nj_numel(loss); i++)
    sum += loss->dtype == NJ_F32 ? (double)NJ_F32_DATA(loss)[i] : NJ_F64_DATA(loss)[i];
  return nj_scalar(ctx, loss->dtype, sum / divisor, out);
}

typedef struct {
  nj_tensor *log_p;   /* class dimension innermost in memory */
  nj_tensor *classes; /* or NULL */
  int64_t counted;    /* rows not ignored */
} prepared;

static nj_status losses(nj_ctx *ctx, nj_tensor *targets, const nj_cross_entropy_options *o,
                        const prepared *p, nj_tensor **out) {
  nj_tensor *last = NULL, *probs = NULL, *loss = NULL;
  int dim = class_dim(p->log_p);
  int64_t n = p->log_p->shape[dim], shape[NJ_MAX_DIMS];
  int ndim = row_shape(p->log_p, shape);
  nj_status st = nj_dim_last(p->log_p, dim, &last);
  if (!st && !p->classes)
    st = nj_dim_last(targets, dim, &probs);
  if (!st)
    st = nj_empty(ctx, p->log_p->dtype, ndim, shape, &loss);
  if (!st) {
    entropy_job job = {.ctx = ctx,
                       .dtype = loss->dtype,
                       .rows = nj_numel(loss),
                       .n = n,
                       .log_p = nj_data(last),
                       .classes = p->classes ? NJ_I64_DATA(p->classes) : NULL,
                       .probs = probs ? nj_data(probs) : NULL,
                       .smoothing = o->smoothing,
                       .loss = nj_data(loss)};
    st = nj_parallel_range(ctx, job.rows, 1 + 8192 / n, loss_rows, &job);
  }
  nj_release(last);
  nj_release(probs);
  return nj_finish(st, loss, out);
}

static nj_status record(nj_ctx *ctx, nj_tensor *logits, nj_tensor *targets, const prepared *p,
                        const nj_cross_entropy_options *o, double divisor, nj_tensor *y) {
  nj_node *node = NULL;
  NJ_TRY(nj_record(ctx, y, "cross_entropy", entropy_backward, 2, (nj_tensor *[]){logits, targets},
                   &node));
  if (!node)
    return NJ_OK;
  node->ints[0] = o->reduction;
  node->reals[0] = o->smoothing;
  node->reals[1] = divisor;
  NJ_TRY(nj_save(node, 0, p->log_p));
  return nj_save(node, 1, p->classes ? p->classes : targets);
}

nj_status nj_cross_entropy(nj_ctx *ctx, nj_tensor *logits, nj_tensor *targets,
                           const nj_cross_entropy_options *options, nj_tensor **out) {
  nj_cross_entropy_options o = options ? *options : (nj_cross_entropy_options){0};
  prepared p = {0};
  nj_tensor *detached = NULL, *loss = NULL, *y = NULL;
  NJ_TRY(check_logits(ctx, logits, &o));
  NJ_TRY(check_targets(ctx, logits, targets));
  int64_t n = logits->shape[class_dim(logits)];
  p.counted = nj_numel(logits) / n;
  nj_status st = NJ_OK;
  if (!targets_are_probs(targets))
    st = read_classes(ctx, targets, n, &o, &p.counted, &p.classes);
  if (!st)
    st = nj_detach(logits, &detached);
  if (!st)
    st = nj_log_softmax(ctx, detached, class_dim(logits), &p.log_p);
  if (!st)
    st = losses(ctx, targets, &o, &p, &loss);
  double divisor = o.reduction == NJ_REDUCTION_MEAN ? (double)p.counted : 1.0;
  if (!st && o.reduction == NJ_REDUCTION_NONE)
    y = nj_retain(loss);
  else if (!st)
    st = reduce(ctx, loss, divisor, &y);
  if (!st)
    st = record(ctx, logits, targets, &p, &o, divisor, y);
  nj_release(detached);
  nj_release(loss);
  nj_release(p.log_p);
  nj_release(p.classes);
  return nj_finish(st, y, out);
}
