/* Aggregation: from tokens (frames, words) to fewer tokens (segments, phrases) or to one (a clip, a
 * sentence). The middle level of hierarchical cross-modal interaction.
 *
 *   CLUSTER    self-attention and feed-forward, H = X + MHSA(LN1 X), H = H + FFN(LN2 H), then soft
 *              assignment to learned slots, A = softmax over slots (H slotsᵀ / √D), and each slot's
 *              mean Y_m = Σ_n A_nm H_n / Σ_n A_nm. With one slot this is the mean, not attention
 *              pooling: A is 1 everywhere. Slots begin as N(0, 1); tokens much smaller than 1 divide
 *              themselves evenly among them, and all Y_m begin alike (nj.head scales its tokens).
 *   ATTENTION  the same body, then Y_m = Σ_n W_mn H_n with W = softmax over tokens (queries Hᵀ / √D):
 *              attention pooling, also for one output.
 *   DPC        density peaks over nearest neighbours (Du et al., 2016), as HBI uses them
 *              (jpthu17/HBI models/cluster.py): x = LN(x + conv(x)); a score for each token; hard
 *              clusters (hci/density_peaks.h), outside the graph; a cluster's mean weighted by
 *              exp(score) (HBI adds 1e-6 to the sum of the weights); then Y + attention of LN Y to
 *              LN x with the scores added to the logits. Padding takes no part at all.
 *   WINDOW     the mean of equal runs of tokens, overlapping on request; no parameters.
 *
 * Names: CLUSTER and ATTENTION slots or queries, ln1, attn.{in_proj_weight, in_proj_bias, out_proj},
 * ln2, ffn.0, ffn.2; DPC ctm.{conv.conv, norm, score}, block.{norm1, attn.q, attn.kv, attn.proj}. */
#ifndef NJ_HCI_AGGREGATOR_H
#define NJ_HCI_AGGREGATOR_H

#include "nn/network.h"

typedef enum {
  NJ_AGGREGATE_CLUSTER,
  NJ_AGGREGATE_DPC,
  NJ_AGGREGATE_WINDOW,
  NJ_AGGREGATE_ATTENTION
} nj_aggregator_kind;

typedef struct {
  nj_aggregator_kind kind;
  int64_t width;
  int64_t tokens; /* M: outputs; 0: by ratio alone (DPC and WINDOW) */
  double ratio; /* an item of n valid tokens gets max(ceil(ratio n), 1) outputs, at most M; 0: M */
  int64_t heads, hidden; /* of self-attention and feed-forward */
  int plain;             /* CLUSTER, ATTENTION: without self-attention and feed-forward */
  int64_t neighbours;    /* DPC: k of the density */
  uint64_t seed;         /* DPC: of what breaks ties */
  double overlap;        /* WINDOW: how far each window reaches into its neighbours, in windows */
  double dropout;        /* while training, of attention and before residuals */
  nj_dtype dtype;        /* of the parameters; 0: float32 */
} nj_aggregator_options;

nj_aggregator_options nj_aggregator_default_options(void);

typedef struct {
  nj_network base;
  nj_aggregator_options options;
} nj_aggregator;

/* Errors of making one: EARG (sizes, heads that do not divide the width, neither tokens nor ratio), ENOMEM. */
NJ_NETWORK_DECLARE(aggregator)

typedef struct {
  nj_tensor *tokens;     /* (B, M, D); zero where the mask is 0 */
  nj_tensor *mask;       /* uint8 (B, M): the outputs that are there come first */
  nj_tensor *assignment; /* (B, N, M): the share of token n that went to output m (CLUSTER, DPC,
                            WINDOW: rows of valid tokens add up to 1), or token n's share in output m
                            (ATTENTION: columns do). 0 under the masks. */
} nj_aggregated;

/* x (B, N, D); mask (B, N), non-zero where a token is valid, or NULL. Tokens under the mask are not
 * read. An item without any valid token gives zeros and a mask of zeros. DPC and WINDOW give an item
 * of n tokens at most n outputs; CLUSTER and ATTENTION give all M. Without a ratio of its own the
 * number of outputs is the same for all batches; with a ratio alone M is that of N tokens. Errors:
 * ESHAPE, EDTYPE. */
nj_status nj_aggregator_forward(nj_aggregator *net, nj_tensor *x, nj_tensor *mask, int training,
                                nj_rng *rng, nj_aggregated *out);

#endif
