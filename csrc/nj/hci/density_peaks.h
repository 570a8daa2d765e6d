/* Clusters of tokens by density peaks over nearest neighbours (DPC-KNN; Du, Ding and Jia, 2016), as
 * token clustering networks use it. Outside the graph. */
#ifndef NJ_HCI_DENSITY_PEAKS_H
#define NJ_HCI_DENSITY_PEAKS_H

#include "tensor/tensor.h"

/* x (B, N, D) contiguous, float32 or float64; valid uint8 (B, N); counts: outputs of each item, at
 * most its number of valid tokens. Gives int64 (B, N): the cluster of each valid token, 0-based, -1
 * for others.
 *
 * With d_ij = |x_i - x_j| / √D: density ρ_i = exp(-mean of d² over the k nearest tokens, itself among
 * them) + 1e-6 u_i; δ_i the smallest d_ij to a token of higher density (the largest distance of all
 * where there is none); centres are the tokens with the largest ρδ, others go to the nearest centre. u
 * breaks ties: it depends on the seed and a token's place among the valid ones, so that an item's
 * clusters depend on nothing else in the batch. Clusters are numbered in the order of their
 * centres. Distances are computed in float64. Errors: ENOMEM. */
nj_status nj_density_peaks(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *valid,
                           const int64_t *counts, int64_t neighbours, uint64_t seed,
                           nj_tensor **out);

#endif
