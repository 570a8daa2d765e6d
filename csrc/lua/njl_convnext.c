/* nj.encoders.convnext. */
#include "njl_audio_encoders.h"

static const char *const dtype_names[] = {"float32", "float64", NULL};

static nj_status forward_convnext(void *net, nj_tensor *x, nj_tensor *lengths, int training,
                                  nj_rng *rng, nj_tensor **stages, nj_tensor **frames,
                                  nj_tensor **clip, nj_tensor **frame_lengths) {
  return nj_convnext_forward(net, x, lengths, training, rng, stages, frames, clip, frame_lengths);
}

static int64_t convnext_frames(const void *net, int64_t n) { return nj_convnext_frames(net, n); }
static int64_t convnext_stride(const void *net) { return nj_convnext_stride(net); }
static int64_t convnext_width(const void *net) {
  return ((const nj_convnext *)net)->options.widths[NJ_CONVNEXT_STAGES - 1];
}
static void free_convnext(void *net) { nj_convnext_free(net); }

static nj_status pool_convnext(void *net, nj_tensor *frames, nj_tensor *lengths, nj_tensor **clip) {
  return nj_max_plus_mean(((nj_convnext *)net)->ctx, frames, lengths, clip);
}

static nj_status convnext_logits(void *net, nj_tensor *clip, int training, nj_rng *rng,
                                 nj_tensor **inner, nj_tensor **out) {
  (void)training;
  (void)rng;
  return nj_convnext_logits(net, clip, inner, out);
}

static const njl_audio_kind convnext_kind = {
    .network = {"convnext", njl_call_audio, free_convnext, "encoder"},
    .forward = forward_convnext,
    .n_stages = NJ_CONVNEXT_STAGES,
    .frames = convnext_frames,
    .stride = convnext_stride,
    .width = convnext_width,
    .pool = pool_convnext,
    .logits = convnext_logits};

static void read_exactly(lua_State *L, const char *key, int count, int64_t *values) {
  int64_t read[NJ_CONVNEXT_STAGES];
  int n = njl_read_sizes(L, "convnext", key, NJ_CONVNEXT_STAGES, read);
  if (n && n != count)
    luaL_error(L, "convnext: option '%s' must have %d entries, got %d", key, count, n);
  for (int i = 0; i < n; i++)
    values[i] = read[i];
}

static nj_convnext_options read_convnext(lua_State *L) {
  static const char *const keys[] = {
      "depths",       "widths",       "mels",       "classes", "patch",
      "padding",      "time_stripes", "drop_path",  "dtype",   "rng",
      "freq_stripes", "time_width",   "freq_width", "kind",    NULL};
  static const char name[] = "convnext";
  nj_convnext_options o = nj_convnext_default_options();
  int64_t freq_width = o.stripes.freq_width;
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  read_exactly(L, "depths", NJ_CONVNEXT_STAGES, o.depths);
  read_exactly(L, "widths", NJ_CONVNEXT_STAGES, o.widths);
  read_exactly(L, "patch", 2, o.patch);
  o.padding = njl_opt_integer(L, 1, name, "padding", 0, 4096, o.padding);
  o.mels = njl_opt_integer(L, 1, name, "mels", 1, 4096, o.mels);
  o.classes = njl_opt_integer(L, 1, name, "classes", 0, NJL_LARGEST_SIZE, 0);
  o.drop_path = njl_opt_number(L, 1, name, "drop_path", 0, 0.999, o.drop_path);
  o.stripes = njl_read_stripes(L, name);
  o.stripes.freq_width = (int)njl_opt_integer(L, 1, name, "freq_width", 1, 4096, freq_width);
  o.dtype = njl_opt_enum(L, 1, name, "dtype", dtype_names, 0) ? NJ_F64 : NJ_F32;
  return o;
}

static int l_convnext(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_convnext_options o = read_convnext(L);
  nj_rng *rng = njl_weights_rng(L, "convnext");
  njl_network *network = njl_new_network(L, &convnext_kind.network);
  nj_convnext *net = NULL;
  NJL_CALL(L, nj_convnext_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "convnext");
  njl_describe_list(L, "depths", NJ_CONVNEXT_STAGES, o.depths);
  njl_describe_list(L, "widths", NJ_CONVNEXT_STAGES, o.widths);
  njl_describe_integer(L, "mels", o.mels);
  njl_describe_integer(L, "classes", o.classes);
  njl_describe_list(L, "patch", 2, o.patch);
  njl_describe_integer(L, "padding", o.padding);
  njl_describe_number(L, "drop_path", o.drop_path);
  njl_describe_stripes(L, &o.stripes);
  njl_describe_string(L, "dtype", dtype_names[o.dtype == NJ_F64]);
  njl_account(L);
  return 1;
}

void njl_open_convnext(lua_State *L);

void njl_open_convnext(lua_State *L) {
  static const luaL_Reg functions[] = {{"convnext", l_convnext}, {NULL, NULL}};
  njl_namespace(L, "encoders");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
