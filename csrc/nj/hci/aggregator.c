#include "hci/aggregator.h"

#include <math.h>

#include "hci/aggregation.h"
#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/shape.h"
#include "tensor/flow.h"

nj_aggregator_options nj_aggregator_default_options(void) {
  return (nj_aggregator_options){
      .kind = NJ_AGGREGATE_CLUSTER, .heads = 4, .neighbours = 3, .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_aggregator_options *o = options;
  if (!nj_option_given(&nj_aggregator_option_table, given, "hidden"))
    o->hidden = 4 * o->width;
}

#define O nj_aggregator_options
static const char *const kinds[] = {"cluster", "dpc", "window", "attention", NULL};
static const nj_option items[] = {
    NJ_OPTION_ENUM(O, "kind", kind, kinds, 0),
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "tokens", tokens, 1, 1 << 20, NJ_OPTION_SPARSE),
    NJ_OPTION_RANGE(O, "ratio", ratio, 0, 1, 0),
    NJ_OPTION_RANGE(O, "heads", heads, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "hidden", hidden, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_FLAG(O, "plain", plain, 0),
    NJ_OPTION_RANGE(O, "overlap", overlap, 0, 1, 0),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_RANGE(O, "neighbours", neighbours, 1, 65536, 0),
    NJ_OPTION_RANGE(O, "seed", seed, 0, 0x1p63, 0),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_HIDDEN),
};
NJ_OPTION_TABLE(aggregator, items, derive)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_aggregator_options *o) {
  int learned = o->kind == NJ_AGGREGATE_CLUSTER || o->kind == NJ_AGGREGATE_ATTENTION;
  if (o->width < 1 || o->heads < 1 || o->hidden < 1 || o->neighbours < 1 || o->tokens < 0)
    return nj_fail(ctx, NJ_EARG, "aggregator: every size must be at least 1");
  if (o->width % o->heads)
    return nj_fail(ctx, NJ_EARG, "aggregator: %lld heads do not divide a width of %lld",
                   (long long)o->heads, (long long)o->width);
  if (!(o->ratio >= 0 && o->ratio <= 1))
    return nj_fail(ctx, NJ_EARG, "aggregator: ratio must be in [0, 1], got %g", o->ratio);
  if (!o->tokens && o->ratio == 0)
    return nj_fail(ctx, NJ_EARG, "aggregator: tokens or ratio is required");
  if (!o->tokens && learned)
    return nj_fail(ctx, NJ_EARG,
                   "aggregator: this kind learns its outputs and needs tokens, the most there may "
                   "be, besides ratio");
  if (!(o->overlap >= 0 && o->overlap <= 1))
    return nj_fail(ctx, NJ_EARG, "aggregator: overlap must be in [0, 1], got %g", o->overlap);
  if (!(o->dropout >= 0 && o->dropout < 1))
    return nj_fail(ctx, NJ_EARG, "aggregator: dropout must be in [0, 1), got %g", o->dropout);
  return NJ_OK;
}

/* ---- a pass ---- */

static nj_status build(nj_network *base) {
  nj_aggregator *net = (nj_aggregator *)base;
  NJ_TRY(check_options(base->ctx, &net->options));
  if (net->options.kind == NJ_AGGREGATE_WINDOW)
    return NJ_OK;
  return net->options.kind == NJ_AGGREGATE_DPC ? nj_aggregate_peaks_add(net)
                                               : nj_aggregate_slots_add(net);
}

const nj_network_kind nj_aggregator_network =
    NJ_NETWORK_KIND(aggregator, .dtype_at = offsetof(nj_aggregator, options.dtype), .build = build);
NJ_NETWORK_DEFINE(aggregator)

static nj_status check_input(nj_aggregator *net, const nj_tensor *x, const nj_tensor *mask) {
  nj_ctx *ctx = net->base.ctx;
  if (x->ndim != 3 || x->shape[2] != net->options.width)
    return nj_fail(ctx, NJ_ESHAPE, "aggregator: expected tokens (batch, tokens, %lld), got %s",
                   (long long)net->options.width, NJ_SHAPE_OF(x));
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "aggregator: expected float32 or float64 tokens, got %s",
                   nj_dtype_name(x->dtype));
  if (mask && (mask->ndim != 2 || mask->shape[0] != x->shape[0] || mask->shape[1] != x->shape[1]))
    return nj_fail(ctx, NJ_ESHAPE, "aggregator: expected a mask (%lld, %lld), got %s",
                   (long long)x->shape[0], (long long)x->shape[1], NJ_SHAPE_OF(mask));
  return NJ_OK;
}

/* max(ceil(ratio n), 1); a ratio such as 0.1 may lie a hair above what was meant. */
static int64_t share(double ratio, int64_t n) {
  int64_t k = (int64_t)ceil(ratio * (double)n - 1e-9);
  return k > 1 ? k : 1;
}

/* How many outputs an item of n valid tokens has. */
static int64_t outputs_of(const nj_aggregator_options *o, int64_t n) {
  int hard = o->kind == NJ_AGGREGATE_DPC || o->kind == NJ_AGGREGATE_WINDOW;
  if (n == 0)
    return 0;
  int64_t m = o->ratio > 0 ? share(o->ratio, n) : o->tokens;
  if (o->tokens && m > o->tokens)
    m = o->tokens;
  return hard && m > n ? n : m;
}

/* Reads the mask (all valid when NULL) and works out which outputs there are; *hidden = 1 when any
 * token is not valid. */
static nj_status read_mask(nj_aggregation *a, nj_tensor *mask, int *hidden) {
  nj_tensor *reals = NULL;
  NJ_TRY(nj_full(a->ctx, NJ_U8, 2, (int64_t[]){a->b, a->n}, 1, &a->valid));
  NJ_TRY(nj_zeros(a->ctx, NJ_U8, 2, (int64_t[]){a->b, a->m}, &a->present));
  if (mask)
    NJ_TRY(nj_as(mask, NJ_F64, &reals));
  uint8_t *valid = nj_data(a->valid), *present = nj_data(a->present);
  const double *from = reals ? NJ_F64_DATA(reals) : NULL;
  *hidden = 0;
  for (int64_t b = 0; b < a->b; b++) {
    int64_t count = 0;
    for (int64_t n = 0; n < a->n; n++, valid++) {
      if (from)
        *valid = *from++ != 0;
      count += *valid;
    }
    *hidden |= count < a->n;
    int64_t outputs = outputs_of(&a->net->options, count);
    for (int64_t m = 0; m < a->m; m++)
      *present++ = m < outputs;
  }
  nj_release(reals);
  return NJ_OK;
}

/* x with zeros where tokens are not valid: whatever lies there, NaN included, reaches nothing. */
static nj_status clear_hidden(nj_aggregation *a, nj_tensor *x) {
  nj_flow f = nj_flow_begin(a->valid);
  NJ_FLOW(f, nj_logical_not(a->ctx, f.x, &f.next));
  NJ_FLOW(f, nj_unsqueeze(a->ctx, f.x, 2, &f.next));
  NJ_FLOW(f, nj_masked_fill(a->ctx, x, f.x, 0, &f.next));
  NJ_TRY(nj_flow_end(&f, &a->x));
  return nj_attention_mask(a->ctx, "aggregator", a->valid, a->n, a->n, 0, &a->attend);
}

/* Zeros in the rows of outputs that are not there. */
static nj_status clear_absent(const nj_aggregation *a, nj_tensor *tokens, nj_tensor **out) {
  int64_t absent;
  NJ_TRY(nj_count_equal(a->ctx, a->present, 0, &absent));
  if (!absent) {
    *out = nj_retain(tokens);
    return NJ_OK;
  }
  nj_flow f = nj_flow_begin(a->present);
  NJ_FLOW(f, nj_logical_not(a->ctx, f.x, &f.next));
  NJ_FLOW(f, nj_unsqueeze(a->ctx, f.x, 2, &f.next));
  NJ_FLOW(f, nj_masked_fill(a->ctx, tokens, f.x, 0, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status run_kind(const nj_aggregation *a, nj_tensor **tokens, nj_tensor **assignment) {
  if (a->b == 0 || a->n == 0) { /* no token at all */
    NJ_TRY(
        nj_zeros(a->ctx, a->x->dtype, 3, (int64_t[]){a->b, a->m, a->net->options.width}, tokens));
    return nj_zeros(a->ctx, a->x->dtype, 3, (int64_t[]){a->b, a->n, a->m}, assignment);
  }
  switch (a->net->options.kind) {
  case NJ_AGGREGATE_DPC:
    return nj_aggregate_peaks(a, tokens, assignment);
  case NJ_AGGREGATE_WINDOW:
    return nj_aggregate_windows(a, tokens, assignment);
  case NJ_AGGREGATE_CLUSTER:
  case NJ_AGGREGATE_ATTENTION:
    break;
  }
  return nj_aggregate_slots(a, tokens, assignment);
}

nj_status nj_aggregator_forward(nj_aggregator *net, nj_tensor *x, nj_tensor *mask, int training,
                                nj_rng *rng, nj_aggregated *out) {
  NJ_TRY(check_input(net, x, mask));
  const nj_aggregator_options *o = &net->options;
  nj_aggregation a = {.ctx = net->base.ctx,
                      .net = net,
                      .b = x->shape[0],
                      .n = x->shape[1],
                      .m = o->tokens ? o->tokens : share(o->ratio, x->shape[1]),
                      .drop = {training ? o->dropout : 0, rng}};
  nj_tensor *raw = NULL, *tokens = NULL, *assignment = NULL;
  int hidden;
  nj_status st = read_mask(&a, mask, &hidden);
  if (!st && hidden)
    st = clear_hidden(&a, x);
  else if (!st)
    a.x = nj_retain(x);
  if (!st)
    st = run_kind(&a, &raw, &assignment);
  if (!st)
    st = clear_absent(&a, raw, &tokens);
  nj_release(raw);
  nj_release(a.x);
  nj_release(a.valid);
  nj_release(a.attend);
  if (st) {
    nj_release(a.present);
    nj_release(assignment);
    return st;
  }
  *out = (nj_aggregated){tokens, a.present, assignment};
  return NJ_OK;
}
