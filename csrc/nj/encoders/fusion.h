/* Attentional feature fusion (Dai et al., "Attentional Feature Fusion", WACV 2021): of two maps, how much
 * each counts at each place is learnt from their sum, seen there and on the average.
 *
 *   w = sigmoid(local(x + y) + global(mean over H and W of x + y))
 *   AFF(x, y) = 2 x w + 2 y (1 - w)
 *
 * local and global are 1x1 convolutions C → C / 4 → C, each with batch norm, a ReLU between. Names of
 * parameters are those of LAION-CLAP's feature_fusion.py. */
#ifndef NJ_ENCODERS_FUSION_H
#define NJ_ENCODERS_FUSION_H

#include "nn/params.h"

/* Adds "<prefix>.local_att.0.weight" and so on. channels >= 4. */
nj_status nj_fusion_add(nj_params *params, const char *prefix, int64_t channels);
/* x, y (B, C, H, W) → (B, C, H, W). Differentiable. While training a single clip stands twice in the
 * statistics, as there: on the average it is one value per channel. Errors: those of conv2d and
 * batch_norm. */
nj_status nj_fusion_forward(nj_ctx *ctx, const nj_params *params, const char *prefix, nj_tensor *x,
                            nj_tensor *y, int training, nj_tensor **out);

#endif
