/* Audio encoders behind convnet, as userdata of the class of networks, and the methods that all audio
 * encoders have. */
#include "njl_audio_encoders.h"

/* ---- what they share ---- */

int njl_read_sizes(lua_State *L, const char *function, const char *key, int most, int64_t *values) {
  if (lua_getfield(L, 1, key) == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  if (!lua_istable(L, -1))
    luaL_error(L, "%s: option '%s' must be a list of integers, got %s", function, key,
               luaL_typename(L, -1));
  lua_Integer n = luaL_len(L, -1);
  if (n < 1 || n > most)
    luaL_error(L, "%s: option '%s' must have 1 to %d entries, got %I", function, key, most,
               (LUAI_UACINT)n);
  for (int i = 0; i < (int)n; i++) {
    int whole;
    lua_geti(L, -1, i + 1);
    values[i] = lua_tointegerx(L, -1, &whole);
    if (!whole || values[i] < 1 || values[i] > NJL_LARGEST_SIZE)
      luaL_error(L, "%s: entry %d of option '%s' must be a positive integer", function, i + 1, key);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return (int)n;
}

typedef struct {
  nj_tensor *x, *lengths, *longer;
  nj_rng *rng;
} audio_input;

static audio_input read_input(lua_State *L, const njl_audio_kind *audio) {
  static const char *const keys[] = {"rng", "hidden", "longer", NULL};
  const char *name = audio->network.name;
  audio_input in = {.x = njl_check_tensor(L, 2)};
  if (!lua_isnoneornil(L, 3))
    in.lengths = njl_check_tensor(L, 3);
  njl_options(L, 4, name, keys);
  in.rng = njl_opt_rng(L, 4, name, "rng");
  if (lua_istable(L, 4) && lua_getfield(L, 4, "longer") != LUA_TNIL) {
    in.longer = njl_test_tensor(L, -1); /* the table keeps it */
    if (!in.longer)
      luaL_error(L, "%s: option 'longer' must be a tensor, got %s", name, luaL_typename(L, -1));
    if (!audio->forward_views)
      luaL_error(L, "%s: option 'longer' is for networks that fuse views of a clip", name);
  }
  lua_settop(L, 4);
  return in;
}

static nj_status forward(const njl_audio_kind *audio, njl_network *network, const audio_input *in,
                         nj_tensor **stages, nj_tensor **frames, nj_tensor **clip,
                         nj_tensor **left) {
  if (audio->forward_views)
    return audio->forward_views(network->net, in->x, in->lengths, in->longer, network->training,
                                in->rng, stages, frames, clip, left);
  return audio->forward(network->net, in->x, in->lengths, network->training, in->rng, stages,
                        frames, clip, left);
}

int njl_call_audio(lua_State *L, njl_network *network) {
  enum { MOST = 32 };
  const njl_audio_kind *audio = (const njl_audio_kind *)(const void *)network->kind;
  audio_input in = read_input(L, audio);
  int n = njl_opt_boolean(L, 4, audio->network.name, "hidden", 0) ? audio->n_stages : 0;
  luaL_checkstack(L, n + 8, "too many stages");
  nj_tensor **frames = njl_new_tensor(L), **clip = njl_new_tensor(L), **left = njl_new_tensor(L);
  nj_tensor **slots[MOST], *stages[MOST] = {0};
  if (n)
    lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    slots[i] = njl_new_tensor(L);
    lua_rawseti(L, -2, i + 1);
  }
  nj_status status = forward(audio, network, &in, n ? stages : NULL, frames, clip, left);
  if (!n && status == NJ_ENOMEM && njl_reclaim(L))
    status = forward(audio, network, &in, NULL, frames, clip, left);
  for (int i = 0; i < n; i++)
    *slots[i] = stages[i]; /* owned before anything can throw */
  njl_check(L, status);
  njl_account(L);
  return n ? 4 : 3;
}

/* ---- mobilenet ---- */

static nj_status forward_mobilenet(void *net, nj_tensor *x, nj_tensor *lengths, int training,
                                   nj_rng *rng, nj_tensor **stages, nj_tensor **frames,
                                   nj_tensor **clip, nj_tensor **frame_lengths) {
  (void)rng;
  return nj_mobilenet_forward(net, x, lengths, training, stages, frames, clip, frame_lengths);
}

static int64_t mobilenet_frames(const void *net, int64_t n) { return nj_mobilenet_frames(net, n); }
static int64_t mobilenet_stride(const void *net) { return nj_mobilenet_stride(net); }
static int64_t mobilenet_width(const void *net) { return ((const nj_mobilenet *)net)->channels; }

static nj_status pool_mobilenet(void *net, nj_tensor *frames, nj_tensor *lengths,
                                nj_tensor **clip) {
  return nj_mean_time(((nj_mobilenet *)net)->ctx, frames, lengths, clip);
}

static nj_status mobilenet_logits(void *net, nj_tensor *clip, int training, nj_rng *rng,
                                  nj_tensor **inner, nj_tensor **out) {
  return nj_mobilenet_logits(net, clip, training, rng, inner, out);
}

static void free_mobilenet(void *net) { nj_mobilenet_free(net); }

static const njl_audio_kind mobilenet_kind = {
    .network = {"mobilenet", njl_call_audio, free_mobilenet, "encoder"},
    .forward = forward_mobilenet,
    .n_stages = NJ_MOBILENET_STAGES,
    .frames = mobilenet_frames,
    .stride = mobilenet_stride,
    .width = mobilenet_width,
    .pool = pool_mobilenet,
    .logits = mobilenet_logits};

static nj_mobilenet_options read_mobilenet(lua_State *L) {
  static const char *const keys[] = {"width",   "mels", "classes", "strides",
                                     "dropout", "rng",  "kind",    NULL};
  static const char name[] = "mobilenet";
  nj_mobilenet_options o = nj_mobilenet_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.width = njl_opt_number(L, 1, name, "width", 0.01, 64, o.width);
  o.mels = njl_opt_integer(L, 1, name, "mels", 1, 4096, o.mels);
  o.classes = njl_opt_integer(L, 1, name, "classes", 0, NJL_LARGEST_SIZE, o.classes);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, o.dropout);
  int64_t strides[4];
  int n = njl_read_sizes(L, name, "strides", 4, strides);
  if (n && n != 4)
    luaL_error(L, "mobilenet: option 'strides' must have 4 entries, got %d", n);
  for (int i = 0; i < n; i++)
    o.strides[i] = strides[i];
  return o;
}

static int l_mobilenet(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_mobilenet_options o = read_mobilenet(L);
  nj_rng *rng = njl_weights_rng(L, "mobilenet");
  njl_network *network = njl_new_network(L, &mobilenet_kind.network);
  nj_mobilenet *net = NULL;
  NJL_CALL(L, nj_mobilenet_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "mobilenet");
  njl_describe_number(L, "width", o.width);
  njl_describe_integer(L, "mels", o.mels);
  njl_describe_integer(L, "classes", o.classes);
  njl_describe_list(L, "strides", 4, o.strides);
  njl_describe_number(L, "dropout", o.dropout);
  njl_account(L);
  return 1;
}

/* ---- resnet ---- */

static nj_status forward_resnet(void *net, nj_tensor *x, nj_tensor *lengths, int training,
                                nj_rng *rng, nj_tensor **stages, nj_tensor **frames,
                                nj_tensor **clip, nj_tensor **frame_lengths) {
  (void)stages;
  return nj_resnet_forward(net, x, lengths, training, rng, frames, clip, frame_lengths);
}

static int64_t resnet_frames(const void *net, int64_t n) { return nj_resnet_frames(net, n); }
static int64_t resnet_stride(const void *net) { return nj_resnet_stride(net); }
static int64_t resnet_width(const void *net) { return ((const nj_resnet *)net)->options.channels; }
static void free_resnet(void *net) { nj_resnet_free(net); }

static nj_status pool_resnet(void *net, nj_tensor *frames, nj_tensor *lengths, nj_tensor **clip) {
  return nj_max_plus_mean(((nj_resnet *)net)->ctx, frames, lengths, clip);
}

static nj_status resnet_logits(void *net, nj_tensor *clip, int training, nj_rng *rng,
                               nj_tensor **inner, nj_tensor **out) {
  return nj_resnet_logits(net, clip, training, rng, inner, out);
}

static const njl_audio_kind resnet_kind = {
    .network = {"resnet", njl_call_audio, free_resnet, "encoder"},
    .forward = forward_resnet,
    .frames = resnet_frames,
    .stride = resnet_stride,
    .width = resnet_width,
    .pool = pool_resnet,
    .logits = resnet_logits};

nj_spec_augment_options njl_read_stripes(lua_State *L, const char *function) {
  nj_spec_augment_options s = nj_spec_augment_default_options();
  s.time_stripes = (int)njl_opt_integer(L, 1, function, "time_stripes", 0, 64, s.time_stripes);
  s.time_width = (int)njl_opt_integer(L, 1, function, "time_width", 1, 4096, s.time_width);
  s.freq_stripes = (int)njl_opt_integer(L, 1, function, "freq_stripes", 0, 64, s.freq_stripes);
  s.freq_width = (int)njl_opt_integer(L, 1, function, "freq_width", 1, 4096, s.freq_width);
  return s;
}

void njl_describe_stripes(lua_State *L, const nj_spec_augment_options *stripes) {
  njl_describe_integer(L, "time_stripes", stripes->time_stripes);
  njl_describe_integer(L, "time_width", stripes->time_width);
  njl_describe_integer(L, "freq_stripes", stripes->freq_stripes);
  njl_describe_integer(L, "freq_width", stripes->freq_width);
}

static nj_resnet_options read_resnet(lua_State *L) {
  static const char *const keys[] = {
      "width",        "blocks",     "bottleneck",    "channels",     "mels",
      "classes",      "dropout",    "block_dropout", "time_stripes", "time_width",
      "freq_stripes", "freq_width", "rng",           "kind",         NULL};
  static const char name[] = "resnet";
  nj_resnet_options o = nj_resnet_default_options();
  luaL_checktype(L, 1, LUA_TTABLE);
  njl_options(L, 1, name, keys);
  o.width = njl_opt_integer(L, 1, name, "width", 1, 1 << 16, o.width);
  o.bottleneck = njl_opt_boolean(L, 1, name, "bottleneck", 0);
  o.channels = njl_opt_integer(L, 1, name, "channels", 1, 1 << 20, 32 * o.width);
  o.mels = njl_opt_integer(L, 1, name, "mels", 1, 4096, o.mels);
  o.classes = njl_opt_integer(L, 1, name, "classes", 0, NJL_LARGEST_SIZE, 0);
  o.dropout = njl_opt_number(L, 1, name, "dropout", 0, 0.999, o.dropout);
  o.block_dropout = njl_opt_number(L, 1, name, "block_dropout", 0, 0.999, o.block_dropout);
  o.stripes = njl_read_stripes(L, name);
  int64_t blocks[NJ_RESNET_LAYERS];
  int n = njl_read_sizes(L, name, "blocks", NJ_RESNET_LAYERS, blocks);
  if (n && n != NJ_RESNET_LAYERS)
    luaL_error(L, "resnet: option 'blocks' must have %d entries, got %d", NJ_RESNET_LAYERS, n);
  for (int i = 0; i < n; i++)
    o.blocks[i] = blocks[i];
  return o;
}

static int l_resnet(lua_State *L) {
  nj_ctx *ctx = njl_ctx(L);
  nj_resnet_options o = read_resnet(L);
  nj_rng *rng = njl_weights_rng(L, "resnet");
  njl_network *network = njl_new_network(L, &resnet_kind.network);
  nj_resnet *net = NULL;
  NJL_CALL(L, nj_resnet_new(ctx, &o, rng, &net));
  network->net = net;
  network->params = &net->params;
  njl_describe_string(L, "kind", "resnet");
  njl_describe_integer(L, "width", o.width);
  njl_describe_list(L, "blocks", NJ_RESNET_LAYERS, o.blocks);
  njl_describe_boolean(L, "bottleneck", o.bottleneck);
  njl_describe_integer(L, "channels", o.channels);
  njl_describe_integer(L, "mels", o.mels);
  njl_describe_integer(L, "classes", o.classes);
  njl_describe_number(L, "dropout", o.dropout);
  njl_describe_number(L, "block_dropout", o.block_dropout);
  njl_describe_stripes(L, &o.stripes);
  njl_account(L);
  return 1;
}

/* ---- methods of audio encoders ---- */

static const njl_audio_kind *check_audio(lua_State *L, const char *method, njl_network **network) {
  const njl_network_kind *kind = (*network = njl_check_network(L, 1))->kind;
  if (kind->call != njl_call_audio)
    luaL_error(L, "%s: a %s is no audio encoder", method, kind->name);
  return (const njl_audio_kind *)(const void *)kind;
}

/* net:frames(length): output frames of `length` input frames. */
static int l_frames(lua_State *L) {
  njl_network *network;
  const njl_audio_kind *audio = check_audio(L, "frames", &network);
  lua_Integer length = luaL_checkinteger(L, 2);
  luaL_argcheck(L, length >= 0, 2, "expected a number of frames");
  lua_pushinteger(L, audio->frames(network->net, length));
  return 1;
}

/* net:stride(): input frames per output frame. */
static int l_stride(lua_State *L) {
  njl_network *network;
  const njl_audio_kind *audio = check_audio(L, "stride", &network);
  lua_pushinteger(L, audio->stride(network->net));
  return 1;
}

/* net:width(): channels of frames and clips. */
static int l_width(lua_State *L) {
  njl_network *network;
  const njl_audio_kind *audio = check_audio(L, "width", &network);
  lua_pushinteger(L, audio->width(network->net));
  return 1;
}

/* net:longest(): the most input frames it takes, or nil. */
static int l_longest(lua_State *L) {
  njl_network *network;
  const njl_audio_kind *audio = check_audio(L, "longest", &network);
  if (audio->longest)
    lua_pushinteger(L, audio->longest(network->net));
  else
    lua_pushnil(L);
  return 1;
}

/* net:pool(frames (B, N, C), lengths | nil) gives the clip vector (B, C) of those frames. */
static int l_pool(lua_State *L) {
  njl_network *network;
  const njl_audio_kind *audio = check_audio(L, "pool", &network);
  nj_tensor *x = njl_check_tensor(L, 2);
  nj_tensor *lengths = lua_isnoneornil(L, 3) ? NULL : njl_check_tensor(L, 3);
  luaL_argcheck(L, x->ndim == 3 && x->shape[1] > 0, 2, "expected frames (batch, frames, channels)");
  njl_check(L, nj_check_lengths(njl_ctx(L), "pool", x, lengths));
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, audio->pool(network->net, x, lengths, slot));
  njl_account(L);
  return 1;
}

/* net:logits(clip (…, C), {rng}) gives (…, classes), before the sigmoid, and what the last layer
 * reads. */
static int l_logits(lua_State *L) {
  static const char *const keys[] = {"rng", NULL};
  njl_network *network;
  const njl_audio_kind *audio = check_audio(L, "logits", &network);
  nj_tensor *clip = njl_check_tensor(L, 2);
  njl_options(L, 3, "logits", keys);
  nj_rng *rng = njl_opt_rng(L, 3, "logits", "rng");
  if (!audio->logits)
    return luaL_error(L, "logits: a %s has no classifier", network->kind->name);
  nj_tensor **out = njl_new_tensor(L), **inner = njl_new_tensor(L);
  NJL_CALL(L, audio->logits(network->net, clip, network->training, rng, inner, out));
  njl_account(L);
  return 2;
}

void njl_open_audio_encoders(lua_State *L);

void njl_open_audio_encoders(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"frames", l_frames}, {"stride", l_stride}, {"width", l_width}, {"longest", l_longest},
      {"pool", l_pool},     {"logits", l_logits}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"mobilenet", l_mobilenet}, {"resnet", l_resnet}, {NULL, NULL}};
  njl_methods(L, NJL_NETWORK, methods);
  lua_getfield(L, -1, "encoders");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
