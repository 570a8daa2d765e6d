#include "encoders/htsat.h"

#include <stdio.h>

#include "encoders/htsat_patches.h"
#include "nn/pooling.h"
#include "ops/conv.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/flow.h"

nj_htsat_options nj_htsat_default_options(void) {
  return (nj_htsat_options){.mels = 64,
                            .side = 256,
                            .patch = 4,
                            .width = 96,
                            .depths = {2, 2, 6, 2},
                            .heads = {4, 8, 16, 32},
                            .window = 8,
                            .mlp_ratio = 4,
                            .drop_path = 0.1,
                            .dtype = NJ_F32,
                            .stripes = nj_spec_augment_default_options()};
}

#define O nj_htsat_options
static const char *const fit_names[] = {"stretch", "repeat", "zero", NULL};
static const char *const fusion_names[] = {"none", "aff_2d", NULL};
static const char *const frame_names[] = {"tokens", "values", NULL};
static const nj_option items[] = {
    NJ_OPTION_RANGE(O, "width", width, 1, 1 << 16, 0),
    NJ_OPTION_LIST(O, "depths", depths, 0),
    NJ_OPTION_LIST(O, "heads", heads, 0),
    NJ_OPTION_RANGE(O, "window", window, 1, 64, 0),
    NJ_OPTION_RANGE(O, "mlp_ratio", mlp_ratio, 0, 64, 0),
    NJ_OPTION_RANGE(O, "mels", mels, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "side", side, 1, 4096, 0),
    NJ_OPTION_RANGE(O, "patch", patch, 1, 256, 0),
    NJ_OPTION_RANGE(O, "classes", classes, 0, 1e9, 0),
    NJ_OPTION_RANGE(O, "drop_path", drop_path, 0, 0.999, 0),
    NJ_OPTION_ENUM(O, "fit", fit, fit_names, 0),
    NJ_OPTION_ENUM(O, "fusion", fusion, fusion_names, NJ_OPTION_SPARSE),
    NJ_OPTION_ENUM(O, "frames", values, frame_names, NJ_OPTION_SPARSE),
    NJ_STRIPE_OPTIONS(O),
    NJ_OPTION_FLOATS(O, dtype, NJ_OPTION_SPARSE),
};
NJ_OPTION_TABLE(htsat, items, NULL)
#undef O

static nj_status check_options(nj_ctx *ctx, const nj_htsat_options *o) {
  if (o->mels < 1 || o->side < 1 || o->patch < 1 || o->width < 1 || o->window < 1 || o->classes < 0)
    return nj_fail(ctx, NJ_EARG, "htsat: every size must be at least 1");
  if (o->fusion && o->width < 4)
    return nj_fail(ctx, NJ_EARG, "htsat: fusion needs a width of at least 4, got %lld",
                   (long long)o->width);
  if (o->fusion && o->side < 3 * o->patch)
    return nj_fail(ctx, NJ_EARG, "htsat: fusion needs a side of at least 3 patches of %lld",
                   (long long)o->patch);
  /* Each quarter must keep whole rows of tokens through three merges. */
  if (o->side % o->mels || o->side % (8 * o->patch) || o->mels % (8 * o->patch))
    return nj_fail(ctx, NJ_EARG,
                   "htsat: an image of side %lld must be a multiple of %lld mel bins, and both of "
                   "%lld (8 patches of %lld)",
                   (long long)o->side, (long long)o->mels, (long long)(8 * o->patch),
                   (long long)o->patch);
  for (int i = 0; i < NJ_HTSAT_STAGES; i++)
    if (o->depths[i] < 1 || o->depths[i] > 1000 || o->heads[i] < 1)
      return nj_fail(ctx, NJ_EARG, "htsat: stage %d needs 1 to 1000 blocks and at least 1 head",
                     i + 1);
  if (!(o->mlp_ratio > 0 && o->mlp_ratio <= 64))
    return nj_fail(ctx, NJ_EARG, "htsat: mlp_ratio must be in (0, 64], got %g", o->mlp_ratio);
  if (!(o->drop_path >= 0 && o->drop_path < 1))
    return nj_fail(ctx, NJ_EARG, "htsat: drop_path must be in [0, 1), got %g", o->drop_path);
  return NJ_OK;
}

/* ---- making ---- */

static nj_status prepare_stages(nj_htsat *net) {
  const nj_htsat_options *o = &net->options;
  for (int i = 0; i < NJ_HTSAT_STAGES; i++) {
    nj_swin_stage *s = &net->stages[i];
    s->resolution = o->side / o->patch >> i;
    s->width = o->width << i;
    s->heads = o->heads[i];
    s->hidden = (int64_t)((double)s->width * o->mlp_ratio);
    s->window = o->window;
    NJ_TRY(nj_swin_prepare(net->base.ctx, s));
  }
  net->channels = net->stages[NJ_HTSAT_STAGES - 1].width;
  net->quarters = o->side / o->mels;
  net->columns = net->stages[NJ_HTSAT_STAGES - 1].resolution;
  net->bins = net->columns / net->quarters;
  return NJ_OK;
}

static nj_status add_stage(nj_htsat *net, int i) {
  char prefix[64];
  for (int64_t j = 0; j < net->options.depths[i]; j++) {
    snprintf(prefix, sizeof prefix, "layers.%d.blocks.%lld", i, (long long)j);
    NJ_TRY(nj_swin_add_block(&net->base.params, prefix, &net->stages[i]));
  }
  if (i == NJ_HTSAT_STAGES - 1)
    return NJ_OK;
  snprintf(prefix, sizeof prefix, "layers.%d.downsample", i);
  return nj_swin_add_merge(&net->base.params, prefix, net->stages[i].width);
}

static nj_status build(nj_network *base) {
  nj_htsat *net = (nj_htsat *)base;
  const nj_htsat_options *o = &net->options;
  nj_params *p = &base->params;
  NJ_TRY(check_options(base->ctx, o));
  NJ_TRY(prepare_stages(net));
  NJ_TRY(nj_params_add_batch_norm(p, "bn0", o->mels));
  NJ_TRY(nj_htsat_add_patches(net));
  for (int i = 0; i < NJ_HTSAT_STAGES; i++)
    NJ_TRY(add_stage(net, i));
  NJ_TRY(nj_params_add_layer_norm(p, "norm", net->channels));
  if (!o->classes)
    return NJ_OK;
  int64_t fan = net->channels * net->bins * 3;
  NJ_TRY(nj_params_add(p, "tscam_conv", "weight", NJ_INIT_LINEAR, fan, 4,
                       (int64_t[]){o->classes, net->channels, net->bins, 3}));
  return nj_params_add(p, "tscam_conv", "bias", NJ_INIT_LINEAR, fan, 1, &o->classes);
}

static void clear(nj_network *base) {
  for (int i = 0; i < NJ_HTSAT_STAGES; i++)
    nj_swin_clear(&((nj_htsat *)base)->stages[i]);
}

int64_t nj_htsat_longest(const nj_network *base) {
  const nj_htsat *net = (const nj_htsat *)base;
  return net->quarters * net->options.side;
}

static int64_t all_frames(const nj_htsat *net) { return net->quarters * net->columns; }

static int64_t stride_of(const nj_network *base) {
  return nj_htsat_longest(base) / all_frames((const nj_htsat *)base);
}

static int64_t frames_of(const nj_network *base, int64_t length) {
  const nj_htsat *net = (const nj_htsat *)base;
  int64_t stride = stride_of(base), most = all_frames(net);
  if (length < 1)
    return 0;
  if (net->options.fit == NJ_HTSAT_STRETCH || length > most * stride)
    return most;
  return (length + stride - 1) / stride;
}

/* ---- stages, and the quarters joined again ---- */

static void keep(nj_flow *f, nj_tensor **hidden, int at) {
  if (hidden && f->status == NJ_OK)
    hidden[at] = nj_retain(f->x);
}

static int64_t total_depth(const nj_htsat *net) {
  int64_t total = 0;
  for (int i = 0; i < NJ_HTSAT_STAGES; i++)
    total += net->options.depths[i];
  return total;
}

/* One pass through the stages. */
typedef struct {
  int training;
  nj_rng *rng;
  int64_t done;       /* blocks of the whole network so far */
  nj_tensor **values; /* where the last block's values go, or NULL */
  int tokens;         /* 0: nobody asks for the last block's tokens */
} walk;

/* Blocks of stage i and its merge. */
static nj_status run_stage(nj_htsat *net, int i, walk *w, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_swin_stage *s = &net->stages[i];
  int64_t last = total_depth(net) - 1;
  char prefix[64];
  nj_flow f = nj_flow_begin(x);
  for (int64_t j = 0; j < net->options.depths[i] && !f.status; j++, w->done++) {
    double drop = w->training ? net->options.drop_path * (double)w->done / (double)last : 0;
    snprintf(prefix, sizeof prefix, "layers.%d.blocks.%lld", i, (long long)j);
    if (w->values && w->done == last) {
      f.status = nj_swin_values(ctx, &net->base.params, prefix, s, f.x, drop, w->rng, w->values);
      if (!w->tokens)
        break;
    }
    NJ_FLOW(f, nj_swin_block(ctx, &net->base.params, prefix, s, nj_swin_shifts(s, j), f.x, drop,
                             w->rng, &f.next));
  }
  if (i < NJ_HTSAT_STAGES - 1) {
    snprintf(prefix, sizeof prefix, "layers.%d.downsample", i);
    NJ_FLOW(f, nj_swin_merge(ctx, &net->base.params, prefix, s, f.x, &f.next));
  }
  return nj_flow_end(&f, out);
}

/* Tokens after the last block (B, tokens, C) → (B, quarters, bins, columns, C). */
static nj_status parts_of(nj_htsat *net, nj_tensor *x, nj_tensor **out) {
  const int64_t shape[] = {x->shape[0], net->quarters, net->bins, net->columns, net->channels};
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_swin_norm(net->base.ctx, &net->base.params, "norm", f.x, &f.next));
  NJ_FLOW(f, nj_reshape(net->base.ctx, f.x, 5, shape, &f.next));
  return nj_flow_end(&f, out);
}

/* → parts of the image; those of the last block's values, where frames are made of them, in *values. */
static nj_status trunk(nj_htsat *net, const nj_audio_input *in, nj_tensor **hidden,
                       nj_tensor **values, nj_tensor **out) {
  nj_tensor *last = NULL;
  walk w = {net->base.training, in->rng, 0, net->options.values ? &last : NULL, hidden != NULL};
  nj_flow f = nj_flow_begin(in->x);
  NJ_FLOW(f, nj_htsat_patches(net, in, &f.next));
  keep(&f, hidden, 0);
  for (int i = 0; i < NJ_HTSAT_STAGES; i++) {
    NJ_FLOW(f, run_stage(net, i, &w, f.x, &f.next));
    keep(&f, hidden, i + 1);
  }
  NJ_FLOW(f, parts_of(net, f.x, &f.next));
  if (last && !f.status)
    f.status = parts_of(net, last, values);
  nj_release(last);
  return nj_flow_end(&f, out);
}

/* → (B, C, bins, quarters * columns). */
static nj_status joined_map(nj_htsat *net, nj_tensor *x, nj_tensor **out) {
  const int64_t shape[] = {x->shape[0], net->channels, net->bins, all_frames(net)};
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_permute(net->base.ctx, f.x, (int[]){0, 4, 2, 1, 3}, &f.next));
  NJ_FLOW(f, nj_reshape(net->base.ctx, f.x, 4, shape, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status mean_bins(nj_htsat *net, nj_tensor *x, nj_tensor **out) {
  const int64_t shape[] = {x->shape[0], all_frames(net), net->channels};
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_mean(net->base.ctx, f.x, 1, (int[]){2}, 0, &f.next));
  NJ_FLOW(f, nj_reshape(net->base.ctx, f.x, 3, shape, &f.next));
  return nj_flow_end(&f, out);
}

static nj_status forward(nj_network *base, const nj_audio_input *in, nj_audio_output *out) {
  nj_htsat *net = (nj_htsat *)base;
  nj_tensor *parts = NULL, *values = NULL, *y = NULL, *mean = NULL, *left = NULL;
  NJ_TRY(nj_htsat_check(net, in));
  const nj_tensor *x = in->x;
  nj_status st = nj_network_frames(base, x->shape[0], in->lengths, x->shape[x->ndim - 2], &left);
  if (!st)
    st = trunk(net, in, out->stages, &values, &parts);
  if (!st && out->stages)
    st = joined_map(net, parts, &out->stages[NJ_HTSAT_HIDDEN - 1]);
  if (!st)
    st = mean_bins(net, values ? values : parts, &y);
  if (!st)
    st = nj_mean_time(base->ctx, y, net->options.fit == NJ_HTSAT_STRETCH ? NULL : left, &mean);
  nj_release(parts);
  nj_release(values);
  if (st) {
    nj_release(y);
    nj_release(left);
    return st;
  }
  out->frames = y;
  out->clip = mean;
  out->lengths = left;
  return NJ_OK;
}

static nj_status logits(nj_network *base, nj_tensor *map, nj_rng *rng, nj_tensor **inner,
                        nj_tensor **out) {
  nj_htsat *net = (nj_htsat *)base;
  (void)rng;
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *times = NULL;
  if (!net->options.classes)
    return nj_fail(ctx, NJ_EARG, "htsat: logits need a classifier (option 'classes')");
  if (map->ndim != 4 || map->shape[1] != net->channels || map->shape[2] != net->bins)
    return nj_fail(ctx, NJ_ESHAPE,
                   "htsat: logits are made of the last hidden tensor, (batch, %lld, %lld, times), "
                   "got %s",
                   (long long)net->channels, (long long)net->bins, NJ_SHAPE_OF(map));
  nj_conv_options conv = nj_conv_default_options();
  conv.padding[1] = 1;
  nj_flow f = nj_flow_begin(map);
  NJ_FLOW(f, nj_conv2d(ctx, f.x, nj_params_find(&net->base.params, "tscam_conv.weight"),
                       nj_params_find(&net->base.params, "tscam_conv.bias"), &conv, &f.next));
  NJ_FLOW(f, nj_squeeze(ctx, f.x, 2, &f.next));
  if (!f.status)
    times = nj_retain(f.x);
  NJ_FLOW(f, nj_mean(ctx, f.x, 1, (int[]){2}, 0, &f.next));
  nj_status st = nj_flow_end(&f, out);
  if (st || !inner)
    nj_release(times);
  else
    *inner = times;
  return st;
}

static int64_t width_of(const nj_network *base) { return ((const nj_htsat *)base)->channels; }

static const nj_audio_encoder audio = {.n_stages = NJ_HTSAT_HIDDEN,
                                       .views = 1,
                                       .forward = forward,
                                       .frames = frames_of,
                                       .stride = stride_of,
                                       .width = width_of,
                                       .longest = nj_htsat_longest,
                                       .pool = nj_mean_time,
                                       .logits = logits};
const nj_network_kind nj_htsat_network =
    NJ_NETWORK_KIND(htsat, .dtype_at = offsetof(nj_htsat, options.dtype), .build = build,
                    .clear = clear, .audio = &audio);
NJ_NETWORK_DEFINE(htsat)
