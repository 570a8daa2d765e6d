/* Two-dimensional convolution on raw memory.
 *
 * Activations are channels-last inside: pixel by pixel, all channels together. Inputs may have any
 * strides (rows are copied, padded, into scratch that stays in the cache: a ninth of a 3x3 kernel's
 * reads), results are contiguous channels-last. Products run over the register tiles of
 * kernels/tile.h, with k in the order (ky, kx, channel): one chain per output element, so a clip
 * has the same bits alone and in a batch and for any number of threads. */
#ifndef NJ_KERNELS_CONV_H
#define NJ_KERNELS_CONV_H

#include <stdint.h>

#include "base/context.h"
#include "kernels/conv_shape.h"

/* The floats of packed weights for a plan. */
int64_t nj_conv_packed_size(nj_ctx *ctx, const nj_conv_plan *plan);
/* Which order of weights a plan reads, to tell packed weights apart. */
int64_t nj_conv_packed_order(const nj_conv_plan *plan);
/* Packs weights (out, in / groups, kernel_h, kernel_w) of any strides: as they are for the forward
 * plan, turned around for the input plan (`turned`). */
nj_status nj_conv_pack(nj_ctx *ctx, const nj_conv_plan *plan, int turned, const float *w,
                       const int64_t w_stride[4], float *out);

/* out (channels-last, contiguous) = conv(x) + bias, clamped at zero with relu. bias may be NULL.
 * Errors: ENOMEM, EINTR. */
nj_status nj_conv_run(nj_ctx *ctx, const nj_conv_plan *plan, const float *x, nj_conv_strides xs,
                      const float *packed, const float *bias, int relu, float *out);

/* dw (out, in / groups, kernel_h, kernel_w), contiguous. Sums over short runs of pixels are added
 * up in a fixed order. Errors: ENOMEM, EINTR. */
nj_status nj_conv_weight_grad(nj_ctx *ctx, const nj_conv_shape *shape, const float *x,
                              nj_conv_strides xs, const float *dy, nj_conv_strides dys, float *dw);

/* The three in float64, by plain loops: for gradient checks. Same layouts; dx is channels-last. */
nj_status nj_conv_run_f64(nj_ctx *ctx, const nj_conv_shape *shape, const double *x,
                          nj_conv_strides xs, const double *w, const int64_t w_stride[4],
                          const double *bias, double *out);
nj_status nj_conv_input_grad_f64(nj_ctx *ctx, const nj_conv_shape *shape, const double *dy,
                                 nj_conv_strides dys, const double *w, const int64_t w_stride[4],
                                 double *dx);
nj_status nj_conv_weight_grad_f64(nj_ctx *ctx, const nj_conv_shape *shape, const double *x,
                                  nj_conv_strides xs, const double *dy, nj_conv_strides dys,
                                  double *dw);

/* One output row of a depthwise convolution over padded rows, all channels-last:
 * out[x][c] = start[c] + sum over taps of in[offset[t] + x * in_x + c] * w[t][c]. */
typedef struct {
  int64_t channels, width, taps;
  const float *in;
  const int64_t *offset; /* of each tap */
  int64_t in_x;
  const float *w;    /* (taps, channels) */
  const float *bias; /* (channels), or NULL */
  float *out;
  int relu;
} nj_depthwise_row;

/* dw[t][c] += sum over x of in[offset[t] + x * in_x + c] * dy[x * dy_x + c]. */
typedef struct {
  int64_t channels, width, taps;
  const float *in;
  const int64_t *offset;
  int64_t in_x;
  const float *dy;
  int64_t dy_x;
  float *dw;
} nj_depthwise_grad_row;

struct nj_conv_kernels {
  void (*depthwise_row)(const nj_depthwise_row *job);
  void (*depthwise_grad_row)(const nj_depthwise_grad_row *job);
};

#endif
