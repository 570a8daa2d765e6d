/* nj.encoders.vit. */
#include "njl_audio_encoders.h"

static const char *const dtype_names[] = {"float32", "float64", NULL};

static nj_status forward_vit(void *net, nj_tensor *x, nj_tensor *lengths, int training, nj_rng *rng,
                             nj_tensor **stages, nj_tensor **frames, nj_tensor **clip,
                             nj_tensor **frame_lengths) {
  (void)stages;
  return nj_vit_forward(net, x, lengths, training, rng, frames, clip, frame_lengths);
}

static int64_t vit_frames(const void *net, int64_t n) { return nj_vit_frames(net, n); }
static int64_t vit_stride(const void *net) { return ((const nj_vit *)net)->options.patch; }
static int64_t vit_width(const void *net) { return nj_vit_width(net); }
static int64_t vit_longest(const void *net) { return nj_vit_longest(net); }
static void free_vit(void *net) { nj_vit_free(net); }

/* No frames make the class token: their mean instead. */
static nj_status pool_vit(void *net, nj_tensor *frames, nj_tensor *lengths, nj_tensor **clip) {
  return nj_mean_time(((nj_vit *)net)->ctx, frames, lengths, clip);
}

static nj_status vit_logits(void *net, nj_tensor *clip, int training, nj_rng *rng,
                            nj_tensor **inner, nj_tensor **out) {
  (void)training;
  (void)rng;
  NJ_TRY(nj_vit_logits(net, clip, out));
  *inner = nj_retain(clip);
  return NJ_OK;
}

static const njl_audio_kind vit_kind = {.network = {"vit", njl_call_audio, free_vit, "encoder"},
                                        .forward = forward_vit,
                                        .frames = vit_frames,
                                        .stride = vit_stride,
                                        .width = vit_width,
                                        .longest = vit_longest,
                                        .pool = pool_vit,
                                        .logits = vit_logits};

static nj_vit_options read_vit(lua_State *L) {
  static const char *const keys[] = {
      "width",      "layers",       "heads",      "hidden",  "mels",  "patch",
      "positions",  "classes",      "scores",     "dropout", "dtype", "time_stripes",
      "time_width", "freq_stripes", "freq_width", "rng",     "kind",  NULL};
  static const char name[] = "vit";
  nj_vit_options o = nj_vit_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 1 << 16, o.width);
  o.layers = njl_opt_integer(L, 1, name, "layers", 0, 1000, o.layers);
  o.heads = njl_opt_integer(L, 1, name, "heads", 1, 1 << 16, o.heads);
  o.hidden = njl_opt_integer(L, 1, name, "hidden", 1, 1 << 20, 4 * o.width);
  o.mels = njl_opt_integer(L, 1, name, "mels", 1, 4096, o.mels);
  o.patch = njl_opt_integer(L, 1, name, "patch", 1, 4096, o.patch);
  o.positions = njl_opt_integer(L, 1, name, "positions", 1, 1 << 20, o.positions);
  o.classes = njl_opt_integer(L, 1, name, "classes", 0, NJL_LARGEST_SIZE, 0);
  o.scores = njl_opt_boolean(L, 1, name, "scores", 0);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, o.dropout);
  o.stripes = njl_read_stripes(L, name);
  o.dtype = njl_opt_enum(L, 1, name, "dtype", dtype_names, 0) ? NJ_F64 : NJ_F32;
  return o;
}

static int l_vit(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_vit_options o = read_vit(L);
  nj_rng *rng = njl_weights_rng(L, "vit");
  njl_network *network = njl_new_network(L, &vit_kind.network);
  nj_vit *net = NULL;
  NJL_CALL(L, nj_vit_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "vit");
  njl_describe_integer(L, "width", o.width);
  njl_describe_integer(L, "layers", o.layers);
  njl_describe_integer(L, "heads", o.heads);
  njl_describe_integer(L, "hidden", o.hidden);
  njl_describe_integer(L, "mels", o.mels);
  njl_describe_integer(L, "patch", o.patch);
  njl_describe_integer(L, "positions", o.positions);
  njl_describe_integer(L, "classes", o.classes);
  njl_describe_boolean(L, "scores", o.scores);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_stripes(L, &o.stripes);
  njl_describe_string(L, "dtype", dtype_names[o.dtype == NJ_F64]);
  njl_account(L);
  return 1;
}

void njl_open_vit(lua_State *L);

void njl_open_vit(lua_State *L) {
  static const luaL_Reg functions[] = {{"vit", l_vit}, {NULL, NULL}};
  njl_namespace(L, "encoders");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
