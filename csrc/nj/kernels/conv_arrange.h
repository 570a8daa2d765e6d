/* Weights of convolutions put into another order. */
#ifndef NJ_KERNELS_CONV_ARRANGE_H
#define NJ_KERNELS_CONV_ARRANGE_H

#include <stdint.h>

#include "base/context.h"

/* Puts weights (group, ky, kx, in, out), rows from_row apart, into (group, out, in, ky, kx),
 * contiguous: the order in which weight gradients are summed into that of weights.
 * taps = kernel_h * kernel_w. */
nj_status nj_conv_arrange_weights(nj_ctx *ctx, int64_t groups, int64_t taps, int64_t in,
                                  int64_t from_row, int64_t out, const float *from, float *to);

#endif
