#include "text/pair_counts.h"

#include "base/alloc.h"
#include "base/array.h"

typedef struct nj_pair_entry entry;

void nj_pair_counts_free(nj_pair_counts *counts) {
  nj_free(counts->ctx, counts->pairs);
  nj_free(counts->ctx, counts->slots);
  nj_free(counts->ctx, counts->place);
  nj_free(counts->ctx, counts->heap);
  *counts = (nj_pair_counts){.ctx = counts->ctx};
}

static size_t home_of(const nj_pair_counts *counts, int32_t left, int32_t right) {
  uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
  return (size_t)(key >> 32 ^ key >> 15) & (counts->n_slots - 1);
}

/* The slot of a pair, or the free one where it belongs. */
static size_t slot_of(const nj_pair_counts *counts, int32_t left, int32_t right) {
  size_t i = home_of(counts, left, right);
  for (; counts->slots[i]; i = (i + 1) & (counts->n_slots - 1)) {
    const nj_pair *pair = &counts->pairs[counts->slots[i] - 1];
    if (pair->left == left && pair->right == right)
      break;
  }
  return i;
}

static nj_status make_slots(nj_pair_counts *counts) {
  if (counts->n_pairs * 2 < counts->n_slots)
    return NJ_OK;
  size_t n = counts->n_slots ? counts->n_slots * 2 : 1024;
  if (n > INT32_MAX)
    return nj_fail(counts->ctx, NJ_ENOMEM, "out of memory: too many pairs of symbols");
  int32_t *slots = nj_calloc(counts->ctx, n, sizeof *slots);
  if (!slots)
    return NJ_ENOMEM;
  nj_free(counts->ctx, counts->slots);
  counts->slots = slots;
  counts->n_slots = n;
  for (size_t i = 0; i < counts->n_pairs; i++)
    slots[slot_of(counts, counts->pairs[i].left, counts->pairs[i].right)] = (int32_t)i + 1;
  return NJ_OK;
}

nj_status nj_pair_add(nj_pair_counts *counts, int32_t left, int32_t right, int64_t weight,
                      int32_t *index) {
  NJ_TRY(make_slots(counts));
  size_t slot = slot_of(counts, left, right);
  if (!counts->slots[slot]) {
    NJ_RESERVE(counts->ctx, counts->pairs, counts->pairs_room, counts->n_pairs + 1);
    counts->pairs[counts->n_pairs++] = (nj_pair){left, right, 0, -1, -1};
    counts->slots[slot] = (int32_t)counts->n_pairs;
  }
  *index = counts->slots[slot] - 1;
  counts->pairs[*index].count += weight;
  return NJ_OK;
}

nj_status nj_pair_note(nj_pair_counts *counts, int32_t pair, int32_t word) {
  if (counts->n_places == INT32_MAX)
    return nj_fail(counts->ctx, NJ_ENOMEM, "out of memory: too many pairs of symbols");
  NJ_RESERVE(counts->ctx, counts->place, counts->place_room, counts->n_places + 1);
  counts->place[counts->n_places] = (struct nj_pair_place){word, counts->pairs[pair].places};
  counts->pairs[pair].places = (int32_t)counts->n_places++;
  return NJ_OK;
}

static int comes_first(const nj_pair_counts *counts, entry a, entry b) {
  if (a.count != b.count)
    return a.count > b.count;
  const nj_pair *x = &counts->pairs[a.pair], *y = &counts->pairs[b.pair];
  return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static void sift_up(nj_pair_counts *counts, size_t i, entry e) {
  for (; i > 0 && comes_first(counts, e, counts->heap[(i - 1) / 2]); i = (i - 1) / 2)
    counts->heap[i] = counts->heap[(i - 1) / 2];
  counts->heap[i] = e;
}

/* Puts e in place of the top. */
static void sift_down(nj_pair_counts *counts, entry e) {
  size_t i = 0, child;
  while ((child = 2 * i + 1) < counts->n_heap) {
    if (child + 1 < counts->n_heap &&
        comes_first(counts, counts->heap[child + 1], counts->heap[child]))
      child++;
    if (!comes_first(counts, counts->heap[child], e))
      break;
    counts->heap[i] = counts->heap[child];
    i = child;
  }
  counts->heap[i] = e;
}

nj_status nj_pair_queue(nj_pair_counts *counts, int32_t pair) {
  NJ_RESERVE(counts->ctx, counts->heap, counts->heap_room, counts->n_heap + 1);
  sift_up(counts, counts->n_heap++, (entry){counts->pairs[pair].count, pair});
  return NJ_OK;
}

int32_t nj_pair_most_frequent(nj_pair_counts *counts) {
  while (counts->n_heap > 0) {
    entry top = counts->heap[0];
    int64_t now = counts->pairs[top.pair].count;
    if (top.count > now && now > 0) { /* it has become rarer since */
      sift_down(counts, (entry){now, top.pair});
      continue;
    }
    entry last = counts->heap[--counts->n_heap];
    if (counts->n_heap > 0)
      sift_down(counts, last);
    if (top.count == now && now > 0)
      return top.pair;
  }
  return -1;
}
