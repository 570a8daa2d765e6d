/* Two-dimensional convolution, differentiable; float32 and float64.
 *
 * Public layout (B, C, H, W) with weights (out, in / groups, kH, kW). Any strides are read in
 * place; results have channels-last strides (kernels/conv.h), as have those of pooling, batch norm
 * and elementwise operations over such tensors: a stack of layers never transposes. */
#ifndef NJ_OPS_CONV_H
#define NJ_OPS_CONV_H

#include "base/option.h"
#include "tensor/tensor.h"

typedef struct {
  int64_t stride[2], padding[2], dilation[2]; /* vertical, horizontal */
  int64_t groups;                             /* = channels for depthwise */
  int relu;                                   /* clamp the result at zero, in the same pass */
} nj_conv_options;

/* stride 1, padding 0, dilation 1, groups 1. */
nj_conv_options nj_conv_default_options(void);
extern const nj_option_table nj_conv_option_table;

/* The cross-correlation of x (B, in, H, W) with w, plus b (out) unless NULL: (B, out, H', W') with
 * H' = (H + 2 padding - dilation (kH - 1) - 1) / stride + 1, rounded down. options NULL: defaults.
 * In float32 an image has the same bits alone and in a batch. The packed form of a weight that was
 * not itself computed is kept with it until it changes. Errors: ESHAPE, EDTYPE, EARG (options).
 * */
nj_status nj_conv2d(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b,
                    const nj_conv_options *options, nj_tensor **out);

#endif
