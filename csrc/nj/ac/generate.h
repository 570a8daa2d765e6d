/* Captions from a decoder: greedy, beam search, and sampling from the top of the distribution.
 *
 * Log-probabilities are the decoder's own, those that teacher forcing gives: temperatures, rules and
 * penalties change which tokens are chosen, not what they are said to be worth. Only with
 * `renormalize` do tokens share the probability of those that the rules forbid. */
#ifndef NJ_AC_GENERATE_H
#define NJ_AC_GENERATE_H

#include "ac/decoder.h"

typedef enum {
  NJ_GENERATE_GREEDY, /* the likeliest token each time */
  /* Each time the `beam` best continuations of all live hypotheses by summed log-probability; those
   * that end leave. Ties go to the better hypothesis, then to the smaller id. Ends when nothing
   * live can get among the n best. Diverse (Vijayakumar et al., 2018): `groups` beams of
   * beam / groups, one after the other, each paying `diversity` for a token as often as the
   * groups before it chose it in this step. */
  NJ_GENERATE_BEAM,
  NJ_GENERATE_NUCLEUS, /* draws from the likeliest tokens that together have probability p */
  NJ_GENERATE_TOP_K    /* draws from the k likeliest */
} nj_generate_method;

typedef struct {
  nj_generate_method method;
  int64_t n; /* captions a clip */
  int64_t beam, groups;
  double diversity;
  double length_penalty; /* a: captions are ranked by logprob / length^a; 0: not normalised */
  int64_t k;             /* 0: all */
  double p, temperature;
  int64_t min, max;  /* tokens before the end at least; tokens with the end at most (0: 30, or the
                      * decoder's positions where they are fewer) */
  int64_t no_repeat; /* no run of so many tokens comes twice; 0: no such rule */
  int64_t bos, eos;
  int renormalize;       /* rules act on logits, before the softmax */
  int narrowing;         /* of a beam: each caption that ends leaves it one narrower */
  const int64_t *forbid; /* tokens that never come */
  size_t n_forbid;
  const int64_t *once; /* tokens that come once at most */
  size_t n_once;
} nj_generate_options;

/* Greedy, one caption, beam 5, one group, diversity 0.5, length penalty 1, k 50, p 0.9,
 * temperature 1; bos and eos -1, which must be set. */
nj_generate_options nj_generate_default_options(void);
extern const nj_option_table nj_generate_option_table;

typedef struct {
  int64_t *ids; /* without bos; with eos where it ends by itself */
  int64_t length;
  double logprob; /* the sum over ids */
  double score;   /* logprob / length^length_penalty */
  int finished;   /* 0: cut off at max, or by rules that left no token */
} nj_caption;

typedef struct {
  nj_ctx *ctx;
  int64_t clips, n;     /* at most n captions a clip */
  nj_caption *captions; /* clips · n, the best of a clip first */
  int64_t *counts;      /* clips: captions there are */
  int64_t *ids;
} nj_captions;

void nj_captions_free(nj_captions *captions);

/* memory (B, N, memory_width) float32, mask (B, N) or NULL. A clip's captions depend on its own
 * frames, and when sampling on its place in the batch, not on its neighbours: number i of the
 * generator's stream belongs to a caption and token of a clip, and rng (only used for sampling)
 * advances by the same amount for every clip, so that a batch cut in two gives the same captions.
 * Nothing is recorded, nothing dropped out. Errors: EARG (an option out of its range), EINDEX (a
 * token outside the vocabulary), ESHAPE, EDTYPE, ESTATE (logits that are NaN or infinite), EINTR,
 * ENOMEM. */
nj_status nj_decoder_generate(nj_decoder *net, nj_tensor *memory, nj_tensor *mask,
                              const nj_generate_options *options, nj_rng *rng, nj_captions **out);

#endif
