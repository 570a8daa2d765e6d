/* Resizing images, differentiable; float32 and float64. */
#ifndef NJ_OPS_RESIZE_H
#define NJ_OPS_RESIZE_H

#include "tensor/tensor.h"

typedef enum { NJ_RESIZE_NEAREST, NJ_RESIZE_BILINEAR, NJ_RESIZE_BICUBIC } nj_resize_mode;

/* x (B, C, H, W) at h x w, as PyTorch's interpolate does: pixel centres at half-integers, or the
 * corner pixels' centres kept with align_corners (not for nearest); bicubic is Keys' kernel with a
 * = -0.75; no antialiasing. Positions are computed in double. The result has channels-last strides.
 * Errors: ESHAPE, EDTYPE, EARG. */
nj_status nj_resize(nj_ctx *ctx, nj_tensor *x, int64_t h, int64_t w, nj_resize_mode mode,
                    int align_corners, nj_tensor **out);

#endif
