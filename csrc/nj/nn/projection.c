#include "nn/projection.h"

#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "tensor/flow.h"

#define LN_EPS 1e-5

nj_projection_options nj_projection_default_options(void) {
  return (nj_projection_options){.kind = NJ_PROJECTION_MLP, .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_projection_options *o = options;
  if (!nj_option_given(&nj_projection_option_table, given, "hidden"))
    o->hidden = o->out;
}

#define O nj_projection_options
static const char *const forms[] = {"linear", "mlp", "gated", "norm_mlp", NULL};
static const nj_option items[] = {
    NJ_OPTION_ENUM(O, "form", kind, forms, 0),
    NJ_OPTION_RANGE(O, "input", in, 1, 1e9, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "output", out, 1, 1e9, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "hidden", hidden, 1, 1e9, NJ_OPTION_DERIVED),
    NJ_OPTION_RANGE(O, "dropout", dropout, 0, 0.999, 0),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_HIDDEN),
};
NJ_OPTION_TABLE(projection, items, derive)
#undef O

static nj_status build(nj_network *base) {
  const nj_projection_options *o = &((nj_projection *)base)->options;
  nj_params *p = &base->params;
  if (o->in < 1 || o->out < 1 || o->hidden < 1)
    return nj_fail(base->ctx, NJ_EARG, "projection: every size must be at least 1");
  switch (o->kind) {
  case NJ_PROJECTION_LINEAR:
    return nj_params_add_linear(p, "0", o->in, o->out, NJ_INIT_LINEAR);
  case NJ_PROJECTION_MLP:
    NJ_TRY(nj_params_add_linear(p, "0", o->in, o->hidden, NJ_INIT_LINEAR));
    return nj_params_add_linear(p, "2", o->hidden, o->out, NJ_INIT_LINEAR);
  case NJ_PROJECTION_GATED:
    NJ_TRY(nj_params_add(p, "linear1", "weight", NJ_INIT_LINEAR, 0, 2, (int64_t[]){o->out, o->in}));
    NJ_TRY(
        nj_params_add(p, "linear2", "weight", NJ_INIT_LINEAR, 0, 2, (int64_t[]){o->out, o->out}));
    return nj_params_add_layer_norm(p, "layer_norm", o->out);
  case NJ_PROJECTION_NORM_MLP:
    NJ_TRY(nj_params_add_layer_norm(p, "0", o->in));
    NJ_TRY(nj_params_add_linear(p, "1", o->in, o->hidden, NJ_INIT_LINEAR));
    NJ_TRY(nj_params_add_layer_norm(p, "3", o->hidden));
    return nj_params_add_linear(p, "4", o->hidden, o->out, NJ_INIT_LINEAR);
  }
  return NJ_EARG;
}

const nj_network_kind nj_projection_network =
    NJ_NETWORK_KIND(projection, .dtype_at = offsetof(nj_projection, options.dtype), .build = build);
NJ_NETWORK_DEFINE(projection)

static nj_status gated(nj_projection *net, nj_tensor *x, int training, nj_rng *rng,
                       nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  nj_tensor *first = NULL;
  NJ_TRY(nj_linear(ctx, x, nj_param_of(p, "linear1.weight"), NULL, &first));
  nj_flow f = nj_flow_begin(first);
  NJ_FLOW(f, nj_gelu(ctx, f.x, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_param_of(p, "linear2.weight"), NULL, &f.next));
  if (training && net->options.dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, net->options.dropout, 1, rng, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, first, &f.next));
  NJ_FLOW(f, nj_layer_norm(ctx, f.x, nj_param_of(p, "layer_norm.weight"),
                           nj_param_of(p, "layer_norm.bias"), LN_EPS, &f.next));
  nj_release(first);
  return nj_flow_end(&f, out);
}

static nj_status norm(nj_projection *net, const char *name, nj_tensor *x, nj_tensor **out) {
  const nj_params *p = &net->base.params;
  return nj_layer_norm(net->base.ctx, x, nj_param_of(p, "%s.weight", name),
                       nj_param_of(p, "%s.bias", name), LN_EPS, out);
}

static nj_status norm_mlp(nj_projection *net, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, norm(net, "0", f.x, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_param_of(p, "1.weight"), nj_param_of(p, "1.bias"), &f.next));
  NJ_FLOW(f, nj_gelu(ctx, f.x, &f.next));
  NJ_FLOW(f, norm(net, "3", f.x, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_param_of(p, "4.weight"), nj_param_of(p, "4.bias"), &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_projection_forward(nj_projection *net, nj_tensor *x, int training, nj_rng *rng,
                                nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_params *p = &net->base.params;
  if (x->ndim < 1 || x->shape[x->ndim - 1] != net->options.in)
    return nj_fail(ctx, NJ_ESHAPE, "projection: expected (…, %lld), got %s",
                   (long long)net->options.in, NJ_SHAPE_OF(x));
  if (net->options.kind == NJ_PROJECTION_GATED)
    return gated(net, x, training, rng, out);
  if (net->options.kind == NJ_PROJECTION_NORM_MLP)
    return norm_mlp(net, x, out);
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_param_of(p, "0.weight"), nj_param_of(p, "0.bias"), &f.next));
  if (net->options.kind == NJ_PROJECTION_MLP) {
    NJ_FLOW(f, nj_relu(ctx, f.x, &f.next));
    NJ_FLOW(f, nj_linear(ctx, f.x, nj_param_of(p, "2.weight"), nj_param_of(p, "2.bias"), &f.next));
  }
  return nj_flow_end(&f, out);
}
