#include "hci/token_weights.h"

#include "nn/transformer.h"
#include "ops/masked_softmax.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "tensor/flow.h"

nj_status nj_token_weights_new(nj_ctx *ctx, const nj_token_weights_options *options, nj_rng *rng,
                               nj_token_weights **out) {
  if (options->width < 1 || options->hidden < 1)
    return nj_fail(ctx, NJ_EARG, "token_weights: every size must be at least 1");
  nj_token_weights *net = nj_calloc(ctx, 1, sizeof *net);
  if (!net)
    return NJ_ENOMEM;
  net->ctx = nj_ctx_retain(ctx);
  net->options = *options;
  net->params = (nj_params){.ctx = ctx, .rng = rng, .dtype = options->dtype};
  nj_status st =
      nj_params_add_linear(&net->params, "0", options->width, options->hidden, NJ_INIT_LINEAR);
  if (!st)
    st = nj_params_add_linear(&net->params, "2", options->hidden, 1, NJ_INIT_LINEAR);
  net->params.rng = NULL;
  if (st) {
    nj_token_weights_free(net);
    return st;
  }
  *out = net;
  return NJ_OK;
}

void nj_token_weights_free(nj_token_weights *net) {
  if (!net)
    return;
  nj_ctx *ctx = net->ctx;
  nj_params_free(&net->params);
  nj_free(ctx, net);
  nj_ctx_release(ctx);
}

nj_status nj_token_weights_forward(nj_token_weights *net, nj_tensor *x, nj_tensor *mask,
                                   nj_tensor **out) {
  nj_ctx *ctx = net->ctx;
  const nj_params *p = &net->params;
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
