/* Convolution in float64 by plain loops: what gradient checks differentiate. */
#include <string.h>

#include "base/parallel.h"
#include "kernels/conv.h"

typedef struct {
  const nj_conv_shape *shape;
  const double *x, *w, *dy, *bias;
  nj_conv_strides xs, dys;
  const int64_t *w_stride;
  double *out;
} job_f64;

/* The input row or column that tap k of output o reads; -1 in the padding. */
static int64_t source(int64_t o, int64_t k, int64_t stride, int64_t pad, int64_t dilation,
                      int64_t size) {
  int64_t i = o * stride - pad + k * dilation;
  return i >= 0 && i < size ? i : -1;
}

static double output_at(const job_f64 *job, int64_t b, int64_t oc, int64_t oy, int64_t ox) {
  const nj_conv_shape *s = job->shape;
  int64_t in = s->in_channels / s->groups, first = oc / (s->out_channels / s->groups) * in;
  double sum = job->bias ? job->bias[oc] : 0.0;
  for (int64_t ky = 0; ky < s->kernel_h; ky++)
    for (int64_t kx = 0; kx < s->kernel_w; kx++) {
      int64_t iy = source(oy, ky, s->stride_h, s->pad_h, s->dilation_h, s->in_h);
      int64_t ix = source(ox, kx, s->stride_w, s->pad_w, s->dilation_w, s->in_w);
      if (iy < 0 || ix < 0)
        continue;
      const double *x = job->x + b * job->xs.batch + iy * job->xs.y + ix * job->xs.x;
      const double *w =
          job->w + oc * job->w_stride[0] + ky * job->w_stride[2] + kx * job->w_stride[3];
      for (int64_t c = 0; c < in; c++)
        sum += x[(first + c) * job->xs.channel] * w[c * job->w_stride[1]];
    }
  return sum;
}

static nj_status run_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const job_f64 *job = argument;
  const nj_conv_shape *s = job->shape;
  for (int64_t row = begin; row < end; row++)
    for (int64_t x = 0; x < s->out_w; x++)
      for (int64_t c = 0; c < s->out_channels; c++)
        job->out[(row * s->out_w + x) * s->out_channels + c] =
            output_at(job, row / s->out_h, c, row % s->out_h, x);
  return NJ_OK;
}

nj_status nj_conv_run_f64(nj_ctx *ctx, const nj_conv_shape *shape, const double *x,
                          nj_conv_strides xs, const double *w, const int64_t w_stride[4],
                          const double *bias, double *out) {
  job_f64 job = {
      .shape = shape, .x = x, .xs = xs, .w = w, .w_stride = w_stride, .bias = bias, .out = out};
  return nj_parallel_range(ctx, shape->batch * shape->out_h, 1, run_rows, &job);
}

/* Adds what one output element's gradient gives to the image's input gradient. */
static void spread_gradient(const job_f64 *job, double g, int64_t oc, int64_t oy, int64_t ox,
                            double *dx) {
  const nj_conv_shape *s = job->shape;
  int64_t in = s->in_channels / s->groups, first = oc / (s->out_channels / s->groups) * in;
  for (int64_t ky = 0; ky < s->kernel_h; ky++)
    for (int64_t kx = 0; kx < s->kernel_w; kx++) {
      int64_t iy = source(oy, ky, s->stride_h, s->pad_h, s->dilation_h, s->in_h);
      int64_t ix = source(ox, kx, s->stride_w, s->pad_w, s->dilation_w, s->in_w);
      if (iy < 0 || ix < 0)
        continue;
      const double *w =
          job->w + oc * job->w_stride[0] + ky * job->w_stride[2] + kx * job->w_stride[3];
      double *to = dx + (iy * s->in_w + ix) * s->in_channels + first;
      for (int64_t c = 0; c < in; c++)
        to[c] += g * w[c * job->w_stride[1]];
    }
}

static nj_status input_image(void *argument, int64_t b, int worker) {
  (void)worker;
  const job_f64 *job = argument;
  const nj_conv_shape *s = job->shape;
  int64_t size = s->in_h * s->in_w * s->in_channels;
  double *dx = job->out + b * size;
  memset(dx, 0, (size_t)size * sizeof *dx);
  for (int64_t y = 0; y < s->out_h; y++)
    for (int64_t x = 0; x < s->out_w; x++)
      for (int64_t c = 0; c < s->out_channels; c++)
        spread_gradient(
            job,
            job->dy[b * job->dys.batch + y * job->dys.y + x * job->dys.x + c * job->dys.channel], c,
            y, x, dx);
  return NJ_OK;
}

nj_status nj_conv_input_grad_f64(nj_ctx *ctx, const nj_conv_shape *shape, const double *dy,
                                 nj_conv_strides dys, const double *w, const int64_t w_stride[4],
                                 double *dx) {
  job_f64 job = {.shape = shape, .dy = dy, .dys = dys, .w = w, .w_stride = w_stride, .out = dx};
  return nj_parallel(ctx, shape->batch, input_image, &job);
}

static double weight_at(const job_f64 *job, int64_t oc, int64_t c, int64_t ky, int64_t kx) {
  const nj_conv_shape *s = job->shape;
  int64_t first = oc / (s->out_channels / s->groups) * (s->in_channels / s->groups);
  double sum = 0.0;
  for (int64_t b = 0; b < s->batch; b++)
    for (int64_t y = 0; y < s->out_h; y++)
      for (int64_t x = 0; x < s->out_w; x++) {
        int64_t iy = source(y, ky, s->stride_h, s->pad_h, s->dilation_h, s->in_h);
        int64_t ix = source(x, kx, s->stride_w, s->pad_w, s->dilation_w, s->in_w);
        if (iy >= 0 && ix >= 0)
          sum +=
              job->x[b * job->xs.batch + iy * job->xs.y + ix * job->xs.x +
                     (first + c) * job->xs.channel] *
              job->dy[b * job->dys.batch + y * job->dys.y + x * job->dys.x + oc * job->dys.channel];
      }
  return sum;
}

static nj_status weight_rows(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const job_f64 *job = argument;
  const nj_conv_shape *s = job->shape;
  int64_t in = s->in_channels / s->groups, taps = s->kernel_h * s->kernel_w;
  for (int64_t i = begin; i < end; i++)
    for (int64_t t = 0; t < taps; t++)
      job->out[i * taps + t] = weight_at(job, i / in, i % in, t / s->kernel_w, t % s->kernel_w);
  return NJ_OK;
}

nj_status nj_conv_weight_grad_f64(nj_ctx *ctx, const nj_conv_shape *shape, const double *x,
                                  nj_conv_strides xs, const double *dy, nj_conv_strides dys,
                                  double *dw) {
  job_f64 job = {.shape = shape, .x = x, .xs = xs, .dy = dy, .dys = dys, .out = dw};
  return nj_parallel_range(ctx, shape->out_channels * (shape->in_channels / shape->groups), 1,
                           weight_rows, &job);
}
