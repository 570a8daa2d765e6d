#include "kernels/conv_shape.h"

nj_conv_strides nj_channels_last(int64_t channels, int64_t h, int64_t w) {
  return (nj_conv_strides){h * w * channels, 1, w * channels, channels};
}

nj_conv_plan nj_conv_forward_plan(const nj_conv_shape *shape) {
  return (nj_conv_plan){*shape, 1, 1};
}

nj_conv_plan nj_conv_input_plan(const nj_conv_shape *shape) {
  nj_conv_plan plan = {*shape, shape->stride_h, shape->stride_w};
  nj_conv_shape *s = &plan.shape;
  s->in_channels = shape->out_channels;
  s->in_h = shape->out_h;
  s->in_w = shape->out_w;
  s->out_channels = shape->in_channels;
  s->out_h = shape->in_h;
  s->out_w = shape->in_w;
  s->stride_h = s->stride_w = 1;
  s->pad_h = (shape->kernel_h - 1) * shape->dilation_h - shape->pad_h; /* may be negative */
  s->pad_w = (shape->kernel_w - 1) * shape->dilation_w - shape->pad_w;
  return plan;
}
