/* What the kinds of aggregation share in the course of a pass. Internal to hci/. */
#ifndef NJ_HCI_AGGREGATION_H
#define NJ_HCI_AGGREGATION_H

#include "nn/transformer.h"
#include "hci/aggregator.h"

#define NJ_AGGREGATOR_EPS 1e-5

typedef struct {
  nj_ctx *ctx;
  nj_aggregator *net;
  nj_tensor *x;       /* (B, N, D), zeros under the mask */
  nj_tensor *valid;   /* uint8 (B, N) */
  nj_tensor *present; /* uint8 (B, M): outputs */
  nj_tensor *attend;  /* what nj_attention takes to see valid tokens only; NULL: all are valid */
  int64_t b, n, m;
  nj_drop drop;
} nj_aggregation;

/* Tokens (B, M, D) and assignment (B, N, M); rows that are not there may hold anything finite. */
nj_status nj_aggregate_slots(const nj_aggregation *a, nj_tensor **tokens, nj_tensor **assignment);
nj_status nj_aggregate_peaks(const nj_aggregation *a, nj_tensor **tokens, nj_tensor **assignment);
nj_status nj_aggregate_windows(const nj_aggregation *a, nj_tensor **tokens, nj_tensor **assignment);

/* The kinds' parameters. */
nj_status nj_aggregate_slots_add(nj_aggregator *net);
nj_status nj_aggregate_peaks_add(nj_aggregator *net);

#endif
