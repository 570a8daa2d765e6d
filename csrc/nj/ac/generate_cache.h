/* A decoder run one token at a time over what it remembers: keys and values of every token so far,
 * and those of the sounds' frames, computed once.
 *
 * Rows are hypotheses. Keys and values stay where the step that computed them put them; a row says
 * by a list of places where those of its own past lie, so that hypotheses fork and end without
 * copying any. Frames that the mask hides are not looked at: a clip's results have the same bits
 * whatever it is padded to, whatever its neighbours are. */
#ifndef NJ_AC_GENERATE_CACHE_H
#define NJ_AC_GENERATE_CACHE_H

#include "ac/decoder.h"

typedef struct nj_decoder_cache nj_decoder_cache;

/* For up to `most` steps over memory (B, N, memory_width), mask (B, N) or NULL, checked by the
 * caller. float32 decoders only. Errors: ENOMEM, EINTR. */
nj_status nj_decoder_cache_new(nj_decoder *net, nj_tensor *memory, nj_tensor *mask, int64_t most,
                               nj_decoder_cache **out);
void nj_decoder_cache_free(nj_decoder_cache *cache);

/* One token for each of `n` rows. */
typedef struct {
  int64_t n;
  const int64_t *tokens; /* n, inside the vocabulary */
  const int32_t *clips;  /* n, which clip a row describes, 0-based */
  const int32_t *past; /* past[i * past_row + s]: what row i's token of step s was as a row then */
  int64_t past_row;
} nj_decoder_rows;

/* Gives logits (n, V) of what follows. Errors: ENOMEM, EINTR. */
nj_status nj_decoder_cache_step(nj_decoder_cache *cache, const nj_decoder_rows *rows,
                                nj_tensor **logits);

#endif
