#include "text/bpe.h"

#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/utf8.h"

#define FREE UINT64_MAX
#define NO_RANK INT32_MAX
/* Below this many symbols a word is merged by plain scans; above, with a heap. */
#define SHORT_WORD 48

/* ---- the alphabet of bytes ---- */

static int stands_for_itself(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* How many of the bytes below `byte` do not stand for themselves. */
static unsigned moved_below(unsigned byte) {
  if (byte <= 33)
    return byte;
  if (byte <= 126)
    return 33;
  return byte <= 160 ? 33 + byte - 127 : 67;
}

uint32_t nj_bpe_char_of_byte(unsigned char byte) {
  return stands_for_itself(byte) ? byte : 0x100 + moved_below(byte);
}

int nj_bpe_byte_of_char(uint32_t cp) {
  if (cp < 0x100)
    return stands_for_itself(cp) ? (int)cp : -1;
  if (cp < 0x100 + 33)
    return (int)(cp - 0x100);
  if (cp < 0x100 + 33 + 34)
    return (int)(cp - 0x100 - 33 + 127);
  return cp == 0x100 + 67 ? 173 : -1;
}

nj_status nj_bpe_bytes(nj_bpe *bpe, const nj_vocab *vocab, const char *what) {
  for (unsigned byte = 0; byte < 256; byte++) {
    char text[4];
    int length = nj_utf8_put(nj_bpe_char_of_byte((unsigned char)byte), text);
    bpe->byte_id[byte] = nj_vocab_find(vocab, text, (size_t)length);
    if (bpe->byte_id[byte] < 0)
      return nj_fail(bpe->ctx, NJ_EFORMAT,
                     "%s: the vocabulary lacks '%.*s', the token of byte 0x%02x", what, length,
                     text, byte);
  }
  return NJ_OK;
}

/* ---- merges ---- */

void nj_bpe_free(nj_bpe *bpe) {
  nj_free(bpe->ctx, bpe->slots);
  nj_free(bpe->ctx, bpe->left);
  nj_free(bpe->ctx, bpe->right);
  *bpe = (nj_bpe){.ctx = bpe->ctx};
}

static uint64_t pair_of(int32_t left, int32_t right) {
  return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static size_t home_of(const nj_bpe *bpe, uint64_t pair) {
  pair *= 0x9e3779b97f4a7c15u;
  return (size_t)(pair >> 32 ^ pair >> 15) & (bpe->n_slots - 1);
}

static const nj_bpe_slot *find(const nj_bpe *bpe, int32_t left, int32_t right) {
  if (bpe->n_slots == 0)
    return NULL;
  uint64_t pair = pair_of(left, right);
  for (size_t i = home_of(bpe, pair);; i = (i + 1) & (bpe->n_slots - 1)) {
    if (bpe->slots[i].pair == pair)
      return &bpe->slots[i];
    if (bpe->slots[i].pair == FREE)
      return NULL;
  }
}

static int32_t rank_of(const nj_bpe *bpe, int32_t left, int32_t right) {
  const nj_bpe_slot *slot = find(bpe, left, right);
  return slot ? slot->rank : NO_RANK;
}

static void insert(nj_bpe *bpe, nj_bpe_slot slot) {
  size_t i = home_of(bpe, slot.pair);
  while (bpe->slots[i].pair != FREE)
    i = (i + 1) & (bpe->n_slots - 1);
  bpe->slots[i] = slot;
}

static nj_status make_slots(nj_bpe *bpe) {
  if ((size_t)bpe->n_merges * 2 < bpe->n_slots)
    return NJ_OK;
  nj_bpe_slot *old = bpe->slots;
  size_t n_old = bpe->n_slots, n = n_old ? n_old * 2 : 256;
  nj_bpe_slot *slots = nj_alloc(bpe->ctx, n * sizeof *slots);
  if (!slots)
    return NJ_ENOMEM;
  for (size_t i = 0; i < n; i++)
    slots[i] = (nj_bpe_slot){FREE, NO_RANK, -1};
  bpe->slots = slots;
  bpe->n_slots = n;
  for (size_t i = 0; i < n_old; i++)
    if (old[i].pair != FREE)
      insert(bpe, old[i]);
  nj_free(bpe->ctx, old);
  return NJ_OK;
}

/* The ids of "left right" and of both together, or EFORMAT. */
static nj_status look_up(nj_bpe *bpe, const nj_vocab *vocab, const char *what, int64_t place,
                         const char *line, size_t length, int32_t ids[3]) {
  const char *space = memchr(line, ' ', length);
  size_t n = space ? (size_t)(space - line) : 0, m = space ? length - n - 1 : 0;
  if (n == 0 || m == 0 || memchr(space + 1, ' ', m))
    return nj_fail(bpe->ctx, NJ_EFORMAT, "%s %lld: expected two tokens with a space between", what,
                   (long long)place);
  if (n > NJ_VOCAB_TOKEN_MAX || m > NJ_VOCAB_TOKEN_MAX)
    return nj_fail(bpe->ctx, NJ_EFORMAT, "%s %lld: a token of more than %d bytes", what,
                   (long long)place, NJ_VOCAB_TOKEN_MAX);
  uint64_t hash = nj_vocab_hash(NJ_VOCAB_HASH_START, line, n);
  ids[0] = nj_vocab_find_hashed(vocab, hash, "", 0, line, n);
  ids[1] = nj_vocab_find(vocab, space + 1, m);
  ids[2] = nj_vocab_find_hashed(vocab, nj_vocab_hash(hash, space + 1, m), line, n, space + 1, m);
  if (ids[0] < 0 || ids[1] < 0 || ids[2] < 0)
    return nj_fail(bpe->ctx, NJ_EFORMAT, "%s %lld: the vocabulary lacks %s", what, (long long)place,
                   ids[0] < 0   ? "the first token"
                   : ids[1] < 0 ? "the second token"
                                : "the two tokens merged");
  return NJ_OK;
}

nj_status nj_bpe_add_merge(nj_bpe *bpe, const nj_vocab *vocab, const char *what, int64_t place,
                           const char *line, size_t length) {
  int32_t ids[3] = {-1, -1, -1};
  NJ_TRY(look_up(bpe, vocab, what, place, line, length, ids));
  if (find(bpe, ids[0], ids[1]))
    return nj_fail(bpe->ctx, NJ_EFORMAT, "%s %lld: this merge occurs twice", what,
                   (long long)place);
  if (bpe->n_merges == NJ_VOCAB_MAX)
    return nj_fail(bpe->ctx, NJ_EFORMAT, "%s %lld: more than %d merges", what, (long long)place,
                   NJ_VOCAB_MAX);
  size_t n = (size_t)bpe->n_merges;
  NJ_TRY(make_slots(bpe));
  NJ_RESERVE(bpe->ctx, bpe->left, bpe->left_room, n + 1);
  NJ_RESERVE(bpe->ctx, bpe->right, bpe->right_room, n + 1);
  bpe->left[n] = ids[0];
  bpe->right[n] = ids[1];
  insert(bpe, (nj_bpe_slot){pair_of(ids[0], ids[1]), bpe->n_merges, ids[2]});
  bpe->n_merges++;
  return NJ_OK;
}

/* ---- a short word ---- */

static void rank_pair(const nj_bpe *bpe, nj_bpe_symbol *s, size_t count, size_t i) {
  s[i].rank = i + 1 < count ? rank_of(bpe, s[i].id, s[i + 1].id) : NO_RANK;
}

/* Merges every pair of rank `best`, left to right, as the reference does: overlapping pairs ("aaa")
 * go to the left one. Returns the new count. */
static size_t merge_all(const nj_bpe *bpe, nj_bpe_symbol *s, size_t count, int32_t best) {
  const int32_t left = bpe->left[best], right = bpe->right[best];
  const int32_t merged = find(bpe, left, right)->merged;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    s[kept] = s[i];
    if (s[i].rank == best) {
      s[kept].id = merged;
      s[kept].to = s[++i].to;
    }
    kept++;
  }
  for (size_t i = 0; i < kept; i++)
    if (s[i].id == merged || i + 1 == kept || s[i + 1].id == merged)
      rank_pair(bpe, s, kept, i);
  return kept;
}

static void encode_short(const nj_bpe *bpe, nj_bpe_word *word) {
  for (;;) {
    int32_t best = NO_RANK;
    for (size_t i = 0; i < word->count; i++)
      if (word->symbols[i].rank < best)
        best = word->symbols[i].rank;
    if (best == NO_RANK)
      return;
    word->count = merge_all(bpe, word->symbols, word->count, best);
  }
}

/* ---- a long word: a linked list of symbols and a heap of pairs ---- */

typedef struct {
  int32_t rank;
  uint32_t at;
} pending;

typedef struct {
  const nj_bpe *bpe;
  nj_bpe_symbol *s; /* `to` of a symbol is where the next begins: that is the list's forward link */
  uint32_t *before;
  size_t count;
  pending *heap, *fresh; /* fresh: made in this round, to be looked at in the next */
  size_t n_heap, heap_room, n_fresh, fresh_room;
} merger;

static int comes_first(pending a, pending b) {
  return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(merger *m, pending p) {
  size_t i = m->n_heap++;
  for (; i > 0 && comes_first(p, m->heap[(i - 1) / 2]); i = (i - 1) / 2)
    m->heap[i] = m->heap[(i - 1) / 2];
  m->heap[i] = p;
}

static pending heap_pop(merger *m) {
  pending top = m->heap[0], last = m->heap[--m->n_heap];
  size_t i = 0, child;
  while ((child = 2 * i + 1) < m->n_heap) {
    if (child + 1 < m->n_heap && comes_first(m->heap[child + 1], m->heap[child]))
      child++;
    if (!comes_first(m->heap[child], last))
      break;
    m->heap[i] = m->heap[child];
    i = child;
  }
  m->heap[i] = last;
  return top;
}

/* Looks the pair at `at` up again; a pair that can merge waits for the next round. */
static nj_status refresh(merger *m, uint32_t at) {
  uint32_t next = m->s[at].to;
  m->s[at].rank = next < m->count ? rank_of(m->bpe, m->s[at].id, m->s[next].id) : NO_RANK;
  if (m->s[at].rank == NO_RANK)
    return NJ_OK;
  NJ_RESERVE(m->bpe->ctx, m->fresh, m->fresh_room, m->n_fresh + 1);
  m->fresh[m->n_fresh++] = (pending){m->s[at].rank, at};
  return NJ_OK;
}

static nj_status merge_at(merger *m, uint32_t at) {
  uint32_t gone = m->s[at].to;
  m->s[at].id = find(m->bpe, m->s[at].id, m->s[gone].id)->merged;
  m->s[at].to = m->s[gone].to;
  m->s[gone].id = -1;
  m->s[gone].rank = NO_RANK;
  if (m->s[at].to < m->count)
    m->before[m->s[at].to] = at;
  NJ_TRY(refresh(m, at));
  return at > 0 ? refresh(m, m->before[at]) : NJ_OK;
}

/* A round merges all pairs of the lowest rank from left to right before the pairs that it makes are
 * looked at: the reference does so, and where the list of merges is not one that training gave, the
 * difference shows. */
static nj_status run_rounds(merger *m) {
  for (;;) {
    NJ_RESERVE(m->bpe->ctx, m->heap, m->heap_room, m->n_heap + m->n_fresh);
    for (size_t i = 0; i < m->n_fresh; i++)
      heap_push(m, m->fresh[i]);
    m->n_fresh = 0;
    if (m->n_heap == 0)
      return NJ_OK;
    int32_t best = m->heap[0].rank;
    while (m->n_heap > 0 && m->heap[0].rank == best) {
      pending p = heap_pop(m);
      if (m->s[p.at].rank == best) /* else it was merged or changed meanwhile */
        NJ_TRY(merge_at(m, p.at));
    }
  }
}

static nj_status encode_long(const nj_bpe *bpe, nj_bpe_word *word) {
  merger m = {.bpe = bpe, .s = word->symbols, .count = word->count};
  nj_status st = NJ_OK;
  m.before = nj_alloc(word->ctx, word->count * sizeof *m.before);
  if (!m.before)
    st = NJ_ENOMEM;
  for (size_t i = 0; i < word->count && !st; i++) {
    m.before[i] = i > 0 ? (uint32_t)i - 1 : 0;
    st = refresh(&m, (uint32_t)i);
  }
  if (!st)
    st = run_rounds(&m);
  nj_free(word->ctx, m.before);
  nj_free(word->ctx, m.heap);
  nj_free(word->ctx, m.fresh);
  NJ_TRY(st);
  size_t kept = 0;
  for (size_t i = 0; i < word->count; i++)
    if (word->symbols[i].id >= 0)
      word->symbols[kept++] = word->symbols[i];
  word->count = kept;
  return NJ_OK;
}

void nj_bpe_word_free(nj_bpe_word *word) {
  nj_free(word->ctx, word->symbols);
  word->symbols = NULL;
  word->count = word->room = 0;
}

nj_status nj_bpe_encode(const nj_bpe *bpe, const char *bytes, size_t length, nj_bpe_word *word) {
  NJ_RESERVE(word->ctx, word->symbols, word->room, length);
  word->count = length;
  for (size_t i = 0; i < length; i++)
    word->symbols[i] = (nj_bpe_symbol){bpe->byte_id[(unsigned char)bytes[i]], NO_RANK, (uint32_t)i,
                                       (uint32_t)i + 1};
  if (length > SHORT_WORD)
    return encode_long(bpe, word);
  for (size_t i = 0; i + 1 < length; i++)
    rank_pair(bpe, word->symbols, length, i);
  encode_short(bpe, word);
  return NJ_OK;
}
