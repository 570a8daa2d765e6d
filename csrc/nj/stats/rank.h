/* Ranks of relevant items, for retrieval metrics. Nothing here is differentiable. */
#ifndef NJ_STATS_RANK_H
#define NJ_STATS_RANK_H

#include "tensor/tensor.h"

/* What happens when an irrelevant item has exactly the score of a relevant one:
 *   STABLE       the item with the lower index comes first: one fixed order per row
 *   OPTIMISTIC   the relevant item comes before all its equals: rank = number of greater scores
 *   PESSIMISTIC  after all its equals: rank = number of other items with at least its score
 *   MEAN         half way between the last two (a multiple of 0.5) */
typedef enum { NJ_TIES_STABLE, NJ_TIES_OPTIMISTIC, NJ_TIES_PESSIMISTIC, NJ_TIES_MEAN } nj_ties;

/* The 0-based rank of each relevant item in its row of `scores`, greatest score first. Row q's
 * relevant items are items[offsets[q]] … items[offsets[q + 1] - 1], 0-based, in any order; every
 * other item of the row stays in the list, so items relevant to one row count against each other.
 *
 * scores (Q, N) float32 or float64, any strides; offsets (Q + 1) int64, not decreasing, from 0 to
 * P; items (P) int64 in [0, N). out (P): int64, or float64 for NJ_TIES_MEAN. O(Q N log R) for R
 * relevant items a row, in parallel over rows.
 * Errors: ESHAPE, EDTYPE, EINDEX (an item or an offset out of range), EARG (a NaN among the scores
 * of a row: it has no rank), ENOMEM, EINTR. */
nj_status nj_ranks(nj_ctx *ctx, nj_tensor *scores, nj_tensor *offsets, nj_tensor *items,
                   nj_ties ties, nj_tensor **out);

#endif
