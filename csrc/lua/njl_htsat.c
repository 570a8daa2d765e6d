/* nj.encoders.htsat. */
#include "njl_audio_encoders.h"

static const char *const fit_names[] = {"stretch", "repeat", "zero", NULL};
static const char *const dtype_names[] = {"float32", "float64", NULL};
static const char *const fusion_names[] = {"none", "aff_2d", NULL};
static const char *const frame_names[] = {"tokens", "values", NULL};

static nj_status forward_views(void *net, nj_tensor *x, nj_tensor *lengths, nj_tensor *longer,
                               int training, nj_rng *rng, nj_tensor **stages, nj_tensor **frames,
                               nj_tensor **clip, nj_tensor **frame_lengths) {
  const nj_htsat_input in = {x, lengths, longer, training, rng};
  return nj_htsat_forward(net, &in, stages, frames, clip, frame_lengths);
}

static int64_t htsat_frames(const void *net, int64_t n) { return nj_htsat_frames(net, n); }
static int64_t htsat_stride(const void *net) { return nj_htsat_stride(net); }
static int64_t htsat_width(const void *net) { return ((const nj_htsat *)net)->channels; }
static int64_t htsat_longest(const void *net) { return nj_htsat_longest(net); }
static void free_htsat(void *net) { nj_htsat_free(net); }

static nj_status pool_htsat(void *net, nj_tensor *frames, nj_tensor *lengths, nj_tensor **clip) {
  return nj_mean_time(((nj_htsat *)net)->ctx, frames, lengths, clip);
}

static nj_status htsat_logits(void *net, nj_tensor *clip, int training, nj_rng *rng,
                              nj_tensor **inner, nj_tensor **out) {
  (void)training;
  (void)rng;
  return nj_htsat_logits(net, clip, inner, out);
}

static const njl_audio_kind htsat_kind = {
    .network = {"htsat", njl_call_audio, free_htsat, "encoder"},
    .forward_views = forward_views,
    .n_stages = NJ_HTSAT_HIDDEN,
    .frames = htsat_frames,
    .stride = htsat_stride,
    .width = htsat_width,
    .longest = htsat_longest,
    .pool = pool_htsat,
    .logits = htsat_logits};

static void read_four(lua_State *L, const char *key, int64_t *values) {
  int64_t four[NJ_HTSAT_STAGES];
  int n = njl_read_sizes(L, "htsat", key, NJ_HTSAT_STAGES, four);
  if (n && n != NJ_HTSAT_STAGES)
    luaL_error(L, "htsat: option '%s' must have %d entries, got %d", key, NJ_HTSAT_STAGES, n);
  for (int i = 0; i < n; i++)
    values[i] = four[i];
}

static nj_htsat_options read_htsat(lua_State *L) {
  static const char *const keys[] = {
      "width", "depths",       "heads",      "window",       "mlp_ratio",  "mels",   "side",
      "patch", "classes",      "drop_path",  "fit",          "rng",        "kind",   "fusion",
      "dtype", "time_stripes", "time_width", "freq_stripes", "freq_width", "frames", NULL};
  static const char name[] = "htsat";
  nj_htsat_options o = nj_htsat_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 1 << 16, o.width);
  read_four(L, "depths", o.depths);
  read_four(L, "heads", o.heads);
  o.window = njl_opt_integer(L, 1, name, "window", 1, 64, o.window);
  o.mlp_ratio = njl_opt_number(L, 1, name, "mlp_ratio", 0, 64, o.mlp_ratio);
  o.mels = njl_opt_integer(L, 1, name, "mels", 1, 4096, o.mels);
  o.side = njl_opt_integer(L, 1, name, "side", 1, 4096, o.side);
  o.patch = njl_opt_integer(L, 1, name, "patch", 1, 256, o.patch);
  o.classes = njl_opt_integer(L, 1, name, "classes", 0, NJL_LARGEST_SIZE, 0);
  o.drop_path = njl_opt_number(L, 1, name, "drop_path", 0, 0.999, o.drop_path);
  o.fit = (nj_htsat_fit)njl_opt_enum(L, 1, name, "fit", fit_names, NJ_HTSAT_STRETCH);
  o.values = njl_opt_enum(L, 1, name, "frames", frame_names, 0);
  o.fusion = (nj_htsat_fusion)njl_opt_enum(L, 1, name, "fusion", fusion_names, NJ_HTSAT_ONE_VIEW);
  o.dtype = njl_opt_enum(L, 1, name, "dtype", dtype_names, 0) ? NJ_F64 : NJ_F32;
  o.stripes = njl_read_stripes(L, name);
  return o;
}

static int l_htsat(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_htsat_options o = read_htsat(L);
  nj_rng *rng = njl_weights_rng(L, "htsat");
  njl_network *network = njl_new_network(L, &htsat_kind.network);
  nj_htsat *net = NULL;
  NJL_CALL(L, nj_htsat_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "htsat");
  njl_describe_integer(L, "width", o.width);
  njl_describe_list(L, "depths", NJ_HTSAT_STAGES, o.depths);
  njl_describe_list(L, "heads", NJ_HTSAT_STAGES, o.heads);
  njl_describe_integer(L, "window", o.window);
  njl_describe_number(L, "mlp_ratio", o.mlp_ratio);
  njl_describe_integer(L, "mels", o.mels);
  njl_describe_integer(L, "side", o.side);
  njl_describe_integer(L, "patch", o.patch);
  njl_describe_integer(L, "classes", o.classes);
  njl_describe_number(L, "drop_path", o.drop_path);
  njl_describe_string(L, "fit", fit_names[o.fit]);
  if (o.dtype == NJ_F64)
    njl_describe_string(L, "dtype", "float64");
  if (o.fusion)
    njl_describe_string(L, "fusion", fusion_names[o.fusion]);
  if (o.values)
    njl_describe_string(L, "frames", frame_names[o.values]);
  njl_describe_stripes(L, &o.stripes);
  njl_account(L);
  return 1;
}

void njl_open_htsat(lua_State *L);

void njl_open_htsat(lua_State *L) {
  static const luaL_Reg functions[] = {{"htsat", l_htsat}, {NULL, NULL}};
  njl_namespace(L, "encoders");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
