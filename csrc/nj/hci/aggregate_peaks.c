/* Aggregation by density peaks, as HBI does it. */
#include <math.h>

#include "base/alloc.h"
#include "hci/aggregation.h"
#include "hci/density_peaks.h"
#include "ops/compare.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/masked_softmax.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "tensor/flow.h"

nj_status nj_aggregate_peaks_add(nj_aggregator *net) {
  int64_t d = net->options.width;
  nj_params *p = &net->base.params;
  NJ_TRY(
      nj_params_add(p, "ctm.conv.conv", "weight", NJ_INIT_LINEAR, 3 * d, 3, (int64_t[]){d, d, 3}));
  NJ_TRY(nj_params_add_layer_norm(p, "ctm.norm", d));
  NJ_TRY(nj_params_add_linear(p, "ctm.score", d, 1, NJ_INIT_LINEAR));
  NJ_TRY(nj_params_add_layer_norm(p, "block.norm1", d));
  NJ_TRY(nj_params_add_linear(p, "block.attn.q", d, d, NJ_INIT_BERT));
  NJ_TRY(nj_params_add_linear(p, "block.attn.kv", d, 2 * d, NJ_INIT_BERT));
  return nj_params_add_linear(p, "block.attn.proj", d, d, NJ_INIT_BERT);
}

/* x + a convolution over three neighbours, outside the ends zeros: (B, N, D). As an image of height
 * N and width 1 the tokens lie channels-last already. */
static nj_status mix_neighbours(const nj_aggregation *a, nj_tensor **out) {
  nj_ctx *ctx = a->ctx;
  nj_conv_options options = nj_conv_default_options();
  options.padding[0] = 1;
  nj_tensor *kernel = NULL;
  NJ_TRY(
      nj_unsqueeze(ctx, nj_params_find(&a->net->base.params, "ctm.conv.conv.weight"), 3, &kernel));
  nj_flow f = nj_flow_begin(a->x);
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 3, &f.next));
  NJ_FLOW(f, nj_conv2d(ctx, f.x, kernel, NULL, &options, &f.next));
  NJ_FLOW(f, nj_squeeze(ctx, f.x, 3, &f.next));
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, a->x, &f.next));
  nj_release(kernel);
  return nj_flow_end(&f, out);
}

/* The clusters of x as int64 (B, N). */
static nj_status cluster(const nj_aggregation *a, nj_tensor *x, nj_tensor **out) {
  nj_tensor *readable = NULL;
  const uint8_t *present = nj_data(a->present);
  int64_t *counts = nj_calloc(a->ctx, (size_t)a->b, sizeof *counts);
  nj_status st = counts ? nj_as_contiguous(x, &readable) : NJ_ENOMEM;
  for (int64_t i = 0; !st && i < a->b * a->m; i++)
    counts[i / a->m] += present[i];
  if (!st)
    st = nj_density_peaks(a->ctx, readable, a->valid, counts, a->net->options.neighbours,
                          a->net->options.seed, out);
  nj_release(readable);
  nj_free(a->ctx, counts);
  return st;
}

/* Who belongs to which cluster: uint8 (B, M, N), and the same as x's dtype the other way, (B, N,
 * M). */
static nj_status memberships(const nj_aggregation *a, nj_tensor *x, nj_tensor **members,
                             nj_tensor **assignment) {
  nj_tensor *clusters = NULL;
  NJ_TRY(cluster(a, x, &clusters));
  nj_status st = nj_zeros(a->ctx, NJ_U8, 3, (int64_t[]){a->b, a->m, a->n}, members);
  const int64_t *of = NJ_I64_DATA(clusters);
  for (int64_t i = 0; !st && i < a->b * a->n; i++)
    if (of[i] >= 0)
      ((uint8_t *)nj_data(*members))[(i / a->n * a->m + of[i]) * a->n + i % a->n] = 1;
  nj_release(clusters);
  NJ_TRY(st);
  nj_flow f = nj_flow_begin(*members);
  NJ_FLOW(f, nj_to(a->ctx, f.x, x->dtype, &f.next));
  NJ_FLOW(f, nj_transpose(a->ctx, f.x, 1, 2, &f.next));
  return nj_flow_end(&f, assignment);
}

/* Σ exp(score) x / Σ exp(score) over each cluster: (B, M, D). */
static nj_status merge(const nj_aggregation *a, nj_tensor *x, nj_tensor *score, nj_tensor *members,
                       nj_tensor **out) {
  nj_flow f = nj_flow_begin(score); /* (B, N, 1) */
  NJ_FLOW(f, nj_transpose(a->ctx, f.x, 1, 2, &f.next));
  NJ_FLOW(f, nj_expand(a->ctx, f.x, 3, members->shape, &f.next));
  NJ_FLOW(f, nj_masked_softmax(a->ctx, f.x, members, 2, &f.next));
  NJ_FLOW(f, nj_matmul(a->ctx, f.x, x, &f.next));
  return nj_flow_end(&f, out);
}

/* Scores as what is added to the logits: (B, 1, 1, N), -inf where a token is not valid. */
static nj_status score_mask(const nj_aggregation *a, nj_tensor *score, nj_tensor **out) {
  nj_tensor *hidden = NULL;
  int64_t shape[] = {a->b, 1, 1, a->n};
  nj_flow f = nj_flow_begin(a->valid);
  NJ_FLOW(f, nj_logical_not(a->ctx, f.x, &f.next));
  NJ_FLOW(f, nj_reshape(a->ctx, f.x, 4, shape, &f.next));
  NJ_TRY(nj_flow_end(&f, &hidden));
  f = nj_flow_begin(score);
  NJ_FLOW(f, nj_reshape(a->ctx, f.x, 4, shape, &f.next));
  NJ_FLOW(f, nj_masked_fill(a->ctx, f.x, hidden, -INFINITY, &f.next));
  nj_release(hidden);
  return nj_flow_end(&f, out);
}

/* The halves of the stacked key and value projection, to be released. */
static nj_status split_kv(const nj_aggregation *a, nj_dense *k, nj_dense *v) {
  int64_t d = a->net->options.width;
  nj_dense kv = nj_dense_of(&a->net->base.params, "block.attn.kv");
  NJ_TRY(nj_narrow(a->ctx, kv.weight, 0, 0, d, &k->weight));
  NJ_TRY(nj_narrow(a->ctx, kv.bias, 0, 0, d, &k->bias));
  NJ_TRY(nj_narrow(a->ctx, kv.weight, 0, d, d, &v->weight));
  return nj_narrow(a->ctx, kv.bias, 0, d, d, &v->bias);
}

/* merged + attention of the merged tokens to all */
static nj_status attend(const nj_aggregation *a, nj_tensor *merged, nj_tensor *x, nj_tensor *score,
                        nj_tensor **out) {
  const nj_params *p = &a->net->base.params;
  nj_tensor *mask = NULL, *source = NULL;
  nj_multi_head m = {.of = {nj_dense_of(p, "block.attn.q")},
                     .out = nj_dense_of(p, "block.attn.proj"),
                     .heads = a->net->options.heads};
  nj_status st = split_kv(a, &m.of[NJ_KEY], &m.of[NJ_VALUE]);
  if (!st)
    st = score_mask(a, score, &mask);
  if (!st)
    st = nj_layer_norm_of(a->ctx, p, "block", "norm1", NJ_AGGREGATOR_EPS, x, &source);
  nj_flow f = nj_flow_begin(merged);
  f.status = st;
  NJ_FLOW(f, nj_layer_norm_of(a->ctx, p, "block", "norm1", NJ_AGGREGATOR_EPS, f.x, &f.next));
  NJ_FLOW(f, nj_multi_head_forward(a->ctx, &m, f.x, source, mask, a->drop, &f.next));
  NJ_FLOW(f, nj_add_residual(a->ctx, f.x, merged, a->drop, &f.next));
  for (int i = NJ_KEY; i <= NJ_VALUE; i++) {
    nj_release(m.of[i].weight);
    nj_release(m.of[i].bias);
  }
  nj_release(mask);
  nj_release(source);
  return nj_flow_end(&f, out);
}

nj_status nj_aggregate_peaks(const nj_aggregation *a, nj_tensor **tokens, nj_tensor **assignment) {
  const nj_params *p = &a->net->base.params;
  nj_tensor *x = NULL, *score = NULL, *members = NULL, *merged = NULL;
  nj_flow f = nj_flow_begin(a->x);
  NJ_FLOW(f, mix_neighbours(a, &f.next));
  NJ_FLOW(f, nj_layer_norm_of(a->ctx, p, "ctm", "norm", NJ_AGGREGATOR_EPS, f.x, &f.next));
  NJ_TRY(nj_flow_end(&f, &x));
  nj_status st = nj_dense_forward(a->ctx, nj_dense_of(p, "ctm.score"), x, &score);
  if (!st)
    st = memberships(a, x, &members, assignment);
  if (!st)
    st = merge(a, x, score, members, &merged);
  if (!st)
    st = attend(a, merged, x, score, tokens);
  nj_release(x);
  nj_release(score);
  nj_release(members);
  nj_release(merged);
  return st;
}
