/* Ragged batches of tokens: which tokens of a padded (items, places, width) tensor exist, and their
 * weights. What padding holds is never read. */
#ifndef NJ_HCI_TOKENS_H
#define NJ_HCI_TOKENS_H

#include "tensor/tensor.h"

typedef struct {
  nj_ctx *ctx;
  int64_t items, places, width;
  int64_t total;   /* valid tokens, numbered 0 … total - 1 item after item */
  int64_t longest; /* the most that an item has */
  int64_t *first;  /* items + 1: the tokens of item i are first[i] … first[i + 1] - 1 */
  int64_t *place;  /* of each token: item * places + its place there */
  nj_tensor *x;    /* the tokens, contiguous */
  void *weight;    /* of each token, of x's dtype: what was given, or 1 / the item's tokens */
} nj_tokens;

/* Reads x (items, places, width) of float32 or float64, mask (items, places) of an integer dtype
 * where zero means padding, or NULL, and weights (items, places) of x's dtype, or NULL. `op` and
 * `name` ("text") begin messages. Free with nj_tokens_free, also after a failure. Errors: ESHAPE,
 * EDTYPE, ENOMEM. */
nj_status nj_tokens_read(nj_ctx *ctx, const char *op, const char *name, nj_tensor *x,
                         nj_tensor *mask, nj_tensor *weights, nj_tokens *out);
void nj_tokens_free(nj_tokens *tokens);

static inline int64_t nj_tokens_count(const nj_tokens *t, int64_t item) {
  return t->first[item + 1] - t->first[item];
}

/* Copies tokens [begin, end) to `out`, one after another. */
void nj_tokens_gather(const nj_tokens *tokens, int64_t begin, int64_t end, void *out);

/* Cuts the items into runs of at most `limit` tokens (or one item): *starts gets *n + 1 item
 * numbers, to be freed. The runs depend on the batch alone. Errors: ENOMEM. */
nj_status nj_tokens_cut(const nj_tokens *tokens, int64_t limit, int64_t **starts, int64_t *n);

#endif
