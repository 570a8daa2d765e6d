/* The pairs of neighbouring symbols in a set of weighted words: how often each occurs, in which
 * words, and which occurs most. All of it is kept up to date while words change, which is what
 * makes training fast: nothing is ever counted again. */
#ifndef NJ_TEXT_PAIR_COUNTS_H
#define NJ_TEXT_PAIR_COUNTS_H

#include "base/context.h"

typedef struct {
  int32_t left, right;
  int64_t count;
  int32_t places;  /* list of the words it was ever seen in: index into `place`, -1: none */
  int32_t touched; /* by the merge of this number */
} nj_pair;

typedef struct {
  nj_ctx *ctx;
  nj_pair *pairs;
  size_t n_pairs, pairs_room;
  int32_t *slots; /* open addressing: index + 1, or 0 */
  size_t n_slots;
  struct nj_pair_place {
    int32_t word, next;
  } * place;
  size_t n_places, place_room;
  /* A heap, the most frequent pair first (ties: smaller left symbol, then smaller right). Its
   * entries may be out of date: an entry counts when its count is still the pair's. */
  struct nj_pair_entry {
    int64_t count;
    int32_t pair;
  } * heap;
  size_t n_heap, heap_room;
} nj_pair_counts;

/* Begin with nj_pair_counts p = {.ctx = ctx}. */
void nj_pair_counts_free(nj_pair_counts *counts);
/* Adds `weight` (maybe negative) to a pair, which is made when new. *index is its place in `pairs`.
 * Errors: ENOMEM. */
nj_status nj_pair_add(nj_pair_counts *counts, int32_t left, int32_t right, int64_t weight,
                      int32_t *index);
/* Notes that `word` holds the pair. The same word may be noted more than once. Errors: ENOMEM. */
nj_status nj_pair_note(nj_pair_counts *counts, int32_t pair, int32_t word);
/* Must be called for a pair whose count has grown. Errors: ENOMEM. */
nj_status nj_pair_queue(nj_pair_counts *counts, int32_t pair);
/* The most frequent pair, or -1 when no pair occurs; it leaves the queue. */
int32_t nj_pair_most_frequent(nj_pair_counts *counts);

#endif
