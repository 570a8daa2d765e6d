/* The bootstrap over clusters (Efron & Tibshirani 1993, ch. 8): whole clusters are drawn with
 * replacement, because the captions of one clip are not independent of each other. A resample is
 * a row of counts, so that any statistic is a weighted one. Nothing here is differentiable. */
#ifndef NJ_STATS_BOOTSTRAP_H
#define NJ_STATS_BOOTSTRAP_H

#include "base/rng.h"
#include "tensor/tensor.h"

/* How often each of `clusters` clusters was drawn in each of `resamples` resamples of `clusters`
 * draws. out (resamples, clusters) int32; each row sums to `clusters`. Row b depends on rng's state
 * and b alone; rng advances by 4 words a row. Errors: EARG (a negative count), ENOMEM, EINTR. */
nj_status nj_bootstrap_counts(nj_ctx *ctx, nj_rng *rng, int64_t clusters, int64_t resamples,
                              nj_tensor **out);

/* Means of M quantities under each resample: sum_c counts[b][c] sums[c][m] divided by
 * sum_c counts[b][c] sizes[c][m]; NaN where the divisor is 0.
 * sums, sizes (C, M) float64; counts (B, C) int32; out (B, M) float64. Errors: ESHAPE, EDTYPE, … */
nj_status nj_bootstrap_mean(nj_ctx *ctx, nj_tensor *sums, nj_tensor *sizes, nj_tensor *counts,
                            nj_tensor **out);

/* The median of values under each resample, the mean of the middle two for an even number; value i
 * counts as often as its cluster was drawn. values (P) float64, ascending; clusters (P) int64,
 * 0-based; counts (B, C) int32; out (B) float64, NaN where nothing was drawn.
 * Errors: ESHAPE, EDTYPE, EINDEX (a cluster outside C), EARG (values not ascending), … */
nj_status nj_bootstrap_median(nj_ctx *ctx, nj_tensor *values, nj_tensor *clusters,
                              nj_tensor *counts, nj_tensor **out);

/* Average precision of each query under each resample: an item drawn w times stands w times in a
 * row in the ranking. order (Q, N) int64: each row's items, 0-based, best first; relevant (Q, N)
 * uint8, by item; clusters (N) int64, 0-based: the cluster of each item; counts (B, C) int32;
 * out (B, Q) float64, NaN where no relevant item was drawn. All of the ranking counts (no cut-off).
 * Errors: ESHAPE, EDTYPE, EINDEX, ENOMEM, EINTR. */
nj_status nj_bootstrap_ap(nj_ctx *ctx, nj_tensor *order, nj_tensor *relevant, nj_tensor *clusters,
                          nj_tensor *counts, nj_tensor **out);

#endif
