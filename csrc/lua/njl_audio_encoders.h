/* What kinds of audio encoders have besides what all networks have (njl_network.h). */
#ifndef NJL_AUDIO_ENCODERS_H
#define NJL_AUDIO_ENCODERS_H

#include "njl_network.h"

typedef struct {
  njl_network_kind network; /* its call is njl_call_audio, which tells these kinds from others */
  /* x (B, T, M), lengths or NULL → frames (B, N, C), clip (B, C), frame lengths (B). `stages`, when
   * not NULL, is filled with n_stages inner images. */
  nj_status (*forward)(void *net, nj_tensor *x, nj_tensor *lengths, int training, nj_rng *rng,
                       nj_tensor **stages, nj_tensor **frames, nj_tensor **clip,
                       nj_tensor **frame_lengths);
  /* Instead of it for kinds that may see several views of a clip: x also (B, V, T, M), `longer` (B) or
   * NULL. */
  nj_status (*forward_views)(void *net, nj_tensor *x, nj_tensor *lengths, nj_tensor *longer,
                             int training, nj_rng *rng, nj_tensor **stages, nj_tensor **frames,
                             nj_tensor **clip, nj_tensor **frame_lengths);
  int n_stages;                                       /* 0: none are given */
  int64_t (*frames)(const void *net, int64_t length); /* output frames of so many input frames */
  int64_t (*stride)(const void *net);                 /* input frames per output frame */
  int64_t (*width)(const void *net);                  /* C */
  int64_t (*longest)(const void *net);                /* input frames at most; NULL: any number */
  /* frames and lengths (or NULL) → clip, as forward makes it of its own frames. */
  nj_status (*pool)(void *net, nj_tensor *frames, nj_tensor *lengths, nj_tensor **clip);
  /* clip → what the last layer reads, and its scores. */
  nj_status (*logits)(void *net, nj_tensor *clip, int training, nj_rng *rng, nj_tensor **inner,
                      nj_tensor **out);
} njl_audio_kind;

/* net(mel, lengths | nil, {rng, hidden, longer}) of every audio encoder: frames, clip, frame lengths and,
 * with hidden = true, the list of stages. */
int njl_call_audio(lua_State *L, njl_network *network);

#define NJL_LARGEST_SIZE 1000000000
/* Reads option `key` of the table at 1, a list of up to `most` positive integers; gives its length,
 * 0 when absent. */
int njl_read_sizes(lua_State *L, const char *function, const char *key, int most, int64_t *values);
/* Options time_stripes, time_width, freq_stripes and freq_width of the table at 1, and their entries of
 * the descriptor. */
nj_spec_augment_options njl_read_stripes(lua_State *L, const char *function);
void njl_describe_stripes(lua_State *L, const nj_spec_augment_options *stripes);

#endif
