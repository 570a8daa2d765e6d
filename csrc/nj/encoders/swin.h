/* The parts of a Swin Transformer (Liu et al., ICCV 2021) as HTS-AT has them: attention inside windows of
 * a square of tokens, shifted in every second block, and merging of 2x2 tokens. Parameter names are
 * those of RetroCirce/HTS-Audio-Transformer.
 *
 * Tokens are (B, R * R, C), row by row. Windows, shifts and merges are orders of tokens: gathered by index,
 * one copy each, and put back by the inverse order. */
#ifndef NJ_ENCODERS_SWIN_H
#define NJ_ENCODERS_SWIN_H

#include "nn/params.h"

/* One stage: blocks over one resolution. */
typedef struct {
  int64_t resolution, width, heads, hidden;
  int64_t window;         /* tokens of a window's side; at most the resolution */
  nj_tensor *order[2];    /* int64 (R * R): tokens window by window; [1]: of the shifted windows */
  nj_tensor *inverse[2];  /* where each token went */
  nj_tensor *mask;        /* float32 (windows, 1, N, N): -100 between parts that a shift made
                             neighbours; NULL when nothing is shifted */
  nj_tensor *offsets;     /* int64 (N, N): the row of the bias table for two tokens of a window */
  nj_tensor *merge_order; /* int64 (R * R): the 2x2 tokens of each merged one; NULL: R is odd */
} nj_swin_stage;

/* Makes the orders of a stage whose sizes are set. `window` is cut to the resolution. Errors: EARG
 * (a window that does not divide the resolution, heads that do not divide the width), ENOMEM: call
 * nj_swin_clear then too. */
nj_status nj_swin_prepare(nj_ctx *ctx, nj_swin_stage *stage);
void nj_swin_clear(nj_swin_stage *stage);
/* Whether block `index` of the stage has shifted windows: odd ones, where there is more than one
 * window. */
int nj_swin_shifts(const nj_swin_stage *stage, int64_t index);

/* Adds "<prefix>.norm1.weight", ".attn.relative_position_bias_table", ".attn.qkv.weight" and so on. */
nj_status nj_swin_add_block(nj_params *params, const char *prefix, const nj_swin_stage *stage);
/* x (B, R * R, C) + attention, + feed-forward. drop_path: the chance that a clip's branch is left
 * out, while training. */
nj_status nj_swin_block(nj_ctx *ctx, const nj_params *params, const char *prefix,
                        const nj_swin_stage *stage, int shifted, nj_tensor *x, double drop_path,
                        nj_rng *rng, nj_tensor **out);

/* The same block without what mixes tokens: x + proj(values of norm1(x)), called y, then y + norm2(y),
 * with no feed-forward in between; MGA-CLAP's models/htsat.py. */
nj_status nj_swin_values(nj_ctx *ctx, const nj_params *params, const char *prefix,
                         const nj_swin_stage *stage, nj_tensor *x, double drop_path, nj_rng *rng,
                         nj_tensor **out);

/* Adds "<prefix>.reduction.weight" (2 C, 4 C) and "<prefix>.norm". */
nj_status nj_swin_add_merge(nj_params *params, const char *prefix, int64_t width);
/* x (B, R * R, C) → (B, R * R / 4, 2 C). */
nj_status nj_swin_merge(nj_ctx *ctx, const nj_params *params, const char *prefix,
                        const nj_swin_stage *stage, nj_tensor *x, nj_tensor **out);

/* LayerNorm by the parameters "<prefix>.weight" and "<prefix>.bias". */
nj_status nj_swin_norm(nj_ctx *ctx, const nj_params *params, const char *prefix, nj_tensor *x,
                       nj_tensor **out);

#endif
