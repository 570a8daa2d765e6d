/* The sizes and layouts that the kernels of convolution share. */
#ifndef NJ_KERNELS_CONV_SHAPE_H
#define NJ_KERNELS_CONV_SHAPE_H

#include <stdint.h>

typedef struct {
  int64_t batch, in_channels, in_h, in_w;
  int64_t out_channels, out_h, out_w;
  int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t groups;
} nj_conv_shape;

/* Where element (batch, channel, y, x) of an activation lies, in elements. */
typedef struct {
  int64_t batch, channel, y, x;
} nj_conv_strides;

/* Strides of a contiguous channels-last activation. */
nj_conv_strides nj_channels_last(int64_t channels, int64_t h, int64_t w);

/* The convolution that takes the gradient of the output to the gradient of the input: stride 1 over
 * an input spread out by the stride, with the kernel turned around. */
typedef struct {
  nj_conv_shape shape;
  int64_t spread_h, spread_w; /* zeros between input pixels: 1 for none */
} nj_conv_plan;

nj_conv_plan nj_conv_forward_plan(const nj_conv_shape *shape);
nj_conv_plan nj_conv_input_plan(const nj_conv_shape *shape);

#endif
