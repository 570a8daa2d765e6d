/* 3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 multiplications where
 * the definition takes 144 (Lavin and Gray, "Fast algorithms for convolutional neural networks",
 * CVPR 2016).
 *
 * The image is cut into tiles of 4x4 results, made of 6x6 inputs d with weights g:
 *   Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A
 * The products over channels are 36 matrix products over register tiles (kernels/tile.h). Every result
 * depends on its own tile alone, in one order: an image has the same bits alone and in a batch. */
#ifndef NJ_KERNELS_WINOGRAD_H
#define NJ_KERNELS_WINOGRAD_H

#include "base/context.h"
#include "kernels/conv_shape.h"

#define NJ_WINOGRAD_POINTS 36

/* Whether a plan is run this way: by the shape of one image alone, never by the batch. */
int nj_winograd_suits(const nj_conv_plan *plan);
/* The same for the gradient of the weights. */
int nj_winograd_suits_weight_grad(const nj_conv_shape *shape);

/* The floats of transformed weights: 36 right operands as nj_gemm_pack lays them out. */
int64_t nj_winograd_packed_size(nj_ctx *ctx, const nj_conv_plan *plan);
/* Transforms weights w[out][in][ky][kx] of the given strides (negative to turn them around). */
nj_status nj_winograd_pack(nj_ctx *ctx, const nj_conv_plan *plan, const float *w, int64_t s_out,
                           int64_t s_in, int64_t s_y, int64_t s_x, float *out);
/* As nj_conv_run. */
nj_status nj_winograd_run(nj_ctx *ctx, const nj_conv_plan *plan, const float *x, nj_conv_strides xs,
                          const float *packed, const float *bias, int relu, float *out);
/* As nj_conv_weight_grad. */
nj_status nj_winograd_weight_grad(nj_ctx *ctx, const nj_conv_shape *shape, const float *x,
                                  nj_conv_strides xs, const float *dy, nj_conv_strides dys,
                                  float *dw);

/* The transforms, over whole vectors of channels: `channels` is a multiple of the lanes. Point p of a
 * tile lies at p * point from its first. */
struct nj_winograd_kernels {
  /* to = Bᵀ d B for the 6x6 pixels at `from`. */
  void (*input)(const float *from, int64_t row, int64_t pixel, int64_t channels, float *to,
                int64_t point);
  /* The first `height` x `width` (at most 4) results of Aᵀ m A, plus bias (or NULL), clamped with
   * relu; only `valid` of the channels are written. */
  void (*output)(const float *m, int64_t point, int64_t channels, int64_t valid, const float *bias,
                 int relu, int64_t height, int64_t width, float *to, int64_t row, int64_t pixel);
  /* to = A dy Aᵀ for the 4x4 pixels at `from`. */
  void (*gradient)(const float *from, int64_t row, int64_t pixel, int64_t channels, float *to,
                   int64_t point);
  /* to = G g Gᵀ for the 3x3 weights whose taps lie `tap` apart. */
  void (*weights)(const float *g, int64_t tap, int64_t channels, float *to, int64_t point);
  /* to = Gᵀ u G: the gradient of the weights from that of their points. */
  void (*weights_gradient)(const float *u, int64_t point, int64_t channels, float *to, int64_t tap);
};

#endif
