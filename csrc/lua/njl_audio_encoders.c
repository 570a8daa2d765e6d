/* nj.encoders: the networks that read sound, and the methods that they have besides those of all networks. */
#include "encoders/convnet.h"
#include "njl_network.h"

static nj_audio_input read_input(lua_State *L, const nj_network *net) {
  static const char *const keys[] = {"rng", "hidden", "longer", NULL};
  const char *name = net->kind->name;
  nj_audio_input in = {.x = njl_check_tensor(L, 2), .lengths = njl_opt_tensor(L, 3)};
  njl_options(L, 4, name, keys);
  in.rng = njl_opt_rng(L, 4, name, "rng");
  if (lua_istable(L, 4) && lua_getfield(L, 4, "longer") != LUA_TNIL) {
    in.longer = njl_test_tensor(L, -1); /* the table keeps it */
    if (!in.longer)
      luaL_error(L, "%s: option 'longer' must be a tensor, got %s", name, luaL_typename(L, -1));
    if (!net->kind->audio->views)
      luaL_error(L, "%s: option 'longer' is for networks that fuse views of a clip", name);
  }
  lua_settop(L, 4);
  return in;
}

/* net(mel, lengths | nil, {rng, hidden, longer}): frames, clip, frame lengths and, with hidden = true and
 * from those that have them, the list of stages. */
static int call_audio(lua_State *L, nj_network *net) {
  const nj_audio_encoder *audio = net->kind->audio;
  nj_audio_input in = read_input(L, net);
  njl_inner inner;
  nj_audio_output out = {0};
  luaL_checkstack(L, 16, "audio encoder");
  nj_tensor **frames = njl_new_tensor(L), **clip = njl_new_tensor(L), **left = njl_new_tensor(L);
  out.stages = njl_inner_make(L, 4, net->kind->name, audio->n_stages, &inner);
  nj_status status = audio->forward(net, &in, &out);
  if (!inner.n && status == NJ_ENOMEM && njl_reclaim(L))
    status = audio->forward(net, &in, &out);
  njl_inner_keep(&inner);
  njl_check(L, status);
  *frames = out.frames;
  *clip = out.clip;
  *left = out.lengths;
  njl_account(L);
  return inner.n ? 4 : 3;
}

/* ---- methods ---- */

static const nj_audio_encoder *check_audio(lua_State *L, const char *method, nj_network **net) {
  *net = njl_check_network(L, 1);
  if (!(*net)->kind->audio)
    luaL_error(L, "%s: a %s is not an audio encoder", method, (*net)->kind->name);
  return (*net)->kind->audio;
}

/* net:frames(length): output frames of `length` input frames. */
static int l_frames(lua_State *L) {
  nj_network *net;
  const nj_audio_encoder *audio = check_audio(L, "frames", &net);
  lua_Integer length = luaL_checkinteger(L, 2);
  luaL_argcheck(L, length >= 0, 2, "expected a number of frames");
  lua_pushinteger(L, audio->frames(net, length));
  return 1;
}

/* net:stride(): input frames per output frame. */
static int l_stride(lua_State *L) {
  nj_network *net;
  const nj_audio_encoder *audio = check_audio(L, "stride", &net);
  lua_pushinteger(L, audio->stride(net));
  return 1;
}

/* net:width(): channels of frames and clips. */
static int l_width(lua_State *L) {
  nj_network *net;
  const nj_audio_encoder *audio = check_audio(L, "width", &net);
  lua_pushinteger(L, audio->width(net));
  return 1;
}

/* net:longest(): the most input frames it takes, or nil. */
static int l_longest(lua_State *L) {
  nj_network *net;
  const nj_audio_encoder *audio = check_audio(L, "longest", &net);
  if (audio->longest)
    lua_pushinteger(L, audio->longest(net));
  else
    lua_pushnil(L);
  return 1;
}

/* net:pool(frames (B, N, C), lengths | nil) gives the clip vector (B, C) of those frames. */
static int l_pool(lua_State *L) {
  nj_network *net;
  const nj_audio_encoder *audio = check_audio(L, "pool", &net);
  nj_tensor *x = njl_check_tensor(L, 2), *lengths = njl_opt_tensor(L, 3);
  luaL_argcheck(L, x->ndim == 3 && x->shape[1] > 0, 2, "expected frames (batch, frames, channels)");
  njl_check(L, nj_check_lengths(njl_ctx(L), "pool", x, lengths));
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, audio->pool(njl_ctx(L), x, lengths, slot));
  njl_account(L);
  return 1;
}

/* net:logits(clip (…, C), {rng}) gives (…, classes), before the sigmoid, and what the last layer
 * reads. */
static int l_logits(lua_State *L) {
  nj_network *net;
  const nj_audio_encoder *audio = check_audio(L, "logits", &net);
  nj_tensor *clip = njl_check_tensor(L, 2);
  nj_rng *rng = njl_call_rng(L, 3, "logits");
  nj_tensor **out = njl_new_tensor(L), **inner = njl_new_tensor(L);
  NJL_CALL(L, audio->logits(net, clip, rng, inner, out));
  njl_account(L);
  return 2;
}

void njl_open_audio_encoders(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"frames", l_frames}, {"stride", l_stride}, {"width", l_width}, {"longest", l_longest},
      {"pool", l_pool},     {"logits", l_logits}, {NULL, NULL}};
  static const njl_network_class classes[] = {{&nj_convnet_network, call_audio, "encoder"},
                                              {&nj_resnet_network, call_audio, "encoder"},
                                              {&nj_mobilenet_network, call_audio, "encoder"},
                                              {&nj_convnext_network, call_audio, "encoder"},
                                              {&nj_htsat_network, call_audio, "encoder"},
                                              {&nj_vit_network, call_audio, "encoder"},
                                              {0}};
  njl_methods(L, NJL_NETWORK, methods);
  njl_networks(L, "encoders", classes);
}
