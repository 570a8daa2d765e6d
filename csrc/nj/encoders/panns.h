/* What PANNs' networks (Kong et al., "PANNs", TASLP 2020) have in common: batch norm over mel bins
 * and SpecAugment in front, the mean over frequency after, and the classifier. Parameter names are
 * those of qiuqiangkong/audioset_tagging_cnn. */
#ifndef NJ_ENCODERS_PANNS_H
#define NJ_ENCODERS_PANNS_H

#include "audio/augment.h"
#include "nn/network.h"

/* x float32 (B, T, mels) with T >= stride, lengths as nj_check_lengths has them. `op` begins the
 * messages. Errors: ESHAPE, EDTYPE, EARG. */
nj_status nj_panns_check(nj_ctx *ctx, const char *op, const nj_tensor *x, const nj_tensor *lengths,
                         int64_t mels, int64_t stride);

/* (B, T, M) → (B, 1, T, M): bn0 over mel bins, frames past a clip's end set to zero, and, while
 * training, SpecAugment's stripes. */
nj_status nj_panns_front(nj_ctx *ctx, const nj_params *params, nj_tensor *x, nj_tensor *lengths,
                         int training, const nj_spec_augment_options *stripes, nj_rng *rng,
                         nj_tensor **out);
/* The last block's (B, C, N, F) → frames (B, N, C). */
nj_status nj_panns_frames(nj_ctx *ctx, nj_tensor *x, nj_tensor **out);
/* frames (B, N, C) of which the first lengths[b] (all when NULL) are sound → each frame's largest and
 * mean over itself and its two neighbours, added: (B, N, C), zero past the end. What lies outside the
 * sound counts as -inf in the maximum and as 0 in the mean, which divides by 3 everywhere; MGA-CLAP's
 * frame feature of CNN14 (models/cnns.py). */
nj_status nj_panns_neighbours(nj_ctx *ctx, nj_tensor *frames, nj_tensor *lengths, nj_tensor **out);
/* frames (B, N, C) → out->clip (B, C) and out->lengths, the valid frames of each clip. */
nj_status nj_panns_pool(const nj_network *net, nj_tensor *frames, const nj_tensor *lengths,
                        int64_t T, nj_audio_output *out);

/* fc1 (width, width) and fc_audioset (classes, width). */
nj_status nj_panns_add_classifier(nj_params *params, int64_t width, int64_t classes);
/* clip (…, C) → logits (…, classes), and PANNs' "embedding" relu(fc1(clip)) when `inner` is not
 * NULL. Dropout 0.5 before fc1 while training. Errors: EARG (no classifier was added), ESHAPE. */
nj_status nj_panns_classify(const nj_network *net, const char *op, nj_tensor *clip, nj_rng *rng,
                            nj_tensor **inner, nj_tensor **logits);

#endif
