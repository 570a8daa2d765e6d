#include "ops/conv.h"

#include "base/parallel.h"
#include "kernels/conv.h"
#include "ops/columns.h"
#include "tensor/autograd.h"
#include "tensor/packed.h"

nj_conv_options nj_conv_default_options(void) {
  return (nj_conv_options){.stride = {1, 1}, .padding = {0, 0}, .dilation = {1, 1}, .groups = 1};
}

#define O nj_conv_options
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "groups", groups, 1, 1 << 20, 0),
    NJ_OPTION_FLAG(O, "relu", relu, 0),
};
NJ_OPTION_TABLE_AS(conv, "conv2d", items, NULL)
#undef O

/* ---- checks ---- */

static nj_status check_options(nj_ctx *ctx, const nj_conv_options *o) {
  const int64_t most = 1 << 20;
  for (int i = 0; i < 2; i++)
    if (o->stride[i] < 1 || o->stride[i] > most || o->padding[i] < 0 || o->padding[i] > most ||
        o->dilation[i] < 1 || o->dilation[i] > most)
      return nj_fail(ctx, NJ_EARG,
                     "conv2d: expected stride and dilation of at least 1 and padding "
                     "of at least 0, got stride %lld, padding %lld, dilation %lld",
                     (long long)o->stride[i], (long long)o->padding[i], (long long)o->dilation[i]);
  if (o->groups < 1)
    return nj_fail(ctx, NJ_EARG, "conv2d: expected groups of at least 1, got %lld",
                   (long long)o->groups);
  return NJ_OK;
}

static nj_status check_dtypes(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *w,
                              const nj_tensor *b) {
  if (!nj_dtype_is_float(x->dtype) || w->dtype != x->dtype || (b && b->dtype != x->dtype))
    return nj_fail(ctx, NJ_EDTYPE,
                   "conv2d: expected float32 or float64 tensors of one dtype, got "
                   "%s, weight %s%s%s",
                   nj_dtype_name(x->dtype), nj_dtype_name(w->dtype), b ? ", bias " : "",
                   b ? nj_dtype_name(b->dtype) : "");
  return NJ_OK;
}

static nj_status check_channels(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *w,
                                const nj_tensor *b, int64_t groups) {
  if (x->ndim != 4 || w->ndim != 4)
    return nj_fail(ctx, NJ_ESHAPE,
                   "conv2d: expected x (B, C, H, W) and weight (out, in / groups, "
                   "kH, kW), got %s and %s",
                   NJ_SHAPE_OF(x), NJ_SHAPE_OF(w));
  if (nj_numel(w) == 0)
    return nj_fail(ctx, NJ_ESHAPE, "conv2d: the weight %s is empty", NJ_SHAPE_OF(w));
  if (x->shape[1] % groups != 0 || w->shape[0] % groups != 0)
    return nj_fail(ctx, NJ_ESHAPE,
                   "conv2d: %lld input and %lld output channels cannot be cut into "
                   "%lld groups",
                   (long long)x->shape[1], (long long)w->shape[0], (long long)groups);
  if (w->shape[1] != x->shape[1] / groups)
    return nj_fail(ctx, NJ_ESHAPE,
                   "conv2d: weight has %lld input channels per group, input has "
                   "%lld (%lld channels, %lld groups)",
                   (long long)w->shape[1], (long long)(x->shape[1] / groups),
                   (long long)x->shape[1], (long long)groups);
  if (b && (b->ndim != 1 || b->shape[0] != w->shape[0]))
    return nj_fail(ctx, NJ_ESHAPE, "conv2d: expected a bias of %lld elements, got %s",
                   (long long)w->shape[0], NJ_SHAPE_OF(b));
  return NJ_OK;
}

static nj_status find_shape(nj_ctx *ctx, const nj_tensor *x, const nj_tensor *w, const nj_tensor *b,
                            const nj_conv_options *o, nj_conv_shape *s) {
  NJ_TRY(check_options(ctx, o));
  NJ_TRY(check_dtypes(ctx, x, w, b));
  NJ_TRY(check_channels(ctx, x, w, b, o->groups));
  int64_t size[2];
  for (int i = 0; i < 2; i++) {
    int64_t room = x->shape[2 + i] + 2 * o->padding[i];
    int64_t reach = o->dilation[i] * (w->shape[2 + i] - 1) + 1;
    if (room < reach)
      return nj_fail(ctx, NJ_ESHAPE,
                     "conv2d: the kernel spans %lld but the padded input has %lld "
                     "%s: %s with weight %s",
                     (long long)reach, (long long)room, i ? "columns" : "rows", NJ_SHAPE_OF(x),
                     NJ_SHAPE_OF(w));
    size[i] = (room - reach) / o->stride[i] + 1;
  }
  *s = (nj_conv_shape){.batch = x->shape[0],
                       .in_channels = x->shape[1],
                       .in_h = x->shape[2],
                       .in_w = x->shape[3],
                       .out_channels = w->shape[0],
                       .out_h = size[0],
                       .out_w = size[1],
                       .kernel_h = w->shape[2],
                       .kernel_w = w->shape[3],
                       .stride_h = o->stride[0],
                       .stride_w = o->stride[1],
                       .pad_h = o->padding[0],
                       .pad_w = o->padding[1],
                       .dilation_h = o->dilation[0],
                       .dilation_w = o->dilation[1],
                       .groups = o->groups};
  return NJ_OK;
}

/* ---- memory ---- */

/* How x (B, C, H, W) lies. A single channel is as good as channels-last. */
static nj_conv_strides strides_of(const nj_tensor *x) {
  return (nj_conv_strides){x->stride[0], x->shape[1] == 1 ? 1 : x->stride[1], x->stride[2],
                           x->stride[3]};
}

/* A fresh (B, C, H, W) whose memory is channels-last. */
static nj_status empty_channels_last(nj_ctx *ctx, nj_dtype dtype, int64_t b, int64_t c, int64_t h,
                                     int64_t w, nj_tensor **out) {
  nj_tensor *y = NULL;
  NJ_TRY(nj_empty(ctx, dtype, 4, (int64_t[]){b, h, w, c}, &y));
  nj_status st = nj_alias(y, 4, (int64_t[]){b, c, h, w},
                          (int64_t[]){y->stride[0], 1, y->stride[1], y->stride[2]}, 0, out);
  nj_release(y);
  return st;
}

/* The weights as the plan reads them: found beside w, or packed; *own is to be freed by the caller.
 * */
static nj_status packed_weights(nj_ctx *ctx, const nj_conv_plan *plan, const nj_tensor *w,
                                int turned, int keep, const float **packed, float **own) {
  int64_t order = nj_conv_packed_order(plan);
  nj_packed_kind kind = turned ? NJ_PACKED_CONV_TURNED : NJ_PACKED_CONV;
  *own = NULL;
  *packed = nj_packed_find(w, kind, order);
  if (*packed)
    return NJ_OK;
  float *block = nj_alloc(ctx, (size_t)nj_conv_packed_size(ctx, plan) * sizeof *block);
  if (!block)
    return NJ_ENOMEM;
  nj_status st = nj_conv_pack(ctx, plan, turned, NJ_F32_DATA(w), w->stride, block);
  if (st != NJ_OK) {
    nj_free(ctx, block);
    return st;
  }
  *packed = block;
  if (keep)
    return nj_packed_keep(w, kind, order, block);
  *own = block;
  return NJ_OK;
}

/* ---- forward ---- */

static nj_status run_f32(nj_ctx *ctx, const nj_conv_shape *s, const nj_tensor *x,
                         const nj_tensor *w, const float *bias, int relu, int turned, int keep,
                         nj_tensor *y) {
  nj_conv_plan plan = turned ? nj_conv_input_plan(s) : nj_conv_forward_plan(s);
  const float *packed;
  float *own;
  NJ_TRY(packed_weights(ctx, &plan, w, turned, keep, &packed, &own));
  nj_status st =
      nj_conv_run(ctx, &plan, NJ_F32_DATA(x), strides_of(x), packed, bias, relu, NJ_F32_DATA(y));
  nj_free(ctx, own);
  return st;
}

static nj_status run(nj_ctx *ctx, const nj_conv_shape *s, nj_tensor *x, nj_tensor *w, nj_tensor *b,
                     int relu, nj_tensor *y) {
  nj_tensor *bc = NULL;
  if (b)
    NJ_TRY(nj_as_contiguous(b, &bc));
  nj_status st;
  if (x->dtype == NJ_F32) {
    st = run_f32(ctx, s, x, w, bc ? NJ_F32_DATA(bc) : NULL, relu, 0, w->node == NULL, y);
  } else {
    st = nj_conv_run_f64(ctx, s, NJ_F64_DATA(x), strides_of(x), NJ_F64_DATA(w), w->stride,
                         bc ? NJ_F64_DATA(bc) : NULL, NJ_F64_DATA(y));
    double *p = NJ_F64_DATA(y);
    for (int64_t i = 0; relu && !st && i < nj_numel(y); i++)
      p[i] = p[i] < 0 ? 0 : p[i];
  }
  nj_release(bc);
  return st;
}

/* ---- backward ---- */

/* x, w and, with relu, y are saved; ints: stride, padding, dilation, groups, keep. */
static nj_conv_options saved_options(const nj_node *node) {
  const int64_t *i = node->ints;
  return (nj_conv_options){{i[0], i[1]}, {i[2], i[3]}, {i[4], i[5]}, i[6], node->saved[2] != NULL};
}

static nj_status input_grad(nj_ctx *ctx, nj_node *node, const nj_conv_shape *s,
                            const nj_tensor *grad, nj_tensor **out) {
  const nj_tensor *w = node->saved[1];
  nj_tensor *dx = NULL;
  NJ_TRY(empty_channels_last(ctx, grad->dtype, s->batch, s->in_channels, s->in_h, s->in_w, &dx));
  nj_status st;
  if (grad->dtype == NJ_F32)
    st = run_f32(ctx, s, grad, w, NULL, 0, 1, (int)node->ints[7], dx);
  else
    st = nj_conv_input_grad_f64(ctx, s, NJ_F64_DATA(grad), strides_of(grad), NJ_F64_DATA(w),
                                w->stride, NJ_F64_DATA(dx));
  return nj_finish(st, dx, out);
}

static nj_status weight_grad(nj_ctx *ctx, nj_node *node, const nj_conv_shape *s,
                             const nj_tensor *grad, nj_tensor **out) {
  const nj_tensor *x = node->saved[0];
  nj_tensor *dw = NULL;
  NJ_TRY(nj_empty_like(node->saved[1], &dw));
  nj_status st;
  if (grad->dtype == NJ_F32)
    st = nj_conv_weight_grad(ctx, s, NJ_F32_DATA(x), strides_of(x), NJ_F32_DATA(grad),
                             strides_of(grad), NJ_F32_DATA(dw));
  else
    st = nj_conv_weight_grad_f64(ctx, s, NJ_F64_DATA(x), strides_of(x), NJ_F64_DATA(grad),
                                 strides_of(grad), NJ_F64_DATA(dw));
  return nj_finish(st, dw, out);
}

static nj_status bias_grad(nj_ctx *ctx, nj_tensor *grad, nj_tensor **out) {
  nj_tensor *last = NULL, *rows = NULL;
  NJ_TRY(nj_dim_last(grad, 1, &last));
  int64_t c = grad->shape[1], n = grad->shape[0] * grad->shape[2] * grad->shape[3];
  nj_status st = nj_alias(last, 2, (int64_t[]){n, c}, (int64_t[]){c, 1}, last->offset, &rows);
  if (!st)
    st = nj_column_sums(ctx, rows, out);
  nj_release(last);
  nj_release(rows);
  return st;
}

typedef struct {
  const nj_tensor *y, *g;
  nj_tensor *out;
} mask_job;

static nj_status mask_range(void *argument, int64_t begin, int64_t end, int worker) {
  (void)worker;
  const mask_job *job = argument;
  if (job->y->dtype == NJ_F32) {
    const float *y = NJ_F32_DATA(job->y), *g = NJ_F32_DATA(job->g);
    float *out = NJ_F32_DATA(job->out);
    for (int64_t i = begin; i < end; i++)
      out[i] = y[i] > 0 ? g[i] : 0;
  } else {
    const double *y = NJ_F64_DATA(job->y), *g = NJ_F64_DATA(job->g);
    double *out = NJ_F64_DATA(job->out);
    for (int64_t i = begin; i < end; i++)
      out[i] = y[i] > 0 ? g[i] : 0;
  }
  return NJ_OK;
}

/* grad where y was not clamped, channels-last as y is. */
static nj_status masked_grad(nj_ctx *ctx, nj_tensor *y, nj_tensor *grad, nj_tensor **out) {
  nj_tensor *yl = NULL, *gl = NULL, *masked = NULL;
  nj_status st = nj_dim_last(y, 1, &yl);
  if (!st)
    st = nj_dim_last(grad, 1, &gl);
  if (!st)
    st = nj_empty_dim_last(y, 1, &masked);
  mask_job job = {yl, gl, masked};
  if (!st)
    st = nj_parallel_range(ctx, nj_numel(y), 1 << 15, mask_range, &job);
  nj_release(yl);
  nj_release(gl);
  return nj_finish(st, masked, out);
}

static nj_status conv_backward(nj_ctx *ctx, nj_node *node, nj_tensor *grad, nj_tensor **grads) {
  nj_conv_options o = saved_options(node);
  nj_conv_shape s;
  NJ_TRY(find_shape(ctx, node->saved[0], node->saved[1], NULL, &o, &s));
  nj_tensor *g = NULL;
  if (o.relu)
    NJ_TRY(masked_grad(ctx, node->saved[2], grad, &g));
  else
    g = nj_retain(grad);
  nj_status st = NJ_OK;
  if (nj_needs(node, 0))
    st = input_grad(ctx, node, &s, g, &grads[0]);
  if (!st && nj_needs(node, 1))
    st = weight_grad(ctx, node, &s, g, &grads[1]);
  if (!st && nj_needs(node, 2))
    st = bias_grad(ctx, g, &grads[2]);
  nj_release(g);
  return st;
}

static nj_status save(nj_node *node, nj_tensor *x, nj_tensor *w, nj_tensor *y,
                      const nj_conv_options *o) {
  int64_t ints[] = {o->stride[0],   o->stride[1],   o->padding[0], o->padding[1],
                    o->dilation[0], o->dilation[1], o->groups,     w->node == NULL};
  for (int i = 0; i < 8; i++)
    node->ints[i] = ints[i];
  NJ_TRY(nj_save(node, 0, x));
  NJ_TRY(nj_save(node, 1, w));
  return o->relu ? nj_save(node, 2, y) : NJ_OK;
}

nj_status nj_conv2d(nj_ctx *ctx, nj_tensor *x, nj_tensor *w, nj_tensor *b,
                    const nj_conv_options *options, nj_tensor **out) {
  nj_conv_options o = options ? *options : nj_conv_default_options();
  nj_conv_shape s;
  nj_tensor *y = NULL;
  nj_node *node = NULL;
  NJ_TRY(find_shape(ctx, x, w, b, &o, &s));
  NJ_TRY(empty_channels_last(ctx, x->dtype, s.batch, s.out_channels, s.out_h, s.out_w, &y));
  nj_status st = run(ctx, &s, x, w, b, o.relu, y);
  if (!st)
    st = nj_record(ctx, y, "conv2d", conv_backward, 3, (nj_tensor *[]){x, w, b}, &node);
  if (!st && node)
    st = save(node, x, w, y, &o);
  return nj_finish(st, y, out);
}
