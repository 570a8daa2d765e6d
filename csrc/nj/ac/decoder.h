/* A Transformer decoder that reads a sound and writes a sentence (Vaswani et al., 2017, as
 * torch.nn.TransformerDecoder lays it out). Parameter names are PyTorch's.
 *
 *   ids (B, T) → embed · sqrt(D) + positions → layers of causal self-attention, attention over the
 *   memory and feed-forward (GELU), each with a residual and LayerNorm → out: logits (B, T, V)
 *
 * Logits at place t are of the token that follows ids[0 … t]. */
#ifndef NJ_AC_DECODER_H
#define NJ_AC_DECODER_H

#include "nn/network.h"
#include "nn/transformer.h"

typedef struct {
  int64_t vocabulary, width, layers, heads, feed_forward;
  int64_t memory_width;  /* of the frames; other than width: a Linear "memory" in front */
  int64_t positions;     /* the longest sequence */
  int frame_positions;   /* sines of their places are added to the (mapped) frames, which attention
                         * alone would take as a set; torch.nn.TransformerDecoder adds none */
  int memory_relu;       /* frames pass ReLU after "memory", which is there at any width then */
  int learned;           /* positions are parameters ("positions.weight"), not sines */
  int post_norm;         /* LayerNorm after each residual, and none at the end */
  double dropout;        /* on embeddings, attention and sub-layer outputs, while training */
  double memory_dropout; /* on frames, before "memory" and after it, while training */
  double eps;            /* of LayerNorm */
  nj_dtype dtype;        /* NJ_F32, or NJ_F64 for checking gradients */
} nj_decoder_options;

/* 2 layers of width 128, 4 heads, feed-forward 512, 64 positions, pre-norm, dropout 0.1, eps 1e-5;
 * frames of width 128; vocabulary 0, which must be set. */
nj_decoder_options nj_decoder_default_options(void);

typedef struct {
  nj_network base;
  nj_decoder_options options;
  nj_tensor *sines; /* (positions, width), when positions are not learned */
} nj_decoder;

/* Errors of making one: EARG (a size below 1, heads that do not divide the width), EDTYPE, ENOMEM. */
NJ_NETWORK_DECLARE(decoder)

/* Teacher forcing. ids int64 (B, T), 0-based as vocabularies count; memory (B, N, memory_width) of
 * the decoder's dtype; mask (B, N), non-zero where a frame is valid, or NULL. A clip without a valid
 * frame gets zeros from its memory. `dropout` is used when rng is not NULL. Gives logits (B, T, V).
 * Errors: ESHAPE, EDTYPE, EINDEX (an id outside the vocabulary), EARG (more ids than positions). */
nj_status nj_decoder_forward(nj_decoder *net, nj_tensor *ids, nj_tensor *memory, nj_tensor *mask,
                             nj_drop drop, nj_tensor **logits);

/* The parts that generation shares. */

/* Checks memory and mask as above; `op` begins messages. */
nj_status nj_decoder_check_memory(const nj_decoder *net, const char *op, const nj_tensor *memory,
                                  const nj_tensor *mask);
/* Vectors of ids int64 (…, T) that stand at places first … first + T - 1: (…, T, D). */
nj_status nj_decoder_embed(nj_decoder *net, nj_tensor *ids, int64_t first, nj_tensor **out);
/* memory (B, N, memory_width) → (B, N, D), with positions where the options say so. rng: NULL outside
 * training. */
nj_status nj_decoder_project_memory(nj_decoder *net, nj_tensor *memory, nj_rng *rng,
                                    nj_tensor **out);
/* "decoder.layers.N" into a buffer of NJ_DECODER_NAME bytes, which it returns: where the parameters of
 * layer `layer` (0-based) lie. */
#define NJ_DECODER_NAME 64
const char *nj_decoder_layer_name(int64_t layer, char *buffer);
/* What the layers are made of. */
nj_transformer_options nj_decoder_layer_options(const nj_decoder *net);
/* The last LayerNorm (none with post_norm) and the logits. */
nj_status nj_decoder_logits(nj_decoder *net, nj_tensor *x, nj_tensor **out);

#endif
