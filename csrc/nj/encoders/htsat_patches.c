#include "encoders/htsat_patches.h"

#include "encoders/fusion.h"
#include "nn/pooling.h"
#include "ops/conv.h"
#include "ops/index.h"
#include "ops/join.h"
#include "ops/norm.h"
#include "ops/resize.h"
#include "ops/shape.h"
#include "tensor/flow.h"

#define PIECES (NJ_HTSAT_VIEWS - 1)

static nj_status add_conv(nj_params *p, const char *prefix, int64_t width, int64_t high,
                          int64_t wide) {
  NJ_TRY(nj_params_add(p, prefix, "weight", NJ_INIT_LINEAR, high * wide, 4,
                       (int64_t[]){width, 1, high, wide}));
  return nj_params_add(p, prefix, "bias", NJ_INIT_LINEAR, high * wide, 1, &width);
}

nj_status nj_htsat_add_patches(nj_htsat *net) {
  const nj_htsat_options *o = &net->options;
  nj_params *p = &net->base.params;
  NJ_TRY(add_conv(p, "patch_embed.proj", o->width, o->patch, o->patch));
  NJ_TRY(nj_params_add_layer_norm(p, "patch_embed.norm", o->width));
  if (!o->fusion)
    return NJ_OK;
  NJ_TRY(add_conv(p, "patch_embed.mel_conv2d", o->width, o->patch, PIECES * o->patch));
  return nj_fusion_add(p, "patch_embed.fusion_model", o->width);
}

/* ---- what the network takes ---- */

static nj_status check_views(const nj_htsat *net, const nj_audio_input *in) {
  nj_ctx *ctx = net->base.ctx;
  const nj_tensor *x = in->x, *longer = in->longer;
  int views = x->ndim == 4;
  if (longer && !net->options.fusion)
    return nj_fail(ctx, NJ_EARG,
                   "htsat: option 'longer' is for networks that fuse views "
                   "(option 'fusion')");
  if (longer && !views)
    return nj_fail(ctx, NJ_ESHAPE,
                   "htsat: option 'longer' needs views of shape (batch, %d, frames, %lld), got %s",
                   NJ_HTSAT_VIEWS, (long long)net->options.mels, NJ_SHAPE_OF(x));
  if (longer && (longer->ndim != 1 || longer->shape[0] != x->shape[0]))
    return nj_fail(ctx, NJ_ESHAPE, "htsat: option 'longer' must have shape (%lld), got %s",
                   (long long)x->shape[0], NJ_SHAPE_OF(longer));
  if (views && in->lengths)
    return nj_fail(ctx, NJ_EARG, "htsat: views fill their frames and take no lengths");
  return NJ_OK;
}

nj_status nj_htsat_check(const nj_htsat *net, const nj_audio_input *in) {
  nj_ctx *ctx = net->base.ctx;
  const nj_tensor *x = in->x;
  int64_t mels = net->options.mels;
  int views = net->options.fusion && x->ndim == 4 && x->shape[1] == NJ_HTSAT_VIEWS;
  int fits = (x->ndim == 3 || views) && x->shape[x->ndim - 1] == mels && x->shape[x->ndim - 2] > 0;
  if (!fits && net->options.fusion)
    return nj_fail(ctx, NJ_ESHAPE,
                   "htsat: expected log-mels of shape (batch, frames, %lld) or (batch, %d, frames, "
                   "%lld), got %s",
                   (long long)mels, NJ_HTSAT_VIEWS, (long long)mels, NJ_SHAPE_OF(x));
  if (!fits)
    return nj_fail(ctx, NJ_ESHAPE,
                   "htsat: expected log-mels of shape (batch, frames, %lld), got %s",
                   (long long)mels, NJ_SHAPE_OF(x));
  if (x->dtype != net->options.dtype)
    return nj_fail(ctx, NJ_EDTYPE, "htsat: expected %s log-mels, got %s",
                   nj_dtype_name(net->options.dtype), nj_dtype_name(x->dtype));
  if (x->shape[x->ndim - 2] > nj_htsat_longest(&net->base))
    return nj_fail(ctx, NJ_EARG,
                   "htsat: %lld frames are more than its %lld; cut longer sounds into tiles",
                   (long long)x->shape[x->ndim - 2], (long long)nj_htsat_longest(&net->base));
  NJ_TRY(check_views(net, in));
  return views ? NJ_OK : nj_check_lengths(ctx, "htsat", x, in->lengths);
}

/* ---- from log-mels to the image ---- */

/* x (B, length, M) → (B, longest, M). */
static nj_status repeat(nj_ctx *ctx, nj_tensor *x, int64_t longest, nj_tensor **out) {
  nj_tensor *index = NULL;
  NJ_TRY(nj_empty(ctx, NJ_I64, 1, &longest, &index));
  for (int64_t i = 0; i < longest; i++)
    NJ_I64_DATA(index)[i] = i % x->shape[1];
  nj_status st = nj_index_select(ctx, x, 1, index, out);
  nj_release(index);
  return st;
}

static nj_status stretch(nj_ctx *ctx, nj_tensor *x, int64_t longest, nj_tensor **out) {
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_unsqueeze(ctx, f.x, 1, &f.next));
  NJ_FLOW(f, nj_resize(ctx, f.x, longest, x->shape[2], NJ_RESIZE_BICUBIC, 1, &f.next));
  NJ_FLOW(f, nj_squeeze(ctx, f.x, 1, &f.next));
  return nj_flow_end(&f, out);
}

/* The first `length` frames of x (B, T, M), made as long as the image. */
static nj_status fit_same(const nj_htsat *net, nj_tensor *x, int64_t length, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  int64_t longest = nj_htsat_longest(&net->base);
  nj_flow f = nj_flow_begin(x);
  if (length < x->shape[1])
    NJ_FLOW(f, nj_narrow(ctx, f.x, 1, 0, length, &f.next));
  if (length == longest)
    return nj_flow_end(&f, out);
  if (net->options.fit == NJ_HTSAT_STRETCH)
    NJ_FLOW(f, stretch(ctx, f.x, longest, &f.next));
  else if (net->options.fit == NJ_HTSAT_REPEAT)
    NJ_FLOW(f, repeat(ctx, f.x, longest, &f.next));
  else
    NJ_FLOW(f, nj_pad(ctx, f.x, 2, (int64_t[]){0, 0}, (int64_t[]){0, longest - length},
                      NJ_PAD_CONSTANT, 0.0, &f.next));
  return nj_flow_end(&f, out);
}

/* Each clip by its own length. */
static nj_status fit_each(const nj_htsat *net, nj_tensor *x, const nj_tensor *lengths,
                          nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  int64_t n = x->shape[0];
  nj_tensor **clips = nj_calloc(ctx, (size_t)n, sizeof *clips);
  nj_status st = clips ? NJ_OK : NJ_ENOMEM;
  for (int64_t i = 0; i < n && !st; i++) {
    nj_tensor *one = NULL;
    st = nj_narrow(ctx, x, 0, i, 1, &one);
    if (!st)
      st = fit_same(net, one, (int64_t)nj_get(lengths, &i), &clips[i]);
    nj_release(one);
  }
  if (!st)
    st = nj_cat(ctx, (int)n, clips, 0, out);
  for (int64_t i = 0; clips && i < n; i++)
    nj_release(clips[i]);
  nj_free(ctx, clips);
  return st;
}

static nj_status fit(const nj_htsat *net, nj_tensor *x, const nj_tensor *lengths, nj_tensor **out) {
  int64_t first = lengths && x->shape[0] ? (int64_t)nj_get(lengths, (int64_t[]){0}) : x->shape[1];
  int differ = 0;
  for (int64_t i = 0; lengths && i < x->shape[0]; i++)
    differ = differ || (int64_t)nj_get(lengths, &i) != first;
  return differ ? fit_each(net, x, lengths, out) : fit_same(net, x, first, out);
}

/* Clips (n, T, M), after the batch norm → images (n, 1, side, side): quarters one below the other. */
static nj_status images(const nj_htsat *net, nj_tensor *x, const nj_tensor *lengths,
                        nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  int64_t side = net->options.side, mels = net->options.mels, n = x->shape[0];
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, fit(net, f.x, lengths, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 4, (int64_t[]){n, net->quarters, side, mels}, &f.next));
  NJ_FLOW(f, nj_transpose(ctx, f.x, 2, 3, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 4, (int64_t[]){n, 1, side, side}, &f.next));
  return nj_flow_end(&f, out);
}

/* Patches of a convolution that does not overlap, `wide` patches each: (n, width, rows, columns). */
static nj_status convolve(const nj_htsat *net, const char *prefix, int64_t wide, nj_tensor *x,
                          nj_tensor **out) {
  nj_conv_options conv = nj_conv_default_options();
  conv.stride[0] = net->options.patch;
  conv.stride[1] = wide * net->options.patch;
  return nj_conv2d(net->base.ctx, x, nj_param_of(&net->base.params, "%s.weight", prefix),
                   nj_param_of(&net->base.params, "%s.bias", prefix), &conv, out);
}

/* SpecAugment with the same stripes in all views of a clip. */
static nj_status augment_views(const nj_htsat *net, nj_tensor *x, nj_rng *rng, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *views[NJ_HTSAT_VIEWS] = {0};
  nj_rng after = *rng;
  nj_status st = NJ_OK;
  for (int v = 0; v < NJ_HTSAT_VIEWS && !st; v++) {
    after = *rng;
    nj_flow f = nj_flow_begin(x);
    NJ_FLOW(f, nj_select(ctx, f.x, 1, v, &f.next));
    NJ_FLOW(f, nj_spec_augment(ctx, f.x, &net->options.stripes, NULL, &after, &f.next));
    st = nj_flow_end(&f, &views[v]);
  }
  *rng = after;
  if (!st)
    st = nj_stack(ctx, NJ_HTSAT_VIEWS, views, 1, out);
  for (int v = 0; v < NJ_HTSAT_VIEWS; v++)
    nj_release(views[v]);
  return st;
}

/* bn0 over bands and, while training, SpecAugment. */
static nj_status normalised(const nj_htsat *net, const nj_audio_input *in, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_htsat_options *o = &net->options;
  const nj_params *p = &net->base.params;
  nj_batch_norm_options norm = nj_batch_norm_default_options();
  norm.training = net->base.training;
  norm.channel_dim = in->x->ndim - 1;
  nj_flow f = nj_flow_begin(in->x);
  NJ_FLOW(f, nj_batch_norm(ctx, f.x, nj_params_find(p, "bn0.weight"), nj_params_find(p, "bn0.bias"),
                           nj_params_find(p, "bn0.running_mean"),
                           nj_params_find(p, "bn0.running_var"), &norm, &f.next));
  if (net->base.training && (o->stripes.time_stripes || o->stripes.freq_stripes)) {
    if (in->x->ndim == 4)
      NJ_FLOW(f, augment_views(net, f.x, in->rng, &f.next));
    else
      NJ_FLOW(f, nj_spec_augment(ctx, f.x, &o->stripes, in->lengths, in->rng, &f.next));
  }
  return nj_flow_end(&f, out);
}

/* ---- fusion ---- */

/* Pieces (n, 3, T, M) → their patches (n, width, R, R): side by side, with zeros where three times the
 * columns of one fall short. */
static nj_status pieces(const nj_htsat *net, nj_tensor *x, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_htsat_options *o = &net->options;
  int64_t n = x->shape[0], rows = o->side / o->patch, columns = rows / PIECES;
  nj_flow f = nj_flow_begin(x);
  NJ_FLOW(f, nj_reshape(ctx, f.x, 3, (int64_t[]){n * PIECES, x->shape[2], o->mels}, &f.next));
  NJ_FLOW(f, images(net, f.x, NULL, &f.next));
  NJ_FLOW(f, convolve(net, "patch_embed.mel_conv2d", PIECES, f.x, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 5, (int64_t[]){n, PIECES, o->width, rows, columns}, &f.next));
  NJ_FLOW(f, nj_permute(ctx, f.x, (int[]){0, 2, 3, 1, 4}, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 4, (int64_t[]){n, o->width, rows, PIECES * columns}, &f.next));
  if (PIECES * columns < rows)
    NJ_FLOW(f,
            nj_pad(ctx, f.x, 4, (int64_t[]){0, 0, 0, 0},
                   (int64_t[]){0, 0, 0, rows - PIECES * columns}, NJ_PAD_CONSTANT, 0.0, &f.next));
  return nj_flow_end(&f, out);
}

/* Which clips are longer, int64 (n), and where each clip is in the list of all as they are, then the
 * fused ones. *count: n. */
static nj_status sort_longer(const nj_htsat *net, const nj_audio_input *in, nj_tensor **which,
                             nj_tensor **places, int64_t *count) {
  int64_t batch = in->x->shape[0], n = 0;
  nj_tensor *all = NULL, *to = NULL;
  NJ_TRY(nj_empty(net->base.ctx, NJ_I64, 1, &batch, &all));
  nj_status st = nj_empty(net->base.ctx, NJ_I64, 1, &batch, &to);
  for (int64_t i = 0; i < batch && !st; i++) {
    int is = !in->longer || nj_get(in->longer, &i) != 0;
    NJ_I64_DATA(to)[i] = is ? batch + n : i;
    if (is)
      NJ_I64_DATA(all)[n++] = i;
  }
  if (!st)
    st = nj_narrow(net->base.ctx, all, 0, 0, n, which);
  nj_release(all);
  if (st) {
    nj_release(to);
    return st;
  }
  *places = to;
  *count = n;
  return NJ_OK;
}

/* Patches of the whole clips (B, width, R, R), those of the longer ones fused with their pieces'. */
static nj_status fuse(const nj_htsat *net, nj_tensor *views, nj_tensor *whole, nj_tensor *which,
                      nj_tensor *places, int training, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *mine = NULL;
  nj_status st = nj_index_select(ctx, whole, 0, which, &mine);
  nj_flow f = nj_flow_begin(views);
  f.status = st;
  NJ_FLOW(f, nj_index_select(ctx, f.x, 0, which, &f.next));
  NJ_FLOW(f, nj_narrow(ctx, f.x, 1, 1, PIECES, &f.next));
  NJ_FLOW(f, pieces(net, f.x, &f.next));
  NJ_FLOW(f, nj_fusion_forward(ctx, &net->base.params, "patch_embed.fusion_model", mine, f.x,
                               training, &f.next));
  NJ_FLOW(f, nj_cat(ctx, 2, (nj_tensor *[]){whole, f.x}, 0, &f.next));
  NJ_FLOW(f, nj_index_select(ctx, f.x, 0, places, &f.next));
  nj_release(mine);
  return nj_flow_end(&f, out);
}

/* Normalised views (B, 4, T, M) → patches (B, width, R, R). */
static nj_status patches_of_views(const nj_htsat *net, const nj_audio_input *in, nj_tensor *views,
                                  nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  nj_tensor *which = NULL, *places = NULL;
  int64_t n = 0;
  NJ_TRY(sort_longer(net, in, &which, &places, &n));
  nj_flow f = nj_flow_begin(views);
  NJ_FLOW(f, nj_select(ctx, f.x, 1, 0, &f.next));
  NJ_FLOW(f, images(net, f.x, NULL, &f.next));
  NJ_FLOW(f, convolve(net, "patch_embed.proj", 1, f.x, &f.next));
  if (n > 0)
    NJ_FLOW(f, fuse(net, views, f.x, which, places, net->base.training, &f.next));
  nj_release(which);
  nj_release(places);
  return nj_flow_end(&f, out);
}

nj_status nj_htsat_patches(nj_htsat *net, const nj_audio_input *in, nj_tensor **out) {
  nj_ctx *ctx = net->base.ctx;
  const nj_htsat_options *o = &net->options;
  int64_t across = o->side / o->patch, tokens = across * across;
  nj_flow f = nj_flow_begin(in->x);
  NJ_FLOW(f, normalised(net, in, &f.next));
  if (in->x->ndim == 4) {
    NJ_FLOW(f, patches_of_views(net, in, f.x, &f.next));
  } else {
    NJ_FLOW(f, images(net, f.x, in->lengths, &f.next));
    NJ_FLOW(f, convolve(net, "patch_embed.proj", 1, f.x, &f.next));
  }
  NJ_FLOW(f, nj_permute(ctx, f.x, (int[]){0, 2, 3, 1}, &f.next));
  NJ_FLOW(f, nj_reshape(ctx, f.x, 3, (int64_t[]){in->x->shape[0], tokens, o->width}, &f.next));
  NJ_FLOW(f, nj_swin_norm(ctx, &net->base.params, "patch_embed.norm", f.x, &f.next));
  return nj_flow_end(&f, out);
}
