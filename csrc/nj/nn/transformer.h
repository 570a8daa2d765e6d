/* The parts of Transformers (Vaswani et al., 2017), as functions over a network's parameters: multi-head
 * attention, feed-forward, and the layers made of them. Nothing here owns weights; a network adds
 * them to its nj_params under the names of the code it follows, and looks them up again.
 *
 * Names of the layers are those of torch.nn.TransformerEncoderLayer and TransformerDecoderLayer:
 *   self_attn.{in_proj_weight, in_proj_bias, out_proj.weight, out_proj.bias}, multihead_attn (the
 *   same), linear1, linear2, norm1, norm2, norm3 (decoder).
 *
 * Shapes: tokens (B, N, D), source tokens (B, M, D). float32 and float64, as the parameters are. A
 * row of a batch has the bits that it has alone. */
#ifndef NJ_NN_TRANSFORMER_H
#define NJ_NN_TRANSFORMER_H

#include "nn/params.h"

/* ---- masks ---- */

/* What nj_attention takes to let each of `queries` queries see the keys whose entry in key_mask
 * (B, M; any dtype, non-zero: valid; NULL: all are) is set: uint8 (B, 1, 1, M). With `causal`,
 * query i moreover sees keys up to i + M - queries only (the queries are the last of the sequence):
 * uint8 (B or 1, 1, queries, M). *out stays NULL when there is nothing to hide. Errors: ESHAPE (the
 * mask has not two dimensions, or not `keys` entries), EARG (causal with more queries than keys).
 * `op` begins messages. */
nj_status nj_attention_mask(nj_ctx *ctx, const char *op, nj_tensor *key_mask, int64_t queries,
                            int64_t keys, int causal, nj_tensor **out);

/* ---- linear maps and multi-head attention ---- */

/* Weight and bias of y = x Wᵀ + b, borrowed from a network's parameters. */
typedef struct {
  nj_tensor *weight, *bias;
} nj_dense;

/* The parameters called "<name>.weight" and "<name>.bias", NULL where there are none. */
nj_dense nj_dense_of(const nj_params *params, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
nj_status nj_dense_forward(nj_ctx *ctx, nj_dense dense, nj_tensor *x, nj_tensor **out);

typedef enum { NJ_QUERY, NJ_KEY, NJ_VALUE } nj_attention_part;

typedef struct {
  nj_dense in;    /* query, key and value stacked, (3 D, D) and (3 D) … */
  nj_dense of[3]; /* … or each by itself, when in.weight is NULL */
  nj_dense out;   /* after the joined heads; weight NULL: nothing */
  int64_t heads;
} nj_multi_head;

/* torch.nn.MultiheadAttention's parameters below `prefix`: biases 0, weights Xavier (in) and as
 * torch.nn.Linear's (out). */
nj_status nj_multi_head_add(nj_params *params, const char *prefix, int64_t width);
/* The same looked up. */
nj_multi_head nj_multi_head_of(const nj_params *params, const char *prefix, int64_t heads);

/* How a pass runs: zeros outside training. */
typedef struct {
  double dropout;
  nj_rng *rng;
} nj_drop;

/* x (B, N, D) through one of the three projections, split into heads: (B, heads, N, D / heads). */
nj_status nj_multi_head_project(nj_ctx *ctx, const nj_multi_head *m, nj_attention_part part,
                                nj_tensor *x, nj_tensor **out);
/* Attention of heads q (B, h, N, d) over k, v (B, h, M, d), joined and projected: (B, N, D). mask as
 * nj_attention takes it. A query that sees no key gets zeros before the output projection. */
nj_status nj_multi_head_attend(nj_ctx *ctx, const nj_multi_head *m, nj_tensor *q, nj_tensor *k,
                               nj_tensor *v, nj_tensor *mask, nj_drop drop, nj_tensor **out);
/* Both: x (B, N, D) attends to source (B, M, D). */
nj_status nj_multi_head_forward(nj_ctx *ctx, const nj_multi_head *m, nj_tensor *x,
                                nj_tensor *source, nj_tensor *mask, nj_drop drop, nj_tensor **out);

/* ---- feed-forward ---- */

typedef enum { NJ_GELU, NJ_RELU } nj_activation;

/* second(dropout(activation(first(x)))). */
nj_status nj_feed_forward(nj_ctx *ctx, nj_dense first, nj_dense second, nj_activation activation,
                          nj_tensor *x, nj_drop drop, nj_tensor **out);

/* ---- layers ---- */

typedef struct {
  int64_t width, heads, hidden;
  int pre_norm; /* LayerNorm before each part; else after its residual */
  nj_activation activation;
  double eps; /* of LayerNorm */
} nj_transformer_options;

/* Checks what a stack of such layers is made of: 0 when heads divide width, all sizes and positions
 * are at least 1, layers at least 0 and dropout is in [0, 1), else EARG; `op` begins messages. */
nj_status nj_transformer_check(nj_ctx *ctx, const char *op, const nj_transformer_options *o,
                               int64_t layers, int64_t positions, double dropout);

/* Adds a layer's parameters below `prefix`; cross: with attention to a memory (a decoder's). */
nj_status nj_transformer_add_layer(nj_params *params, const char *prefix,
                                   const nj_transformer_options *o, int cross);

/* Self-attention and feed-forward, each with its residual: (B, N, D). */
nj_status nj_transformer_encoder_layer(nj_ctx *ctx, const nj_params *params, const char *prefix,
                                       const nj_transformer_options *o, nj_tensor *x,
                                       nj_tensor *mask, nj_drop drop, nj_tensor **out);
/* Self-attention (mask: a causal one), attention to memory (B, M, D), feed-forward. */
nj_status nj_transformer_decoder_layer(nj_ctx *ctx, const nj_params *params, const char *prefix,
                                       const nj_transformer_options *o, nj_tensor *x,
                                       nj_tensor *mask, nj_tensor *memory, nj_tensor *memory_mask,
                                       nj_drop drop, nj_tensor **out);

/* One part of a layer between its LayerNorm and its residual; for layers made by hand. With
 * pre_norm: x + dropout(inner(norm(x))), else norm(x + dropout(inner(x))). */
nj_status nj_layer_norm_of(nj_ctx *ctx, const nj_params *params, const char *prefix,
                           const char *norm, double eps, nj_tensor *x, nj_tensor **out);
/* residual + dropout(x). */
nj_status nj_add_residual(nj_ctx *ctx, nj_tensor *x, nj_tensor *residual, nj_drop drop,
                          nj_tensor **out);

#endif
