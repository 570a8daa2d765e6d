#include "nn/transformer.h"

#include <stdarg.h>
#include <stdio.h>

#include "ops/attention.h"
#include "ops/compare.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "ops/shape.h"
#include "tensor/flow.h"

/* ---- masks ---- */

/* uint8, contiguous: 1 where the mask is not 0. */
static nj_status mask_bytes(nj_ctx *ctx, nj_tensor *mask, nj_tensor **out) {
  nj_tensor *zero = NULL;
  NJ_TRY(nj_scalar(ctx, mask->dtype, 0, &zero));
  nj_flow f = nj_flow_begin(mask);
  NJ_FLOW(f, nj_ne(ctx, f.x, zero, &f.next));
  NJ_FLOW(f, nj_as_contiguous(f.x, &f.next));
  nj_release(zero);
  return nj_flow_end(&f, out);
}

static nj_status causal_mask(nj_ctx *ctx, const nj_tensor *valid, int64_t queries, int64_t keys,
                             nj_tensor **out) {
  nj_tensor *y = NULL;
  int64_t batch = valid ? valid->shape[0] : 1;
  NJ_TRY(nj_empty(ctx, NJ_U8, 4, (int64_t[]){batch, 1, queries, keys}, &y));
  const uint8_t *keep = valid ? nj_data(valid) : NULL;
  uint8_t *see = nj_data(y);
  for (int64_t b = 0; b < batch; b++)
    for (int64_t i = 0; i < queries; i++)
      for (int64_t j = 0; j < keys; j++)
        *see++ = j <= i + keys - queries && (!keep || keep[b * keys + j]);
  *out = y;
  return NJ_OK;
}

nj_status nj_attention_mask(nj_ctx *ctx, const char *op, nj_tensor *key_mask, int64_t queries,
                            int64_t keys, int causal, nj_tensor **out) {
  *out = NULL;
  if (key_mask && (key_mask->ndim != 2 || key_mask->shape[1] != keys))
    return nj_fail(ctx, NJ_ESHAPE, "%s: expected a mask (batch, %lld), got %s", op, (long long)keys,
                   NJ_SHAPE_OF(key_mask));
  if (causal && queries > keys)
    return nj_fail(ctx, NJ_EARG, "%s: %lld causal queries have only %lld keys", op,
                   (long long)queries, (long long)keys);
  nj_tensor *valid = NULL;
  if (key_mask)
    NJ_TRY(mask_bytes(ctx, key_mask, &valid));
  nj_status st = NJ_OK;
  if (causal && queries > 1) /* a single query, the last, sees all */
    st = causal_mask(ctx, valid, queries, keys, out);
  else if (valid)
    st = nj_reshape(ctx, valid, 4, (int64_t[]){valid->shape[0], 1, 1, keys}, out);
  nj_release(valid);
  return st;
}

/* ---- linear maps and multi-head attention ---- */

nj_dense nj_dense_of(const nj_params *params, const char *format, ...) {
  char name[112];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  return (nj_dense){nj_param_of(params, "%s.weight", name), nj_param_of(params, "%s.bias", name)};
}

nj_status nj_dense_forward(nj_ctx *ctx, nj_dense dense, nj_tensor *x, nj_tensor **out) {
  return nj_linear(ctx, x, dense.weight, dense.bias, out);
}

nj_status nj_multi_head_add(nj_params *params, const char *prefix, int64_t width) {
  char out[112];
  int64_t stacked = 3 * width;
  snprintf(out, sizeof out, "%s%sout_proj", prefix, *prefix ? "." : "");
  NJ_TRY(nj_params_add(params, prefix, "in_proj_weight", NJ_INIT_XAVIER, 0, 2,
                       (int64_t[]){stacked, width}));
  NJ_TRY(nj_params_add(params, prefix, "in_proj_bias", NJ_INIT_ZEROS, 0, 1, &stacked));
  NJ_TRY(nj_params_add(params, out, "weight", NJ_INIT_LINEAR, 0, 2, (int64_t[]){width, width}));
  return nj_params_add(params, out, "bias", NJ_INIT_ZEROS, 0, 1, &width);
}

nj_multi_head nj_multi_head_of(const nj_params *params, const char *prefix, int64_t heads) {
  const char *dot = *prefix ? "." : "";
  return (nj_multi_head){.in = {nj_param_of(params, "%s%sin_proj_weight", prefix, dot),
                                nj_param_of(params, "%s%sin_proj_bias", prefix, dot)},
                         .out = nj_dense_of(params, "%s%sout_proj", prefix, dot),
                         .heads = heads};
}

/* The weight and bias of one projection, to be released. Of stacked ones views are taken: slicing
 * the weight, not the product, keeps the gradient's copies to the size of the weight. */
static nj_status part_of(nj_ctx *ctx, const nj_multi_head *m, nj_attention_part part,
                         nj_tensor **weight, nj_tensor **bias) {
  if (!m->in.weight) {
    *weight = nj_retain(m->of[part].weight);
    *bias = m->of[part].bias ? nj_retain(m->of[part].bias) : NULL;
    return NJ_OK;
  }
  int64_t width = m->in.weight->shape[0] / 3;
  NJ_TRY(nj_narrow(ctx, m->in.weight, 0, part * width, width, weight));
  if (!m->in.bias)
    return NJ_OK;
  return nj_narrow(ctx, m->in.bias, 0, part * width, width, bias);
}

nj_status nj_multi_head_project(nj_ctx *ctx, const nj_multi_head *m, nj_attention_part part,
                                nj_tensor *x, nj_tensor **out) {
  nj_tensor *weight = NULL, *bias = NULL;
  nj_status st = part_of(ctx, m, part, &weight, &bias);
  nj_flow f = nj_flow_begin(x);
  f.status = st;
  NJ_FLOW(f, nj_linear(ctx, f.x, weight, bias, &f.next));
  if (!f.status) {
    int64_t width = f.x->shape[2];
    NJ_FLOW(f,
            nj_reshape(ctx, f.x, 4,
                       (int64_t[]){x->shape[0], x->shape[1], m->heads, width / m->heads}, &f.next));
  }
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  nj_release(weight);
  nj_release(bias);
  return nj_flow_end(&f, out);
}

nj_status nj_multi_head_attend(nj_ctx *ctx, const nj_multi_head *m, nj_tensor *q, nj_tensor *k,
                               nj_tensor *v, nj_tensor *mask, nj_drop drop, nj_tensor **out) {
  int64_t joined[] = {q->shape[0], q->shape[2], q->shape[1] * v->shape[3]};
  nj_attention_options options = {.dropout = drop.dropout, .rng = drop.rng};
  nj_flow f = nj_flow_begin(q);
  NJ_FLOW(f, nj_attention(ctx, q, k, v, mask, &options, &f.next));
  NJ_FLOW(f, nj_transpose(ctx, f.x, 1, 2, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 3, joined, &f.next));
  if (m->out.weight)
    NJ_FLOW(f, nj_dense_forward(ctx, m->out, f.x, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_multi_head_forward(nj_ctx *ctx, const nj_multi_head *m, nj_tensor *x,
                                nj_tensor *source, nj_tensor *mask, nj_drop drop, nj_tensor **out) {
  nj_tensor *q = NULL, *k = NULL, *v = NULL;
  nj_status st = nj_multi_head_project(ctx, m, NJ_QUERY, x, &q);
  if (!st)
    st = nj_multi_head_project(ctx, m, NJ_KEY, source, &k);
  if (!st)
    st = nj_multi_head_project(ctx, m, NJ_VALUE, source, &v);
  if (!st)
    st = nj_multi_head_attend(ctx, m, q, k, v, mask, drop, out);
  nj_release(q);
  nj_release(k);
  nj_release(v);
  return st;
}

/* ---- feed-forward ---- */

nj_status nj_feed_forward(nj_ctx *ctx, nj_dense first, nj_dense second, nj_activation activation,
                          nj_tensor *x, nj_drop drop, nj_tensor **out) {
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_dense_forward(ctx, first, f.x, &f.next));
  if (activation == NJ_RELU)
    NJ_FLOW(f, nj_relu(ctx, f.x, &f.next));
  else
    NJ_FLOW(f, nj_gelu(ctx, f.x, &f.next));
  if (drop.dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, drop.dropout, 1, drop.rng, &f.next));
  NJ_FLOW(f, nj_dense_forward(ctx, second, f.x, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_layer_norm_of(nj_ctx *ctx, const nj_params *params, const char *prefix,
                           const char *norm, double eps, nj_tensor *x, nj_tensor **out) {
  const char *dot = *prefix ? "." : "";
  nj_dense w = nj_dense_of(params, "%s%s%s", prefix, dot, norm);
  return nj_layer_norm(ctx, x, w.weight, w.bias, eps, out);
}

nj_status nj_add_residual(nj_ctx *ctx, nj_tensor *x, nj_tensor *residual, nj_drop drop,
                          nj_tensor **out) {
  nj_flow f = nj_flow_begin(x);
  if (drop.dropout > 0)
    NJ_FLOW(f, nj_dropout(ctx, f.x, drop.dropout, 1, drop.rng, &f.next));
  NJ_FLOW(f, nj_add(ctx, f.x, residual, &f.next));
  return nj_flow_end(&f, out);
}

/* ---- layers ---- */

nj_status nj_transformer_check(nj_ctx *ctx, const char *op, const nj_transformer_options *o,
                               int64_t layers, int64_t positions, double dropout) {
  if (o->width < 1 || o->heads < 1 || o->hidden < 1 || layers < 0 || positions < 1)
    return nj_fail(ctx, NJ_EARG, "%s: every size must be at least 1", op);
  if (o->width % o->heads)
    return nj_fail(ctx, NJ_EARG, "%s: %lld heads do not divide a width of %lld", op,
                   (long long)o->heads, (long long)o->width);
  if (!(dropout >= 0 && dropout < 1))
    return nj_fail(ctx, NJ_EARG, "%s: dropout must be in [0, 1), got %g", op, dropout);
  return NJ_OK;
}

nj_status nj_transformer_add_layer(nj_params *params, const char *prefix,
                                   const nj_transformer_options *o, int cross) {
  char name[112];
  snprintf(name, sizeof name, "%s.self_attn", prefix);
  NJ_TRY(nj_multi_head_add(params, name, o->width));
  if (cross) {
    snprintf(name, sizeof name, "%s.multihead_attn", prefix);
    NJ_TRY(nj_multi_head_add(params, name, o->width));
  }
  snprintf(name, sizeof name, "%s.linear1", prefix);
  NJ_TRY(nj_params_add_linear(params, name, o->width, o->hidden, NJ_INIT_LINEAR));
  snprintf(name, sizeof name, "%s.linear2", prefix);
  NJ_TRY(nj_params_add_linear(params, name, o->hidden, o->width, NJ_INIT_LINEAR));
  for (int i = 1; i <= 2 + !!cross; i++) {
    snprintf(name, sizeof name, "%s.norm%d", prefix, i);
    NJ_TRY(nj_params_add_layer_norm(params, name, o->width));
  }
  return NJ_OK;
}

/* A layer in the course of a pass. */
typedef struct {
  nj_ctx *ctx;
  const nj_params *params;
  const char *prefix;
  const nj_transformer_options *o;
  nj_drop drop;
} layer_pass;

static nj_status norm(const layer_pass *p, const char *name, nj_tensor *x, nj_tensor **out) {
  return nj_layer_norm_of(p->ctx, p->params, p->prefix, name, p->o->eps, x, out);
}

/* The attention called `name` and its residual. source NULL: the tokens themselves. */
static nj_status attention_part(const layer_pass *p, const char *name, const char *norm_name,
                                nj_tensor *x, nj_tensor *source, nj_tensor *mask, nj_tensor **out) {
  char prefix[112];
  snprintf(prefix, sizeof prefix, "%s.%s", p->prefix, name);
  nj_multi_head m = nj_multi_head_of(p->params, prefix, p->o->heads);
  nj_flow f = nj_flow_begin(x);
  if (p->o->pre_norm)
    NJ_FLOW(f, norm(p, norm_name, f.x, &f.next));
  NJ_FLOW(f, nj_multi_head_forward(p->ctx, &m, f.x, source ? source : f.x, mask, p->drop, &f.next));
  NJ_FLOW(f, nj_add_residual(p->ctx, f.x, x, p->drop, &f.next));
  if (!p->o->pre_norm)
    NJ_FLOW(f, norm(p, norm_name, f.x, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status feed_forward_part(const layer_pass *p, const char *norm_name, nj_tensor *x,
                                   nj_tensor **out) {
  nj_dense first = nj_dense_of(p->params, "%s.linear1", p->prefix);
  nj_dense second = nj_dense_of(p->params, "%s.linear2", p->prefix);
  nj_flow f = nj_flow_begin(x);
  if (p->o->pre_norm)
    NJ_FLOW(f, norm(p, norm_name, f.x, &f.next));
  NJ_FLOW(f, nj_feed_forward(p->ctx, first, second, p->o->activation, f.x, p->drop, &f.next));
  NJ_FLOW(f, nj_add_residual(p->ctx, f.x, x, p->drop, &f.next));
  if (!p->o->pre_norm)
    NJ_FLOW(f, norm(p, norm_name, f.x, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_transformer_encoder_layer(nj_ctx *ctx, const nj_params *params, const char *prefix,
                                       const nj_transformer_options *o, nj_tensor *x,
                                       nj_tensor *mask, nj_drop drop, nj_tensor **out) {
  layer_pass p = {ctx, params, prefix, o, drop};
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, attention_part(&p, "self_attn", "norm1", f.x, NULL, mask, &f.next));
  NJ_FLOW(f, feed_forward_part(&p, "norm2", f.x, &f.next));
  return nj_flow_end(&f, out);
}

nj_status nj_transformer_decoder_layer(nj_ctx *ctx, const nj_params *params, const char *prefix,
                                       const nj_transformer_options *o, nj_tensor *x,
                                       nj_tensor *mask, nj_tensor *memory, nj_tensor *memory_mask,
                                       nj_drop drop, nj_tensor **out) {
  layer_pass p = {ctx, params, prefix, o, drop};
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, attention_part(&p, "self_attn", "norm1", f.x, NULL, mask, &f.next));
  NJ_FLOW(f, attention_part(&p, "multihead_attn", "norm2", f.x, memory, memory_mask, &f.next));
  NJ_FLOW(f, feed_forward_part(&p, "norm3", f.x, &f.next));
  return nj_flow_end(&f, out);
}
