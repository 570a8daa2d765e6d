#include "encoders/convnext.h"

#include <stdio.h>

#include "encoders/panns.h"
#include "nn/pooling.h"
#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/random.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

#define KERNEL 7 /* of depthwise convolutions */
#define WIDER 4  /* how much wider a block is inside */
#define EPS 1e-6 /* of LayerNorm */
#define SCALE 1e-6f

nj_convnext_options nj_convnext_default_options(void) {
  nj_convnext_options o = {.depths = {3, 3, 9, 3},
                           .widths = {96, 192, 384, 768},
                           .mels = 224,
                           .patch = {4, 4},
                           .padding = 4,
                           .drop_path = 0.1,
                           .stripes = nj_spec_augment_default_options(),
                           .dtype = NJ_F32};
  o.stripes.freq_width = 28; /* PANNs' 8 of 64 bands, of 224 */
  return o;
}

#define O nj_convnext_options
static const nj_option items[] = {
    NJ_OPTION_LIST(O, "depths", depths, 0),
    NJ_OPTION_LIST(O, "widths", widths, 0),
    NJ_OPTION_RANGE(O, "mels", mels, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "classes", classes, 0, 1e9, 0),
    NJ_OPTION_LIST(O, "patch", patch, 0),
    NJ_OPTION_RANGE(O, "padding", padding, 0, 4096, 0),
    NJ_OPTION_RANGE(O, "drop_path", drop_path, 0, 0.999, 0),
    NJ_STRIPE_OPTIONS(O),
    NJ_OPTION_FLOATS(O, dtype, 0),
};
NJ_OPTION_TABLE(convnext, items, NULL)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_convnext_options *o) {
  for (int i = 0; i < NJ_CONVNEXT_STAGES; i++)
    if (o->depths[i] < 1 || o->widths[i] < 1)
      return nj_fail(ctx, NJ_EARG, "convnext: stage %d needs at least one block and one channel",
                     i + 1);
  if (o->mels < 1 || o->classes < 0 || o->patch[0] < 1 || o->patch[1] < 1 || o->padding < 0)
    return nj_fail(ctx, NJ_EARG,
                   "convnext: needs at least 1 mel bin, 0 classes, patches of 1x1 and padding 0");
  if (o->mels / o->patch[1] < 8)
    return nj_fail(ctx, NJ_EARG,
                   "convnext: %lld mel bins are too few: patches of %lld and three halvings take "
                   "%lld",
                   (long long)o->mels, (long long)o->patch[1], (long long)(8 * o->patch[1]));
  if (!(o->drop_path >= 0 && o->drop_path < 1))
    return nj_fail(ctx, NJ_EARG, "convnext: drop_path must be in [0, 1), got %g", o->drop_path);
  if (o->dtype != NJ_F32 && o->dtype != NJ_F64)
    return nj_fail(ctx, NJ_EDTYPE, "convnext: parameters are float32 or float64, not %s",
                   nj_dtype_name(o->dtype));
  return NJ_OK;
}

/* ---- making ---- */

#define NAME 64

static nj_status add_conv(nj_params *p, const char *prefix, int64_t out, int64_t in, int64_t kh,
                          int64_t kw) {
  NJ_TRY(nj_params_add(p, prefix, "weight", NJ_INIT_BERT, 0, 4, (int64_t[]){out, in, kh, kw}));
  return nj_params_add(p, prefix, "bias", NJ_INIT_ZEROS, 0, 1, &out);
}

/* One for each channel; small, so that a fresh block does next to nothing. */
static nj_status add_scale(nj_params *p, const char *prefix, int64_t width) {
  NJ_TRY(nj_params_add(p, prefix, "gamma", NJ_INIT_ONES, 0, 1, &width));
  nj_tensor *x = p->items[p->n - 1].tensor;
  for (int64_t i = 0; i < width; i++)
    if (x->dtype == NJ_F32)
      NJ_F32_DATA(x)[i] = SCALE;
    else
      NJ_F64_DATA(x)[i] = SCALE;
  return NJ_OK;
}

static nj_status add_block(nj_params *p, int stage, int64_t block, int64_t width) {
  char prefix[NAME], part[2 * NAME];
  snprintf(prefix, sizeof prefix, "stages.%d.%lld", stage, (long long)block);
#define PART(name) (snprintf(part, sizeof part, "%s.%s", prefix, name), part)
  NJ_TRY(add_scale(p, prefix, width));
  NJ_TRY(add_conv(p, PART("dwconv"), width, 1, KERNEL, KERNEL));
  NJ_TRY(nj_params_add_layer_norm(p, PART("norm"), width));
  NJ_TRY(nj_params_add_linear(p, PART("pwconv1"), width, WIDER * width, NJ_INIT_BERT));
  return nj_params_add_linear(p, PART("pwconv2"), WIDER * width, width, NJ_INIT_BERT);
#undef PART
}

/* The stem's convolution stands before its norm, those between stages after theirs. */
static nj_status add_downsample(nj_params *p, const nj_convnext_options *o, int stage) {
  char conv[NAME], norm[NAME];
  snprintf(conv, sizeof conv, "downsample_layers.%d.%d", stage, stage ? 1 : 0);
  snprintf(norm, sizeof norm, "downsample_layers.%d.%d", stage, stage ? 0 : 1);
  if (stage == 0) {
    NJ_TRY(add_conv(p, conv, o->widths[0], 1, o->patch[0], o->patch[1]));
    return nj_params_add_layer_norm(p, norm, o->widths[0]);
  }
  NJ_TRY(nj_params_add_layer_norm(p, norm, o->widths[stage - 1]));
  return add_conv(p, conv, o->widths[stage], o->widths[stage - 1], 2, 2);
}

static nj_status build(nj_network *base) {
  nj_params *p = &base->params;
  const nj_convnext_options *o = &((nj_convnext *)base)->options;
  NJ_TRY(check_options(base->ctx, o));
  NJ_TRY(nj_params_add_batch_norm(p, "bn0", o->mels));
  for (int i = 0; i < NJ_CONVNEXT_STAGES; i++) {
    NJ_TRY(add_downsample(p, o, i));
    for (int64_t k = 0; k < o->depths[i]; k++)
      NJ_TRY(add_block(p, i, k, o->widths[i]));
  }
  if (!o->classes)
    return NJ_OK;
  int64_t width = o->widths[NJ_CONVNEXT_STAGES - 1];
  NJ_TRY(nj_params_add_layer_norm(p, "norm", width));
  return nj_params_add_linear(p, "head_audioset", width, o->classes, NJ_INIT_BERT);
}

/* ---- frames ---- */

/* Behind the first convolution. */
static int64_t patches(const nj_convnext *net, int64_t length) {
  const nj_convnext_options *o = &net->options;
  int64_t n = (length + 2 * o->padding - o->patch[0]) / o->patch[0] + 1;
  return n < 1 && length > 0 ? 1 : n;
}

/* What is left of `length` after a convolution of stride 2; of a short clip its beginning. */
static int64_t halved(int64_t length) { return length == 1 ? 1 : length / 2; }

static int64_t frames_of(const nj_network *base, int64_t length) {
  if (length < 1)
    return 0;
  int64_t n = patches((const nj_convnext *)base, length);
  for (int i = 1; i < NJ_CONVNEXT_STAGES; i++)
    n = halved(n);
  return n;
}

static int64_t stride_of(const nj_network *base) {
  return ((const nj_convnext *)base)->options.patch[0] << (NJ_CONVNEXT_STAGES - 1);
}

/* The fewest input frames of a batch. */
static int64_t shortest(const nj_convnext *net) {
  int64_t n = stride_of(&net->base) - 2 * net->options.padding;
  return n < 1 ? 1 : n;
}

/* ---- forward ---- */

/* One call. */
typedef struct {
  nj_convnext *net;
  nj_ctx *ctx;
  int training;
  nj_rng *rng;
  nj_tensor *left; /* int64 (B): how far each clip reaches at the present resolution; NULL: all
                    * fill the image */
  int64_t block;   /* of all, from 0 */
} pass;

static nj_tensor *param(const pass *p, const char *prefix, const char *name) {
  return nj_param_of(&p->net->base.params, "%s.%s", prefix, name);
}

/* Images (B, C, H, W) as pixels (B, H, W, C), and back; both are views. */
static nj_status to_pixels(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  return nj_permute(ctx, x, (int[]){0, 2, 3, 1}, out);
}

static nj_status to_image(nj_ctx *ctx, nj_tensor *x, nj_tensor **out) {
  return nj_permute(ctx, x, (int[]){0, 3, 1, 2}, out);
}

/* x (B, C, T', M') with zeros past each clip's end. */
static nj_status clear_end(const pass *p, nj_tensor *x, nj_tensor **out) {
  nj_flow f = nj_flow_begin(x);
  if (p->left) {
    NJ_FLOW(f, to_pixels(p->ctx, f.x, &f.next));
    NJ_FLOW(f, nj_mask_time(p->ctx, f.x, p->left, 0.0, &f.next));
    NJ_FLOW(f, to_image(p->ctx, f.x, &f.next));
  }
  return nj_flow_end(&f, out);
}

static nj_status norm_of(const pass *p, const char *prefix, nj_tensor *pixels, nj_tensor **out) {
  return nj_layer_norm(p->ctx, pixels, param(p, prefix, "weight"), param(p, prefix, "bias"), EPS,
                       out);
}

/* LayerNorm over the channels of an image. */
static nj_status norm_image(const pass *p, const char *prefix, nj_tensor *x, nj_tensor **out) {
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, to_pixels(p->ctx, f.x, &f.next));
  NJ_FLOW(f, norm_of(p, prefix, f.x, &f.next));
  NJ_FLOW(f, to_image(p->ctx, f.x, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status stem(pass *p, nj_tensor *x, nj_tensor **out) {
  const nj_convnext_options *o = &p->net->options;
  static const char conv[] = "downsample_layers.0.0";
  nj_conv_options patch = nj_conv_default_options();
  patch.stride[0] = o->patch[0];
  patch.stride[1] = o->patch[1];
  patch.padding[0] = o->padding;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(
      f, nj_conv2d(p->ctx, f.x, param(p, conv, "weight"), param(p, conv, "bias"), &patch, &f.next));
  NJ_FLOW(f, norm_image(p, "downsample_layers.0.1", f.x, &f.next));
  for (int64_t b = 0; p->left && b < p->left->shape[0]; b++)
    NJ_I64_DATA(p->left)[b] = patches(p->net, NJ_I64_DATA(p->left)[b]);
  return nj_flow_end(&f, out);
}

static nj_status downsample(pass *p, int stage, nj_tensor *x, nj_tensor **out) {
  char conv[NAME], norm[NAME];
  snprintf(conv, sizeof conv, "downsample_layers.%d.1", stage);
  snprintf(norm, sizeof norm, "downsample_layers.%d.0", stage);
  nj_conv_options half = nj_conv_default_options();
  half.stride[0] = half.stride[1] = 2;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, norm_image(p, norm, f.x, &f.next));
  NJ_FLOW(f, clear_end(p, f.x, &f.next)); /* a clip of one row reaches over two */
  NJ_FLOW(f,
          nj_conv2d(p->ctx, f.x, param(p, conv, "weight"), param(p, conv, "bias"), &half, &f.next));
  for (int64_t b = 0; p->left && b < p->left->shape[0]; b++)
    NJ_I64_DATA(p->left)[b] = halved(NJ_I64_DATA(p->left)[b]);
  return nj_flow_end(&f, out);
}

/* x + branch; while training the branch of some clips is left out and that of the others scaled up,
 * the more often the later the block. */
static nj_status join_branch(pass *p, nj_tensor *x, nj_tensor *branch, nj_tensor **out) {
  const nj_convnext_options *o = &p->net->options;
  int64_t blocks = 0;
  for (int i = 0; i < NJ_CONVNEXT_STAGES; i++)
    blocks += o->depths[i];
  double rate = o->drop_path * (double)p->block / (double)(blocks - 1);
  p->block++;
  if (!p->training || !(rate > 0))
    return nj_add(p->ctx, x, branch, out);
  nj_tensor *ones = NULL, *kept = NULL;
  nj_status st = nj_full(p->ctx, x->dtype, 4, (int64_t[]){x->shape[0], 1, 1, 1}, 1.0, &ones);
  if (!st)
    st = nj_dropout(p->ctx, ones, rate, 1, p->rng, &kept);
  nj_flow f = nj_flow_begin(branch);
  f.status = st;
  NJ_FLOW(f, nj_mul(p->ctx, f.x, kept, &f.next));
  NJ_FLOW(f, nj_add(p->ctx, x, f.x, &f.next));
  nj_release(ones);
  nj_release(kept);
  return nj_flow_end(&f, out);
}

static nj_status run_block(pass *p, int stage, int64_t block, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = p->ctx;
  char prefix[NAME], part[2 * NAME];
  snprintf(prefix, sizeof prefix, "stages.%d.%lld", stage, (long long)block);
#define PART(name) (snprintf(part, sizeof part, "%s.%s", prefix, name), part)
  nj_conv_options depthwise = nj_conv_default_options();
  depthwise.padding[0] = depthwise.padding[1] = KERNEL / 2;
  depthwise.groups = x->shape[1];
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, clear_end(p, f.x, &f.next));
  NJ_FLOW(f, nj_conv2d(ctx, f.x, param(p, PART("dwconv"), "weight"),
                       param(p, PART("dwconv"), "bias"), &depthwise, &f.next));
  NJ_FLOW(f, to_pixels(ctx, f.x, &f.next));
  NJ_FLOW(f, norm_of(p, PART("norm"), f.x, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, param(p, PART("pwconv1"), "weight"),
                       param(p, PART("pwconv1"), "bias"), &f.next));
  NJ_FLOW(f, nj_gelu(ctx, f.x, &f.next));
  NJ_FLOW(f, nj_linear(ctx, f.x, param(p, PART("pwconv2"), "weight"),
                       param(p, PART("pwconv2"), "bias"), &f.next));
#undef PART
  NJ_FLOW(f, nj_mul(ctx, f.x, param(p, prefix, "gamma"), &f.next));
  NJ_FLOW(f, to_image(ctx, f.x, &f.next));
  NJ_FLOW(f, join_branch(p, x, f.x, &f.next));
  return nj_flow_end(&f, out);
}

/* x (B, T, M) → the last stage's image. */
static nj_status trunk(pass *p, nj_tensor *x, nj_tensor *lengths, nj_tensor **stages,
                       nj_tensor **out) {
  const nj_convnext_options *o = &p->net->options;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_panns_front(p->ctx, &p->net->base.params, f.x, lengths, p->training, &o->stripes,
                            p->rng, &f.next));
  for (int i = 0; i < NJ_CONVNEXT_STAGES; i++) {
    NJ_FLOW(f, i ? downsample(p, i, f.x, &f.next) : stem(p, f.x, &f.next));
    for (int64_t k = 0; k < o->depths[i]; k++)
      NJ_FLOW(f, run_block(p, i, k, f.x, &f.next));
    if (stages && !f.status)
      stages[i] = nj_retain(f.x);
  }
  return nj_flow_end(&f, out);
}

static nj_status check_input(const nj_convnext *net, const nj_tensor *x, const nj_tensor *lengths) {
  const nj_convnext_options *o = &net->options;
  if (x->ndim != 3 || x->shape[2] != o->mels)
    return nj_fail(net->base.ctx, NJ_ESHAPE,
                   "convnext: expected log-mels of shape (batch, frames, %lld), got %s",
                   (long long)o->mels, NJ_SHAPE_OF(x));
  if (x->dtype != o->dtype)
    return nj_fail(net->base.ctx, NJ_EDTYPE, "convnext: expected %s log-mels, got %s",
                   nj_dtype_name(o->dtype), nj_dtype_name(x->dtype));
  if (x->shape[1] < shortest(net))
    return nj_fail(net->base.ctx, NJ_ESHAPE,
                   "convnext: %lld frames are too few, one output frame takes %lld",
                   (long long)x->shape[1], (long long)shortest(net));
  return nj_check_lengths(net->base.ctx, "convnext", x, lengths);
}

static nj_status forward(nj_network *base, const nj_audio_input *in, nj_audio_output *out) {
  nj_convnext *net = (nj_convnext *)base;
  nj_tensor *x = in->x, *lengths = in->lengths;
  NJ_TRY(check_input(net, x, lengths));
  pass p = {.net = net, .ctx = base->ctx, .training = base->training, .rng = in->rng};
  nj_tensor *y = NULL;
  if (lengths)
    NJ_TRY(nj_clone(base->ctx, lengths, &p.left));
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, trunk(&p, f.x, lengths, out->stages, &f.next));
  NJ_FLOW(f, clear_end(&p, f.x, &f.next));
  NJ_FLOW(f, nj_panns_frames(base->ctx, f.x, &f.next));
  nj_release(p.left);
  NJ_TRY(nj_flow_end(&f, &y));
  nj_status st = nj_panns_pool(base, y, lengths, x->shape[1], out);
  return nj_finish(st, y, &out->frames);
}

static nj_status logits(nj_network *base, nj_tensor *clip, nj_rng *rng, nj_tensor **inner,
                        nj_tensor **out) {
  nj_convnext *net = (nj_convnext *)base;
  (void)rng;
  const nj_params *p = &net->base.params;
  nj_tensor *normed = NULL;
  if (!net->options.classes)
    return nj_fail(net->base.ctx, NJ_EARG, "convnext: logits need a classifier (option 'classes')");
  NJ_TRY(nj_layer_norm(net->base.ctx, clip, nj_params_find(p, "norm.weight"),
                       nj_params_find(p, "norm.bias"), EPS, &normed));
  nj_status st = nj_linear(net->base.ctx, normed, nj_params_find(p, "head_audioset.weight"),
                           nj_params_find(p, "head_audioset.bias"), out);
  if (st || !inner)
    nj_release(normed);
  else
    *inner = normed;
  return st;
}

static int64_t width_of(const nj_network *base) {
  return ((const nj_convnext *)base)->options.widths[NJ_CONVNEXT_STAGES - 1];
}

static const nj_audio_encoder audio = {.n_stages = NJ_CONVNEXT_STAGES,
                                       .forward = forward,
                                       .frames = frames_of,
                                       .stride = stride_of,
                                       .width = width_of,
                                       .pool = nj_max_plus_mean,
                                       .logits = logits};
const nj_network_kind nj_convnext_network = NJ_NETWORK_KIND(
    convnext, .dtype_at = offsetof(nj_convnext, options.dtype), .build = build, .audio = &audio);
NJ_NETWORK_DEFINE(convnext)
