#include "text/word_counts.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/utf8.h"

#define CODE_POINTS 0x110000

void nj_word_counts_free(nj_word_counts *counts) {
  nj_vocab_free(&counts->words);
  nj_free(counts->ctx, counts->count);
  counts->count = NULL;
  counts->count_room = 0;
}

static nj_status count_word(nj_word_counts *counts, const nj_word *word) {
  char bytes[1000 * 4];
  size_t n = 0;
  for (size_t i = 0; i < word->count; i++)
    n += (size_t)nj_utf8_put(word->at[i].cp, bytes + n);
  int32_t before = counts->words.count, id;
  NJ_RESERVE(counts->ctx, counts->count, counts->count_room, (size_t)before + 1);
  NJ_TRY(nj_vocab_intern(&counts->words, bytes, n, &id));
  if (id == before)
    counts->count[id] = 0;
  counts->count[id]++;
  return NJ_OK;
}

static nj_status count_line(nj_word_counts *counts, nj_basic *basic, const nj_text *line,
                            int max_word) {
  if (line->length > NJ_TEXT_MAX)
    return nj_fail(counts->ctx, NJ_EARG, "train_wordpiece: a line of %zu bytes is too long",
                   line->length);
  nj_basic_begin(basic, line->text, line->length, 0);
  for (;;) {
    nj_word word;
    int more;
    NJ_TRY(nj_basic_next(basic, &word, &more));
    if (!more)
      return NJ_OK;
    if (word.count <= (size_t)max_word)
      NJ_TRY(count_word(counts, &word));
  }
}

nj_status nj_word_counts_add(nj_word_counts *counts, size_t n, const nj_text *lines,
                             const nj_basic_options *options, int max_word) {
  nj_basic basic;
  nj_basic_open(&basic, counts->ctx, options);
  nj_status st = NJ_OK;
  for (size_t i = 0; i < n && !st; i++) {
    st = count_line(counts, &basic, &lines[i], max_word);
    if (!st && i % 1024 == 0)
      st = nj_poll(counts->ctx);
  }
  nj_basic_close(&basic);
  return st;
}

static int by_count(const void *a, const void *b) {
  const nj_char_count *x = a, *y = b;
  if (x->count != y->count)
    return x->count > y->count ? -1 : 1;
  return x->cp < y->cp ? -1 : x->cp > y->cp;
}

static int by_code_point(const void *a, const void *b) {
  const nj_char_count *x = a, *y = b;
  return x->cp < y->cp ? -1 : x->cp > y->cp;
}

nj_status nj_word_counts_alphabet(const nj_word_counts *counts, size_t most, nj_char_count **out,
                                  size_t *n_out) {
  int64_t *of = nj_calloc(counts->ctx, CODE_POINTS, sizeof *of);
  if (!of)
    return NJ_ENOMEM;
  size_t different = 0, n = 0;
  for (int32_t id = 0; id < counts->words.count; id++) {
    size_t length;
    const char *word = nj_vocab_token(&counts->words, id, &length);
    for (size_t at = 0; at < length;) {
      uint32_t cp;
      at += (size_t)nj_utf8_next(word + at, length - at, &cp, NULL);
      different += of[cp] == 0;
      of[cp] += counts->count[id];
    }
  }
  nj_char_count *list = nj_alloc(counts->ctx, different * sizeof *list);
  for (uint32_t cp = 0; list && cp < CODE_POINTS; cp++)
    if (of[cp] > 0)
      list[n++] = (nj_char_count){cp, of[cp]};
  nj_free(counts->ctx, of);
  if (!list)
    return NJ_ENOMEM;
  qsort(list, n, sizeof *list, by_count);
  n = n < most ? n : most;
  qsort(list, n, sizeof *list, by_code_point);
  *out = list;
  *n_out = n;
  return NJ_OK;
}
