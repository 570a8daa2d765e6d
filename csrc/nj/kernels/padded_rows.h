/* Copies of rows of an image with their padding, channels-last, from an image of any strides: what
 * convolution kernels read, so that they need not know borders. */
#ifndef NJ_KERNELS_PADDED_ROWS_H
#define NJ_KERNELS_PADDED_ROWS_H

#include <stdint.h>

#include "kernels/conv_shape.h"

typedef struct {
  const float *x;         /* first element of the image's first channel wanted */
  nj_conv_strides stride; /* batch is not used */
  int64_t channels, in_h, in_w;
  int64_t pad_h, pad_w;       /* above and left; negative: cut off */
  int64_t spread_h, spread_w; /* input pixels lie this far apart, zeros between; 1: as they are */
  int64_t width; /* of a padded row, in pixels; what the input does not reach is zero */
  int64_t pitch; /* floats from pixel to pixel of the copy; at least the channels */
} nj_window;

/* Copies padded rows [row0, row0 + rows) to `to` (rows, width, pitch); row 0 is the topmost row
 * of padding, and rows below the input are zero. */
void nj_pad_rows(const nj_window *window, int64_t row0, int64_t rows, float *to);

#endif
