#include "text/gpt2_split.h"

#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

typedef enum { SPACE, LETTER, NUMBER, OTHER, END } kind;

/* The kind of the character at `at`, and its bytes. */
static kind kind_at(const char *text, size_t length, size_t at, size_t *taken) {
  uint32_t cp;
  if (at == length) {
    *taken = 0;
    return END;
  }
  *taken = (size_t)nj_utf8_next(text + at, length - at, &cp, NULL);
  if (nj_is_letter(cp))
    return LETTER;
  if (nj_is_white_space(cp))
    return SPACE;
  return nj_is_number(cp) ? NUMBER : OTHER;
}

static size_t contraction(const char *text, size_t length) {
  static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t n = strlen(endings[i]);
    if (length >= n && memcmp(text, endings[i], n) == 0)
      return n;
  }
  return 0;
}

/* \s+(?!\S)|\s+ : a run of space gives its last character to what follows, when it has two. */
static size_t space_run(const char *text, size_t length) {
  size_t at = 0, taken, last = 0;
  kind k;
  while ((k = kind_at(text, length, at, &taken)) == SPACE) {
    last = at;
    at += taken;
  }
  return k == END || last == 0 ? at : last;
}

/* The characters of one kind from `at` on; returns where they end. */
static size_t same_kind(const char *text, size_t length, size_t at) {
  size_t taken;
  kind first = kind_at(text, length, at, &taken);
  do
    at += taken;
  while (kind_at(text, length, at, &taken) == first);
  return at;
}

size_t nj_gpt2_split_spaced(const char *text, size_t length) { return same_kind(text, length, 0); }

size_t nj_gpt2_split(const char *text, size_t length) {
  if (text[0] == '\'') {
    size_t n = contraction(text, length);
    if (n > 0)
      return n;
  }
  size_t taken, at = text[0] == ' ';
  kind first = kind_at(text, length, at, &taken);
  if (first == SPACE || first == END)
    return space_run(text, length);
  return same_kind(text, length, at);
}
