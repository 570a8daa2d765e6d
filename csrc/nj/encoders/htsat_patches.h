/* HTS-AT's first part, from log-mels to the tokens of its patches; see htsat.h. */
#ifndef NJ_ENCODERS_HTSAT_PATCHES_H
#define NJ_ENCODERS_HTSAT_PATCHES_H

#include "encoders/htsat.h"

/* Adds patch_embed.proj and .norm; with fusion also .mel_conv2d and .fusion_model. */
nj_status nj_htsat_add_patches(nj_htsat *net);
/* Whether the network takes such an input. Errors: those of its forward. */
nj_status nj_htsat_check(const nj_htsat *net, const nj_audio_input *input);
/* A checked input → tokens (B, (side / patch)^2, width). */
nj_status nj_htsat_patches(nj_htsat *net, const nj_audio_input *input, nj_tensor **out);

#endif
