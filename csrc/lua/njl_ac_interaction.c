/* nj.ac: interaction of frames and captions, and pooling of captions. */
#include "njl_network.h"

/* net(frames, frame_mask | nil, captions | nil, caption_mask | nil, {rng}) gives frames (B, N, D) and,
 * when the network enhances captions and there are some, captions (B, K, D). */
static int call_interaction(lua_State *L, nj_network *base) {
  nj_interaction *net = (nj_interaction *)base;
  nj_tensor *frames = njl_check_tensor(L, 2), *frame_mask = njl_opt_tensor(L, 3);
  nj_tensor *captions = njl_opt_tensor(L, 4), *caption_mask = njl_opt_tensor(L, 5);
  nj_rng *rng = njl_call_rng(L, 6, "interaction");
  int both = net->options.captions && captions;
  nj_tensor **out = njl_new_tensor(L), **enhanced = both ? njl_new_tensor(L) : NULL;
  NJL_CALL(L, nj_interaction_forward(net, frames, frame_mask, captions, caption_mask,
                                     base->training, rng, out, enhanced));
  njl_account(L);
  return both ? 2 : 1;
}

/* net(captions, mask | nil, {rng}) gives (B, D). */
static int call_pool(lua_State *L, nj_network *base) {
  nj_tensor *captions = njl_check_tensor(L, 2), *mask = njl_opt_tensor(L, 3);
  nj_rng *rng = njl_call_rng(L, 4, "caption_pool");
  nj_tensor **slot = njl_new_tensor(L);
  NJL_CALL(L, nj_caption_pool_forward((nj_caption_pool *)base, captions, mask, base->training, rng,
                                      slot));
  njl_account(L);
  return 1;
}

void njl_open_ac_interaction(lua_State *L) {
  static const njl_network_class classes[] = {
      {&nj_interaction_network, call_interaction, "network"},
      {&nj_caption_pool_network, call_pool, "network"},
      {0}};
  njl_networks(L, "ac", classes);
}
