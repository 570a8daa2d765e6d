#include "hci/token_weights.h"

#include "nn/transformer.h"
#include "ops/masked_softmax.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "tensor/flow.h"

nj_token_weights_options nj_token_weights_default_options(void) {
  return (nj_token_weights_options){.dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_token_weights_options *o = options;
  if (!nj_option_given(&nj_token_weights_option_table, given, "hidden"))
    o->hidden = o->width;
}

#define O nj_token_weights_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "hidden", hidden, 1, 1 << 20, NJ_OPTION_DERIVED),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_HIDDEN),
};
NJ_OPTION_TABLE(token_weights, items, derive)
#undef O

static nj_status build(nj_network *base) {
  const nj_token_weights_options *o = &((nj_token_weights *)base)->options;
  if (o->width < 1 || o->hidden < 1)
    return nj_fail(base->ctx, NJ_EARG, "token_weights: every size must be at least 1");
  NJ_TRY(nj_params_add_linear(&base->params, "0", o->width, o->hidden, NJ_INIT_LINEAR));
  return nj_params_add_linear(&base->params, "2", o->hidden, 1, NJ_INIT_LINEAR);
}

const nj_network_kind nj_token_weights_network = NJ_NETWORK_KIND(
    token_weights, .dtype_at = offsetof(nj_token_weights, options.dtype), .build = build);
NJ_NETWORK_DEFINE(token_weights)

nj_status nj_token_weights_forward(nj_token_weights *net, nj_tensor *x, nj_tensor *mask,
                                   nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  if (x->ndim != 3 || x->shape[2] != net->options.width)
    return nj_fail(ctx, NJ_ESHAPE, "token_weights: expected tokens (batch, tokens, %lld), got %s",
                   (long long)net->options.width, NJ_SHAPE_OF(x));
  if (mask && (mask->ndim != 2 || mask->shape[0] != x->shape[0] || mask->shape[1] != x->shape[1]))
    return nj_fail(ctx, NJ_ESHAPE, "token_weights: expected a mask (%lld, %lld), got %s",
                   (long long)x->shape[0], (long long)x->shape[1], NJ_SHAPE_OF(mask));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_feed_forward(ctx, nj_dense_of(p, "0"), nj_dense_of(p, "2"), NJ_RELU, f.x,
                             (nj_drop){0}, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 2, x->shape, &f.next));
  if (mask)
    NJ_FLOW(f, nj_masked_softmax(ctx, f.x, mask, 1, &f.next));
  else
    NJ_FLOW(f, nj_softmax(ctx, f.x, 1, &f.next));
  return nj_flow_end(&f, out);
}
