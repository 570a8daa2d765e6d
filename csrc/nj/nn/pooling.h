/* Pooling a sequence of frames or words into one vector, and masking what lies past its end. */
#ifndef NJ_NN_POOLING_H
#define NJ_NN_POOLING_H

#include "tensor/tensor.h"

/* x (B, N, …) with entries n >= lengths[b] set to `value`; differentiable, with no gradient for the
 * entries that were set. lengths int64 (B). */
nj_status nj_mask_time(nj_ctx *ctx, nj_tensor *x, nj_tensor *lengths, double value,
                       nj_tensor **out);
/* PANNs' clip vector: (B, N, C) → (B, C), the maximum plus the mean over the first lengths[b]
 * entries (all of them when lengths is NULL). Of a single frame it is twice that frame: what compares
 * frames with texts through the clip's projection (frame_gain of nj.head) counts on it. */
nj_status nj_max_plus_mean(nj_ctx *ctx, nj_tensor *x, nj_tensor *lengths, nj_tensor **out);
/* The mean over the first lengths[b] entries; zeros where there are none. */
nj_status nj_mean_time(nj_ctx *ctx, nj_tensor *x, nj_tensor *lengths, nj_tensor **out);
/* What every audio encoder asks of lengths (or NULL) beside x (B, T, …): int64 (B), each in 1 … T.
 * `op` begins the message. Errors: ESHAPE, EARG. */
nj_status nj_check_lengths(nj_ctx *ctx, const char *op, const nj_tensor *x,
                           const nj_tensor *lengths);

#endif
