/* Two-dimensional pooling of (B, C, H, W), differentiable; float32 and float64. Results have
 * channels-last strides; channels-last inputs are read in place. */
#ifndef NJ_OPS_POOL_H
#define NJ_OPS_POOL_H

#include "tensor/tensor.h"

typedef struct {
  int64_t kernel[2], stride[2],
      padding[2];   /* vertical, horizontal; padding at most half the kernel */
  int skip_padding; /* averages divide by the pixels inside the image, not by the kernel's */
} nj_pool_options;

/* Windows of that size, one beside the other, no padding. */
nj_pool_options nj_pool_default_options(int64_t height, int64_t width);

/* Output sizes are (H + 2 padding - kernel) / stride + 1, rounded down. Errors: ESHAPE, EDTYPE,
 * EARG. */
nj_status nj_avg_pool2d(nj_ctx *ctx, nj_tensor *x, const nj_pool_options *options, nj_tensor **out);
/* Padding counts as -inf. NaN wins. The gradient goes to the first of equal largest. */
nj_status nj_max_pool2d(nj_ctx *ctx, nj_tensor *x, const nj_pool_options *options, nj_tensor **out);
/* Averages over h x w windows that cover the image: window i of n runs from floor(i H / n) to
 * ceil((i + 1) H / n). */
nj_status nj_adaptive_avg_pool2d(nj_ctx *ctx, nj_tensor *x, int64_t h, int64_t w, nj_tensor **out);

#endif
