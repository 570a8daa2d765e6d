/* What all networks are: parameters, options, whether they are being trained; and what audio encoders are
 * besides. A kind says what differs.
 *
 *   typedef struct {
 *     nj_network base;               first
 *     nj_thing_options options;
 *     …                              zero when build is called
 *   } nj_thing;
 *
 *   NJ_NETWORK_DECLARE(thing)        in the header: nj_thing_network, nj_thing_new, nj_thing_free
 *
 *   static nj_status build(nj_network *base) { … adds parameters to base->params … }
 *   const nj_network_kind nj_thing_network = NJ_NETWORK_KIND(thing, .build = build);
 *   NJ_NETWORK_DEFINE(thing) */
#ifndef NJ_NN_NETWORK_H
#define NJ_NN_NETWORK_H

#include "base/option.h"
#include "nn/params.h"

typedef struct nj_network nj_network;

typedef struct {
  nj_tensor *x;       /* log-mels (B, T, M); (B, V, T, M) where the encoder fuses views of a clip */
  nj_tensor *lengths; /* int64 (B), or NULL when every clip fills T, as views do */
  nj_tensor
      *longer; /* of encoders that fuse views: (B), not 0 where those of a clip are fused, else its
                         first alone counts; NULL: everywhere */
  nj_rng *rng; /* used while training */
} nj_audio_input;

typedef struct {
  nj_tensor *frames;  /* (B, N, C) */
  nj_tensor *clip;    /* (B, C) */
  nj_tensor *lengths; /* int64 (B): the valid frames of each clip */
  nj_tensor *
      *stages; /* given by the caller, who releases what is put there: NULL, or n_stages inner
                         images, also on failure */
} nj_audio_output;

/* What audio encoders do. */
typedef struct {
  int n_stages; /* 0: none are given */
  int views;    /* takes several views of a clip */
  /* Errors: ESHAPE, EDTYPE, EARG (a length outside 1 … T), ENOMEM, EINTR. */
  nj_status (*forward)(nj_network *net, const nj_audio_input *in, nj_audio_output *out);
  int64_t (*frames)(const nj_network *net,
                    int64_t length);         /* output frames of so many input frames */
  int64_t (*stride)(const nj_network *net);  /* input frames per output frame */
  int64_t (*width)(const nj_network *net);   /* C */
  int64_t (*longest)(const nj_network *net); /* input frames at most; NULL: any number */
  /* frames and lengths (or NULL) → clip, as forward makes it of its own frames. */
  nj_status (*pool)(nj_ctx *ctx, nj_tensor *frames, nj_tensor *lengths, nj_tensor **clip);
  /* clip (…, C) → class logits (…, classes), and what the last layer reads. Errors: ESHAPE, EARG (a
   * network without classes). */
  nj_status (*logits)(nj_network *net, nj_tensor *clip, nj_rng *rng, nj_tensor **inner,
                      nj_tensor **out);
} nj_audio_encoder;

typedef struct {
  const char *name; /* "bert" */
  size_t size;      /* of the struct that begins with an nj_network */
  size_t options_at;
  const nj_option_table *options;
  size_t dtype_at; /* where the options have the parameters' nj_dtype; 0: they are float32 */
  /* Checks the options and makes the network of them. Errors: EARG, EDTYPE, ENOMEM. */
  nj_status (*build)(nj_network *net);
  /* Frees what the network holds besides its parameters; also called when build failed. May be NULL. */
  void (*clear)(nj_network *net);
  const nj_audio_encoder *audio; /* NULL: it is not an audio encoder */
} nj_network_kind;

struct nj_network {
  const nj_network_kind *kind;
  nj_ctx *ctx;
  nj_params params;
  int training; /* dropout, SpecAugment and batch statistics are on */
};

/* Makes a network of a kind; options: of the kind's struct, copied. rng draws the weights; NULL leaves
 * those that are drawn zero, for they are about to be loaded. Errors: those of build. */
nj_status nj_network_new(nj_ctx *ctx, const nj_network_kind *kind, const void *options, nj_rng *rng,
                         nj_network **out);
void nj_network_free(nj_network *net); /* NULL is fine */
/* The options it was made with, in full. */
const void *nj_network_options(const nj_network *net);
/* The valid frames of each of `batch` clips, int64 (batch): audio->frames of each length, of T for all
 * when lengths is NULL. */
nj_status nj_network_frames(const nj_network *net, int64_t batch, const nj_tensor *lengths,
                            int64_t T, nj_tensor **out);

#define NJ_NETWORK_DECLARE(name_)                                                           \
  extern const nj_option_table nj_##name_##_option_table;                                   \
  extern const nj_network_kind nj_##name_##_network;                                        \
  nj_status nj_##name_##_new(nj_ctx *ctx, const nj_##name_##_options *options, nj_rng *rng, \
                             nj_##name_ **out);                                             \
  void nj_##name_##_free(nj_##name_ *net);

#define NJ_NETWORK_KIND(name_, ...)                                                          \
  {                                                                                          \
    .name = #name_, .size = sizeof(nj_##name_), .options_at = offsetof(nj_##name_, options), \
    .options = &nj_##name_##_option_table, __VA_ARGS__                                       \
  }

#define NJ_NETWORK_DEFINE(name_)                                                            \
  nj_status nj_##name_##_new(nj_ctx *ctx, const nj_##name_##_options *options, nj_rng *rng, \
                             nj_##name_ **out) {                                            \
    nj_network *net = NULL;                                                                 \
    nj_status st = nj_network_new(ctx, &nj_##name_##_network, options, rng, &net);          \
    if (!st)                                                                                \
      *out = (nj_##name_ *)(void *)net;                                                     \
    return st;                                                                              \
  }                                                                                         \
  void nj_##name_##_free(nj_##name_ *net) { nj_network_free((nj_network *)net); }

#endif
