#include "ops/resize.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/columns.h"
#include "tensor/autograd.h"

#define TAPS 4

/* What one output row or column reads: TAPS places with their weights (0 where unused). */
typedef struct {
  int64_t at[TAPS];
  double weight[TAPS];
} tap;

/* One call. Images are channels-last; `wide` holds (B, out_h, W, C): rows done, columns not. */
typedef struct {
  nj_ctx *ctx;
  nj_dtype dtype;
  int64_t batch, channels, in_h, in_w, out_h, out_w;
  tap *y, *x; /* one allocation, at y */
  char *in, *wide, *out;
} resize_job;

/* Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -0.75. */
static void cubic_weights(double t, double *w) {
  const double a = -0.75;
  for (int i = 0; i < 4; i++) {
    double d = fabs(t + 1 - i); /* distance from tap i */
    w[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  }
}

static int64_t clamp(int64_t i, int64_t n) { return i < 0 ? 0 : i < n ? i : n - 1; }

static tap make_tap(int64_t i, int64_t in, int64_t out, nj_resize_mode mode, int align) {
  tap t = {{0}, {0}};
  double scale = (double)in / (double)out;
  if (mode == NJ_RESIZE_NEAREST) {
    t.at[0] = clamp((int64_t)floor((double)i * scale), in);
    t.weight[0] = 1;
    return t;
  }
  if (align)
    scale = out > 1 ? (double)(in - 1) / (double)(out - 1) : 0;
  double at = align ? scale * (double)i : scale * ((double)i + 0.5) - 0.5;
  if (mode == NJ_RESIZE_BILINEAR) {
    at = at < 0 ? 0 : at;
    int64_t low = clamp((int64_t)at, in);
    double t1 = at - (double)low;
    t.at[0] = low;
    t.at[1] = clamp(low + 1, in);
    t.weight[0] = 1 - t1;
    t.weight[1] = t1;
    return t;
  }
  int64_t low = (int64_t)floor(at);
  cubic_weights(at - (double)low, t.weight);
  for (int k = 0; k < TAPS; k++)
    t.at[k] = clamp(low - 1 + k, in);
  return t;
}

static nj_status make_taps(resize_job *job, nj_resize_mode mode, int align) {
  tap *t = nj_calloc(job->ctx, (size_t)(job->out_h + job->out_w), sizeof *t);
  if (!t)
    return NJ_ENOMEM;
  job->y = t;
  job->x = t + job->out_h;
  for (int64_t i = 0; i < job->out_h; i++)
    job->y[i] = make_tap(i, job->in_h, job->out_h, mode, align);
  for (int64_t i = 0; i < job->out_w; i++)
    job->x[i] = make_tap(i, job->in_w, job->out_w, mode, align);
  return NJ_OK;
}

/* to += weight * from */
#define ADD_SCALED(T, to, from, factor, n) \
  do {                                     \
    const T factor_ = (T)(factor);         \
    for (int64_t c_ = 0; c_ < (n); c_++)   \
      (to)[c_] += factor_ * (from)[c_];    \
  } while (0)

/* ---- forward: one row of results, first down the columns, then along the row ---- */

#define FORWARD_ROW(T)                                                                    \
  do {                                                                                    \
    int64_t n = job->channels, row = job->in_w * n;                                       \
    const T *in = (const T *)(const void *)job->in + image * job->in_h * row;             \
    T *wide = (T *)(void *)job->wide + block * row;                                       \
    T *out = (T *)(void *)job->out + block * job->out_w * n;                              \
    memset(wide, 0, (size_t)row * sizeof *wide);                                          \
    memset(out, 0, (size_t)(job->out_w * n) * sizeof *out);                               \
    for (int k = 0; k < TAPS; k++)                                                        \
      if (down->weight[k] != 0)                                                           \
        ADD_SCALED(T, wide, in + down->at[k] * row, down->weight[k], row);                \
    for (int64_t x = 0; x < job->out_w; x++)                                              \
      for (int k = 0; k < TAPS; k++)                                                      \
        if (job->x[x].weight[k] != 0)                                                     \
          ADD_SCALED(T, out + x * n, wide + job->x[x].at[k] * n, job->x[x].weight[k], n); \
  } while (0)

static nj_status forward_row(void *argument, int64_t block, int worker) {
  (void)worker;
  const resize_job *job = argument;
  int64_t image = block / job->out_h;
  const tap *down = &job->y[block % job->out_h];
  if (job->dtype == NJ_F32)
    FORWARD_ROW(float);
  else
    FORWARD_ROW(double);
  return NJ_OK;
}

/* ---- backward: in holds the gradient of the result; along the rows, then up the columns ---- */

#define WIDE_GRAD_ROW(T)                                                                \
  do {                                                                                  \
    int64_t n = job->channels, row = job->in_w * n;                                     \
    const T *g = (const T *)(const void *)job->in + block * job->out_w * n;             \
    T *wide = (T *)(void *)job->wide + block * row;                                     \
    memset(wide, 0, (size_t)row * sizeof *wide);                                        \
    for (int64_t x = 0; x < job->out_w; x++)                                            \
      for (int k = 0; k < TAPS; k++)                                                    \
        if (job->x[x].weight[k] != 0)                                                   \
          ADD_SCALED(T, wide + job->x[x].at[k] * n, g + x * n, job->x[x].weight[k], n); \
  } while (0)

static nj_status wide_grad_row(void *argument, int64_t block, int worker) {
  (void)worker;
  const resize_job *job = argument;
  if (job->dtype == NJ_F32)
    WIDE_GRAD_ROW(float);
  else
    WIDE_GRAD_ROW(double);
  return NJ_OK;
}

#define GRAD_ROW(T)                                                                \
  do {                                                                             \
    int64_t row = job->in_w * job->channels;                                       \
    const T *wide = (const T *)(const void *)job->wide + image * job->out_h * row; \
    T *gx = (T *)(void *)job->out + block * row;                                   \
    memset(gx, 0, (size_t)row * sizeof *gx);                                       \
    for (int64_t o = 0; o < job->out_h; o++)                                       \
      for (int k = 0; k < TAPS; k++)                                               \
        if (job->y[o].at[k] == y && job->y[o].weight[k] != 0)                      \
          ADD_SCALED(T, gx, wide + o * row, job->y[o].weight[k], row);             \
  } while (0)

static nj_status grad_row(void *argument, int64_t block, int worker) {
  (void)worker;
  const resize_job *job = argument;
  int64_t image = block / job->in_h, y = block % job->in_h;
  if (job->dtype == NJ_F32)
    GRAD_ROW(float);
  else
    GRAD_ROW(double);
  return NJ_OK;
}

/* ints: mode, align_corners, input shape 4. */
static nj_status resize_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  const int64_t *s = node->ints + 2;
  resize_job job = {.ctx = ctx,
                    .dtype = grad->dtype,
                    .batch = s[0],
                    .channels = s[1],
                    .in_h = s[2],
                    .in_w = s[3],
                    .out_h = grad->shape[2],
                    .out_w = grad->shape[3]};
  nj_tensor *like = NULL, *g = NULL, *wide = NULL;
  nj_status st = nj_alias(grad, 4, s, (int64_t[4]){0}, grad->offset, &like);
  if (!st)
    st = nj_empty_dim_last(like, 1, &grads[0]);
  if (!st)
    st = nj_dim_last(grad, 1, &g);
  if (!st)
    st = nj_empty(ctx, grad->dtype, 4, (int64_t[]){s[0], job.out_h, job.in_w, job.channels}, &wide);
  if (!st)
    st = make_taps(&job, (nj_resize_mode)node->ints[0], (int)node->ints[1]);
  if (!st) {
    job.in = nj_data(g);
    job.wide = nj_data(wide);
    job.out = nj_data(grads[0]);
    st = nj_parallel(ctx, job.batch * job.out_h, wide_grad_row, &job);
  }
  if (!st)
    st = nj_parallel(ctx, job.batch * job.in_h, grad_row, &job);
  nj_free(ctx, job.y);
  nj_release(like);
  nj_release(g);
  nj_release(wide);
  return st;
}

static nj_status check(nj_ctx *ctx, const nj_tensor *x, int64_t h, int64_t w, nj_resize_mode mode,
                       int align_corners) {
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "resize: expected float32 or float64, got %s",
                   nj_dtype_name(x->dtype));
  if (x->ndim != 4 || x->shape[2] == 0 || x->shape[3] == 0)
    return nj_fail(ctx, NJ_ESHAPE,
                   "resize: expected images (B, C, H, W) that are not empty, got %s",
                   NJ_SHAPE_OF(x));
  if (h < 1 || w < 1 || h > 1 << 24 || w > 1 << 24)
    return nj_fail(ctx, NJ_EARG, "resize: expected a size of at least 1 x 1, got %lld x %lld",
                   (long long)h, (long long)w);
  if (mode == NJ_RESIZE_NEAREST && align_corners)
    return nj_fail(ctx, NJ_EARG, "resize: align_corners means nothing with mode nearest");
  return NJ_OK;
}

static nj_status record(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, nj_resize_mode mode, int align) {
  nj_node *node = NULL;
  NJ_TRY(nj_record(ctx, y, "resize", resize_backward, 1, &x, &node));
  if (!node)
    return NJ_OK;
  node->ints[0] = mode;
  node->ints[1] = align;
  memcpy(node->ints + 2, x->shape, 4 * sizeof *x->shape);
  return NJ_OK;
}

nj_status nj_resize(nj_ctx *ctx, nj_tensor *x, int64_t h, int64_t w, nj_resize_mode mode,
                    int align_corners, nj_tensor **out) {
  NJ_TRY(check(ctx, x, h, w, mode, align_corners));
  resize_job job = {.ctx = ctx,
                    .dtype = x->dtype,
                    .batch = x->shape[0],
                    .channels = x->shape[1],
                    .in_h = x->shape[2],
                    .in_w = x->shape[3],
                    .out_h = h,
                    .out_w = w};
  nj_tensor *like = NULL, *xl = NULL, *wide = NULL, *y = NULL;
  nj_status st = nj_alias(x, 4, (int64_t[]){x->shape[0], x->shape[1], h, w}, (int64_t[4]){0},
                          x->offset, &like);
  if (!st)
    st = nj_empty_dim_last(like, 1, &y);
  if (!st)
    st = nj_dim_last(x, 1, &xl);
  if (!st)
    st = nj_empty(ctx, x->dtype, 4, (int64_t[]){job.batch, h, job.in_w, job.channels}, &wide);
  if (!st)
    st = make_taps(&job, mode, align_corners);
  if (!st) {
    job.in = nj_data(xl);
    job.wide = nj_data(wide);
    job.out = nj_data(y);
    st = nj_parallel(ctx, job.batch * h, forward_row, &job);
  }
  if (!st)
    st = record(ctx, x, y, mode, align_corners);
  nj_free(ctx, job.y);
  nj_release(like);
  nj_release(xl);
  nj_release(wide);
  return nj_finish(st, y, out);
}
