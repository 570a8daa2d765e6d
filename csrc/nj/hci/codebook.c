#include "hci/codebook.h"

#include <math.h>

#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/sparsemax.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

nj_codebook_options nj_codebook_default_options(void) {
  return (nj_codebook_options){.codes = 4096, .temperature = 1000, .dtype = NJ_F32};
}

static void derive(void *options, uint64_t given) {
  nj_codebook_options *o = options;
  if (!nj_option_given(&nj_codebook_option_table, given, "temperature"))
    o->temperature = 1000.0 / 4096 * (double)o->codes;
}

#define O nj_codebook_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "codes", codes, 1, 1 << 20, 0),
    NJ_OPTION_RANGE(O, "width", width, 1, 65536, NJ_OPTION_REQUIRED),
    NJ_OPTION_RANGE(O, "temperature", temperature, 1e-6, 1e12, NJ_OPTION_DERIVED),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_HIDDEN),
};
NJ_OPTION_TABLE(codebook, items, derive)
#undef O

static nj_status build(nj_network *base) {
  const nj_codebook_options *o = &((nj_codebook *)base)->options;
  if (o->codes < 1 || o->width < 1)
    return nj_fail(base->ctx, NJ_EARG, "codebook: every size must be at least 1");
  if (!(o->temperature > 0 && isfinite(o->temperature)))
    return nj_fail(base->ctx, NJ_EARG, "codebook: the temperature must be above 0, got %g",
                   o->temperature);
  return nj_params_add(&base->params, "", "codes", NJ_INIT_NORMAL, 0, 2,
                       (int64_t[]){o->codes, o->width});
}

const nj_network_kind nj_codebook_network =
    NJ_NETWORK_KIND(codebook, .dtype_at = offsetof(nj_codebook, options.dtype), .build = build);
NJ_NETWORK_DEFINE(codebook)

/* uint8 (B, N, 1): 1 where a token is hidden. */
static nj_status hidden_of(nj_ctx *ctx, nj_tensor *mask, nj_tensor **out) {
  nj_tensor *zero = NULL;
  NJ_TRY(nj_scalar(ctx, mask->dtype, 0, &zero));
  nj_flow f = nj_flow_begin(mask);
  NJ_FLOW(f, nj_eq(ctx, f.x, zero, &f.next));
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 2, &f.next));
  nj_release(zero);
  return nj_flow_end(&f, out);
}

/* x's products with all codes, the largest over the valid tokens, by √D t: (B, K). */
static nj_status affinities(nj_codebook *net, nj_tensor *x, nj_tensor *mask, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const double scale = sqrt((double)net->options.width) * net->options.temperature;
  const int64_t none[] = {x->shape[0], net->options.codes};
  nj_tensor *factor = NULL, *hidden = NULL;
  if (x->shape[1] == 0)
    return nj_full(ctx, x->dtype, 2, none, -INFINITY, out);
  nj_status st = nj_scalar(ctx, x->dtype, 1 / scale, &factor);
  if (!st && mask)
    st = hidden_of(ctx, mask, &hidden);
  nj_flow f = nj_flow_begin(x);
  f.status = st;
  NJ_FLOW(f, nj_linear(ctx, f.x, nj_param_of(&net->base.params, "codes"), NULL, &f.next));
  if (mask)
    NJ_FLOW(f, nj_masked_fill(ctx, f.x, hidden, -INFINITY, &f.next));
  NJ_FLOW(f, nj_max(ctx, f.x, 1, (int[]){1}, 0, &f.next));
  NJ_FLOW(f, nj_mul(ctx, f.x, factor, &f.next));
  nj_release(factor);
  nj_release(hidden);
  return nj_flow_end(&f, out);
}

/* uint8 (B, 1): 1 for items with a valid token. */
static nj_status any_token(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *mask,
                           nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_zeros(ctx, NJ_U8, 2, (int64_t[]){x->shape[0], 1}, &y));
  uint8_t *any = nj_data(y);
  for (int64_t b = 0; b < x->shape[0]; b++)
    for (int64_t n = 0; n < x->shape[1] && !any[b]; n++)
      any[b] = !mask || nj_get(mask, (int64_t[]){b, n}) != 0;
  *out = y;
  return NJ_OK;
}

static nj_status check_input(nj_codebook *net, const nj_tensor *x, const nj_tensor *mask) {
  nj_ctx *ctx = net->base.ctx;
  if (x->ndim != 3 || x->shape[2] != net->options.width)
    return nj_fail(ctx, NJ_ESHAPE, "codebook: expected tokens (batch, tokens, %lld), got %s",
                   (long long)net->options.width, NJ_SHAPE_OF(x));
  if (!nj_dtype_is_float(x->dtype))
    return nj_fail(ctx, NJ_EDTYPE, "codebook: expected float32 or float64 tokens, got %s",
                   nj_dtype_name(x->dtype));
  if (mask && (mask->ndim != 2 || mask->shape[0] != x->shape[0] || mask->shape[1] != x->shape[1]))
    return nj_fail(ctx, NJ_ESHAPE, "codebook: expected a mask (%lld, %lld), got %s",
                   (long long)x->shape[0], (long long)x->shape[1], NJ_SHAPE_OF(mask));
  return NJ_OK;
}

nj_status nj_codebook_forward(nj_codebook *net, nj_tensor *x, nj_tensor *mask, int floor,
                              nj_tensor **shares, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *any = NULL, *weights = NULL;
  NJ_TRY(check_input(net, x, mask));
  nj_status st = any_token(ctx, x, mask, &any);
  nj_flow f = nj_flow_begin(x);
  f.status = st;
  NJ_FLOW(f, affinities(net, f.x, mask, &f.next));
  if (floor) {
    NJ_FLOW(f, nj_relu(ctx, f.x, &f.next));
    NJ_FLOW(f, nj_sparsemax(ctx, f.x, 1, &f.next));
  } else {
    NJ_FLOW(f, nj_masked_sparsemax(ctx, f.x, any, 1, &f.next));
  }
  if (!f.status)
    weights = nj_retain(f.x);
  NJ_FLOW(f, nj_matmul(ctx, f.x, nj_param_of(&net->base.params, "codes"), &f.next));
  nj_release(any);
  st = nj_flow_end(&f, out);
  if (st || !shares)
    nj_release(weights);
  else
    *shares = weights;
  return st;
}
