/* BERT-style text encoders of any size (Devlin et al., 2019), RoBERTa's positions included. Parameter
 * names are those of Hugging Face's files.
 *
 *   ids (B, N) → word + position + type embeddings → LayerNorm →
 *   layers of self-attention and feed-forward, each with a residual and LayerNorm after it →
 *   words (B, N, D); the sentence vector is word 0 ([CLS], <s>), the mean of the valid words, or what
 *   the pooler makes of word 0: tanh(pooler.dense(word 0)) */
#ifndef NJ_ENCODERS_BERT_H
#define NJ_ENCODERS_BERT_H

#include "nn/network.h"

typedef struct {
  int64_t vocabulary, width, layers, heads, feed_forward, positions, types;
  double dropout; /* on embeddings, attention and layer outputs, while training */
  double eps;     /* of LayerNorm: 1e-12 for BERT, 1e-5 for RoBERTa */
  int64_t padding_id;
  int roberta; /* positions count from padding_id + 1 over words that are not padding */
  int pooler;  /* with pooler.dense */
} nj_bert_options;

nj_bert_options nj_bert_default_options(void);

typedef struct {
  nj_network base;
  nj_bert_options options;
} nj_bert;

/* Errors of making one: EARG (a size below 1, heads that do not divide the width), ENOMEM. */
NJ_NETWORK_DECLARE(bert)

/* ids int64 (B, N), 0-based as vocabularies count; mask (B, N), non-zero where a word is valid, or
 * NULL; types int64 (B, N), which sentence of a pair each word belongs to (0, 1), or NULL for 0
 * throughout. Gives words (B, N, D). Masked words neither are attended to nor change the others.
 * `hidden`, when not NULL, receives layers + 1 tensors: the embeddings and each layer's output.
 * Errors: ESHAPE, EDTYPE, EINDEX (an id outside the vocabulary), EARG (more words than
 * positions). */
nj_status nj_bert_forward(nj_bert *net, nj_tensor *ids, nj_tensor *mask, nj_tensor *types,
                          int training, nj_rng *rng, nj_tensor **hidden, nj_tensor **words);

/* Hugging Face's pooler_output: words (B, N, D) → (B, D). Errors: ESHAPE, EARG (a network without
 * pooler). */
nj_status nj_bert_pool(nj_bert *net, nj_tensor *words, nj_tensor **out);

#endif
