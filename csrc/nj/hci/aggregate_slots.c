/* Aggregation by learned vectors: soft clustering and attention pooling. */
#include <math.h>

#include "hci/aggregation.h"
#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/masked_softmax.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "tensor/flow.h"

static const char *vectors_name(const nj_aggregator *net) {
  return net->options.kind == NJ_AGGREGATE_CLUSTER ? "slots" : "queries";
}

nj_status nj_aggregate_slots_add(nj_aggregator *net) {
  const nj_aggregator_options *o = &net->options;
  nj_params *p = &net->base.params;
  /* Of the size of a normalised token: logits of about 1 tell the slots apart from the beginning. */
  NJ_TRY(nj_params_add(p, "", vectors_name(net), NJ_INIT_NORMAL, 0, 2,
                       (int64_t[]){o->tokens, o->width}));
  if (o->plain)
    return NJ_OK;
  NJ_TRY(nj_params_add_layer_norm(p, "ln1", o->width));
  NJ_TRY(nj_multi_head_add(p, "attn", o->width));
  NJ_TRY(nj_params_add_layer_norm(p, "ln2", o->width));
  NJ_TRY(nj_params_add_linear(p, "ffn.0", o->width, o->hidden, NJ_INIT_LINEAR));
  return nj_params_add_linear(p, "ffn.2", o->hidden, o->width, NJ_INIT_LINEAR);
}

/* H = X + MHSA(LN1 X); H = H + FFN(LN2 H) */
static nj_status contextualise(const nj_aggregation *a, nj_tensor **out) {
  nj_ctx *ctx = a->ctx;
  const nj_params *p = &a->net->base.params;
  nj_multi_head attention = nj_multi_head_of(p, "attn", a->net->options.heads);
  nj_tensor *middle = NULL;
  nj_flow f = nj_flow_begin(a->x);
  NJ_FLOW(f, nj_layer_norm_of(ctx, p, "", "ln1", NJ_AGGREGATOR_EPS, f.x, &f.next));
  NJ_FLOW(f, nj_multi_head_forward(ctx, &attention, f.x, f.x, a->attend, a->drop, &f.next));
  NJ_FLOW(f, nj_add_residual(ctx, f.x, a->x, a->drop, &f.next));
  if (!f.status)
    middle = nj_retain(f.x);
  NJ_FLOW(f, nj_layer_norm_of(ctx, p, "", "ln2", NJ_AGGREGATOR_EPS, f.x, &f.next));
  NJ_FLOW(f, nj_feed_forward(ctx, nj_dense_of(p, "ffn.0"), nj_dense_of(p, "ffn.2"), NJ_GELU, f.x,
                             a->drop, &f.next));
  NJ_FLOW(f, nj_add_residual(ctx, f.x, middle, a->drop, &f.next));
  nj_release(middle);
  return nj_flow_end(&f, out);
}

/* (B, N, M): which slots each valid token may go to. */
static nj_status slots_seen(const nj_aggregation *a, nj_tensor **out) {
  nj_tensor *slots = NULL;
  NJ_TRY(nj_unsqueeze(a->ctx, a->present, 1, &slots));
  nj_flow f = nj_flow_begin(a->valid);
  NJ_FLOW(f, nj_unsqueeze(a->ctx, f.x, 2, &f.next));
  NJ_FLOW(f, nj_logical_and(a->ctx, f.x, slots, &f.next));
  nj_release(slots);
  return nj_flow_end(&f, out);
}

/* The weights (B, N, M) of tokens in outputs, columns adding up to 1, and the assignment.
 *
 * For clusters A_nm / Σ_n A_nm is taken as the softmax over tokens of log A: the same number, but
 * for a slot that every token avoids, where the quotient would be 0 / 0. */
static nj_status weights_of(const nj_aggregation *a, nj_tensor *h, nj_tensor **weights,
                            nj_tensor **assignment) {
  nj_ctx *ctx = a->ctx;
  nj_tensor *vectors = nj_params_find(&a->net->base.params, vectors_name(a->net)), *seen = NULL;
  int soft = a->net->options.kind == NJ_AGGREGATE_CLUSTER;
  NJ_TRY(slots_seen(a, &seen));
  nj_flow f = nj_flow_begin(h);
  NJ_FLOW(f, nj_linear(ctx, f.x, vectors, NULL, &f.next));
  NJ_FLOW(f, nj_affine(ctx, f.x, 1 / sqrt((double)a->net->options.width), 0, &f.next));
  if (soft) {
    NJ_FLOW(f, nj_masked_log_softmax(ctx, f.x, seen, 2, &f.next));
    if (!f.status)
      f.status = nj_exp(ctx, f.x, assignment);
  }
  NJ_FLOW(f, nj_masked_softmax(ctx, f.x, seen, 1, &f.next));
  if (!soft && !f.status)
    *assignment = nj_retain(f.x);
  nj_release(seen);
  return nj_flow_end(&f, weights);
}

nj_status nj_aggregate_slots(const nj_aggregation *a, nj_tensor **tokens, nj_tensor **assignment) {
  nj_tensor *h = NULL, *weights = NULL;
  nj_status st = NJ_OK;
  if (a->net->options.plain)
    h = nj_retain(a->x);
  else
    st = contextualise(a, &h);
  if (!st)
    st = weights_of(a, h, &weights, assignment);
  if (!st) {
    nj_flow f = nj_flow_begin(weights);
    NJ_FLOW(f, nj_transpose(a->ctx, f.x, 1, 2, &f.next));
    NJ_FLOW(f, nj_matmul(a->ctx, f.x, h, &f.next));
    st = nj_flow_end(&f, tokens);
  }
  nj_release(h);
  nj_release(weights);
  return st;
}
