#include "ops/pool.h"

#include <string.h>

#include "base/int.h"
#include "base/parallel.h"
#include "kernels/kernels.h"
#include "kernels/pool.h"
#include "ops/columns.h"
#include "tensor/autograd.h"

nj_pool_options nj_pool_default_options(int64_t height, int64_t width) {
  return (nj_pool_options){.kernel = {height, width}, .stride = {height, width}};
}

typedef enum { AVERAGE, LARGEST, ADAPTIVE } kind;

/* One call: which pixels each result pools, as tables of first and past-last rows and columns. */
typedef struct {
  nj_ctx *ctx;
  const struct nj_pool_kernels *kernels;
  nj_dtype dtype;
  int64_t batch, channels, in_h, in_w, out_h, out_w;
  int64_t *y_begin, *y_end, *x_begin, *x_end; /* one allocation, at y_begin */
  int64_t divisor;
  const char *in; /* channels-last; backward: the gradient */
  char *out;
  int64_t *index; /* max: where each largest was, as an element of the image */
} pool_job;

/* ints: kind, kernel, stride, padding, skip_padding, output size. */
typedef struct {
  kind kind;
  nj_pool_options o;
  int64_t out[2];
} request;

static const char *name_of(kind k) {
  return k == AVERAGE ? "avg_pool2d" : k == LARGEST ? "max_pool2d" : "adaptive_avg_pool2d";
}

static nj_status make_tables(pool_job *job, const request *r) {
  int64_t *t = nj_calloc(job->ctx, (size_t)(job->out_h + job->out_w), 2 * sizeof *t);
  if (!t)
    return NJ_ENOMEM;
  job->y_begin = t;
  job->y_end = t + job->out_h;
  job->x_begin = job->y_end + job->out_h;
  job->x_end = job->x_begin + job->out_w;
  for (int d = 0; d < 2; d++) {
    int64_t *begin = d ? job->x_begin : job->y_begin, *end = d ? job->x_end : job->y_end;
    int64_t in = d ? job->in_w : job->in_h, out = d ? job->out_w : job->out_h;
    for (int64_t i = 0; i < out; i++) {
      int64_t from = i * r->o.stride[d] - r->o.padding[d];
      begin[i] = r->kind == ADAPTIVE ? i * in / out : nj_max_i64(0, from);
      end[i] = r->kind == ADAPTIVE ? ((i + 1) * in + out - 1) / out
                                   : nj_min_i64(in, from + r->o.kernel[d]);
    }
  }
  return NJ_OK;
}

static nj_status make_job(nj_ctx *ctx, const nj_tensor *x, const request *r, pool_job *job) {
  *job = (pool_job){.ctx = ctx,
                    .kernels = nj_ctx_kernels(ctx)->pool,
                    .dtype = x->dtype,
                    .batch = x->shape[0],
                    .channels = x->shape[1],
                    .in_h = x->shape[2],
                    .in_w = x->shape[3],
                    .out_h = r->out[0],
                    .out_w = r->out[1]};
  if (r->kind == AVERAGE && !r->o.skip_padding)
    job->divisor = r->o.kernel[0] * r->o.kernel[1];
  return make_tables(job, r);
}

/* ---- forward ---- */

#define FORWARD_ROW(ROW, T, table)                                                       \
  do {                                                                                   \
    int64_t row_size = job->in_w * job->channels, out_size = job->out_w * job->channels; \
    ROW row = {.channels = job->channels,                                                \
               .width = job->out_w,                                                      \
               .begin = job->x_begin,                                                    \
               .end = job->x_end,                                                        \
               .rows = job->y_end[y] - job->y_begin[y],                                  \
               .row_size = row_size,                                                     \
               .divisor = job->divisor,                                                  \
               .in = (const T *)(const void *)job->in +                                  \
                     (image * job->in_h + job->y_begin[y]) * row_size,                   \
               .out = (T *)(void *)job->out + block * out_size};                         \
    if (!job->index) {                                                                   \
      (table)->average(&row);                                                            \
      break;                                                                             \
    }                                                                                    \
    int64_t *index = job->index + block * out_size;                                      \
    (table)->largest(&row, index);                                                       \
    for (int64_t i = 0; i < out_size; i++)                                               \
      index[i] += job->y_begin[y] * row_size;                                            \
  } while (0)

static nj_status forward_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const pool_job *job = argument;
  for (int64_t block = begin; block < end; block++) {
    int64_t image = block / job->out_h, y = block % job->out_h;
    if (job->dtype == NJ_F32)
      FORWARD_ROW(nj_pool_row, float, job->kernels);
    else
      FORWARD_ROW(nj_pool_row_double, double, &nj_pool_double);
  }
  return NJ_OK;
}

/* ---- backward ---- */

/* One row of the input's gradient: every row of results whose windows cover it adds its share. */
#define AVERAGE_ROW(ROW, T, table)                                             \
  do {                                                                         \
    T *gx = (T *)(void *)job->out + block * job->in_w * job->channels;         \
    memset(gx, 0, (size_t)(job->in_w * job->channels) * sizeof *gx);           \
    for (int64_t o = 0; o < job->out_h; o++) {                                 \
      if (job->y_begin[o] > y || job->y_end[o] <= y)                           \
        continue;                                                              \
      ROW row = {.channels = job->channels,                                    \
                 .width = job->out_w,                                          \
                 .begin = job->x_begin,                                        \
                 .end = job->x_end,                                            \
                 .rows = job->y_end[o] - job->y_begin[o],                      \
                 .divisor = job->divisor,                                      \
                 .in = (const T *)(const void *)job->in +                      \
                       (image * job->out_h + o) * job->out_w * job->channels}; \
      (table)->average_grad(&row, gx);                                         \
    }                                                                          \
  } while (0)

static nj_status average_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const pool_job *job = argument;
  for (int64_t block = begin; block < end; block++) {
    int64_t image = block / job->in_h, y = block % job->in_h;
    if (job->dtype == NJ_F32)
      AVERAGE_ROW(nj_pool_row, float, job->kernels);
    else
      AVERAGE_ROW(nj_pool_row_double, double, &nj_pool_double);
  }
  return NJ_OK;
}

static nj_status largest_image(void *argument, int64_t image, int worker) {
  (void)worker;
  const pool_job *job = argument;
  int64_t in_size = job->in_h * job->in_w * job->channels;
  int64_t out_size = job->out_h * job->out_w * job->channels;
  const int64_t *index = job->index + image * out_size;
  if (job->dtype == NJ_F32) {
    const float *g = (const float *)(const void *)job->in + image * out_size;
    float *gx = (float *)(void *)job->out + image * in_size;
    memset(gx, 0, (size_t)in_size * sizeof *gx);
    for (int64_t i = 0; i < out_size; i++)
      gx[index[i]] += g[i];
  } else {
    const double *g = (const double *)(const void *)job->in + image * out_size;
    double *gx = (double *)(void *)job->out + image * in_size;
    memset(gx, 0, (size_t)in_size * sizeof *gx);
    for (int64_t i = 0; i < out_size; i++)
      gx[index[i]] += g[i];
  }
  return NJ_OK;
}

/* ints: kind, kernel 2, stride 2, padding 2, skip, output 2, input shape 4. saved: index (max). */
static request saved_request(const nj_node *node) {
  const int64_t *i = node->ints;
  return (request){(kind)i[0], {{i[1], i[2]}, {i[3], i[4]}, {i[5], i[6]}, (int)i[7]}, {i[8], i[9]}};
}

static nj_status pool_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  request r = saved_request(node);
  pool_job job = {0};
  nj_tensor *shape_of = NULL, *g = NULL;
  /* A header with the input's shape: its memory is never looked at. */
  nj_status st = nj_alias(grad, 4, node->ints + 10, (int64_t[4]){0}, grad->offset, &shape_of);
  if (!st)
    st = nj_empty_dim_last(shape_of, 1, &grads[0]);
  if (!st)
    st = nj_dim_last(grad, 1, &g);
  if (!st)
    st = make_job(ctx, shape_of, &r, &job);
  if (!st && nj_numel(grads[0]) > 0) {
    job.in = nj_data(g);
    job.out = nj_data(grads[0]);
    job.index = r.kind == LARGEST ? NJ_I64_DATA(node->saved[0]) : NULL;
    int64_t rows = 1 + 16384 / (job.in_w * job.channels);
    st = r.kind == LARGEST ? nj_parallel(ctx, job.batch, largest_image, &job)
                           : nj_parallel_range(ctx, job.batch * job.in_h, rows, average_rows, &job);
  }
  nj_free(ctx, job.y_begin);
  nj_release(shape_of);
  nj_release(g);
  return st;
}

/* ---- the operations ---- */

static nj_status check_input(nj_ctx *ctx, const nj_tensor *x, const char *op) {
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "%s: expected float32 or float64, got %s", op,
                   nj_dtype_name(x->dtype));
  if (x->ndim != 4)
    return nj_fail(ctx, NJ_ESHAPE, "%s: expected x (B, C, H, W), got %s", op, NJ_SHAPE_OF(x));
  return NJ_OK;
}

static nj_status find_output(nj_ctx *ctx, const nj_tensor *x, request *r) {
  const char *op = name_of(r->kind);
  for (int d = 0; d < 2; d++) {
    int64_t kernel = r->o.kernel[d], stride = r->o.stride[d], padding = r->o.padding[d];
    const int64_t big = 1 << 20;
    if (kernel < 1 || stride < 1 || padding < 0 || kernel > big || stride > big)
      return nj_fail(ctx, NJ_EARG,
                     "%s: expected kernel and stride of at least 1 and padding of at "
                     "least 0, got kernel %lld, stride %lld, padding %lld",
                     op, (long long)kernel, (long long)stride, (long long)padding);
    if (padding > kernel / 2)
      return nj_fail(ctx, NJ_EARG, "%s: padding %lld is more than half the kernel %lld", op,
                     (long long)padding, (long long)kernel);
    int64_t room = x->shape[2 + d] + 2 * padding;
    if (room < kernel || x->shape[2 + d] == 0)
      return nj_fail(ctx, NJ_ESHAPE,
                     "%s: the kernel spans %lld but the padded input has %lld %s: "
                     "%s",
                     op, (long long)kernel, (long long)room, d ? "columns" : "rows",
                     NJ_SHAPE_OF(x));
    r->out[d] = (room - kernel) / stride + 1;
  }
  return NJ_OK;
}

static nj_status record(nj_ctx *ctx, nj_tensor *x, nj_tensor *y, const request *r,
                        nj_tensor *index) {
  nj_node *node = NULL;
  NJ_TRY(nj_record(ctx, y, name_of(r->kind), pool_backward, 1, &x, &node));
  if (!node)
    return NJ_OK;
  const nj_pool_options *o = &r->o;
  int64_t ints[] = {r->kind,       o->kernel[0],  o->kernel[1],    o->stride[0], o->stride[1],
                    o->padding[0], o->padding[1], o->skip_padding, r->out[0],    r->out[1],
                    x->shape[0],   x->shape[1],   x->shape[2],     x->shape[3]};
  memcpy(node->ints, ints, sizeof ints);
  return nj_save(node, 0, index);
}

static nj_status pool(nj_ctx *ctx, nj_tensor *x, const request *r, nj_tensor **out) {
  pool_job job;
  nj_tensor *xl = NULL, *y = NULL, *index = NULL, *shape_of = NULL;
  int64_t shape[4] = {x->shape[0], x->shape[1], r->out[0], r->out[1]};
  NJ_TRY(make_job(ctx, x, r, &job));
  nj_status st = nj_alias(x, 4, shape, (int64_t[4]){0}, x->offset, &shape_of);
  if (!st)
    st = nj_empty_dim_last(shape_of, 1, &y);
  if (!st)
    st = nj_dim_last(x, 1, &xl);
  if (!st && r->kind == LARGEST)
    st = nj_empty(ctx, NJ_I64, 4, shape, &index);
  if (!st && nj_numel(y) > 0) {
    job.in = nj_data(xl);
    job.out = nj_data(y);
    job.index = index ? NJ_I64_DATA(index) : NULL;
    int64_t rows = 1 + 16384 / (job.in_w * job.channels);
    st = nj_parallel_range(ctx, job.batch * job.out_h, rows, forward_rows, &job);
  }
  if (!st)
    st = record(ctx, x, y, r, index);
  nj_free(ctx, job.y_begin);
  nj_release(shape_of);
  nj_release(xl);
  nj_release(index);
  return nj_finish(st, y, out);
}

static nj_status pool_windows(nj_ctx *ctx, nj_tensor *x, kind k, const nj_pool_options *options,
                              nj_tensor **out) {
  request r = {.kind = k, .o = *options};
  NJ_TRY(check_input(ctx, x, name_of(k)));
  NJ_TRY(find_output(ctx, x, &r));
  return pool(ctx, x, &r, out);
}

nj_status nj_avg_pool2d(nj_ctx *ctx, nj_tensor *x, const nj_pool_options *options,
                        nj_tensor **out) {
  return pool_windows(ctx, x, AVERAGE, options, out);
}

nj_status nj_max_pool2d(nj_ctx *ctx, nj_tensor *x, const nj_pool_options *options,
                        nj_tensor **out) {
  return pool_windows(ctx, x, LARGEST, options, out);
}

nj_status nj_adaptive_avg_pool2d(nj_ctx *ctx, nj_tensor *x, int64_t h, int64_t w, nj_tensor **out) {
  request r = {.kind = ADAPTIVE, .out = {h, w}};
  NJ_TRY(check_input(ctx, x, "adaptive_avg_pool2d"));
  if (h < 1 || w < 1 || h > 1 << 20 || w > 1 << 20)
    return nj_fail(ctx, NJ_EARG,
                   "adaptive_avg_pool2d: expected an output of at least 1 x 1, got "
                   "%lld x %lld",
                   (long long)h, (long long)w);
  if (x->shape[2] == 0 || x->shape[3] == 0)
    return nj_fail(ctx, NJ_ESHAPE, "adaptive_avg_pool2d: the image is empty: %s", NJ_SHAPE_OF(x));
  return pool(ctx, x, &r, out);
}
