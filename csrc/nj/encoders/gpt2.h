/* GPT-2 as a text encoder, of any size (Radford et al., 2019): each word sees itself and those before
 * it. Parameter names and layouts are those of Hugging Face's GPT2Model, whose linear weights are
 * (in, out).
 *
 *   ids (B, N) → wte + wpe → layers of
 *     x + attn(ln_1(x)), x + mlp(ln_2(x)) with the tanh form of GELU →
 *   ln_f → words (B, N, D); the sentence vector is that of the last word */
#ifndef NJ_ENCODERS_GPT2_H
#define NJ_ENCODERS_GPT2_H

#include "nn/network.h"

typedef struct {
  int64_t vocabulary, width, layers, heads, feed_forward, positions;
  double dropout; /* on embeddings, attention and what the layers add, while training */
  double eps;     /* of LayerNorm */
  nj_dtype dtype; /* of the parameters: NJ_F64, for gradient checks, or 0 for float32 */
} nj_gpt2_options;

/* The smallest of the published ones: 124 million parameters. */
nj_gpt2_options nj_gpt2_default_options(void);

typedef struct {
  nj_network base;
  nj_gpt2_options options;
} nj_gpt2;

/* Errors of making one: EARG (a size below 1, heads that do not divide the width), ENOMEM. */
NJ_NETWORK_DECLARE(gpt2)

/* ids int64 (B, N), 0-based; mask (B, N), non-zero where a word is valid, or NULL: other words do not
 * attend to those that are not. Positions count from the first word, valid or not. Gives words
 * (B, N, D). `hidden`, when not NULL, receives layers + 1 tensors: the embeddings and each layer's
 * output, the last one after ln_f. Errors: ESHAPE, EDTYPE, EINDEX (an id outside the vocabulary),
 * EARG (more words than positions). */
nj_status nj_gpt2_forward(nj_gpt2 *net, nj_tensor *ids, nj_tensor *mask, int training, nj_rng *rng,
                          nj_tensor **hidden, nj_tensor **words);

#endif
