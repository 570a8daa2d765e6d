/* A text as an array of code points, each of which knows the bytes of the original it came from.
 * Lower-casing and decomposition change the code points; the sources stay. */
#ifndef NJ_TEXT_CHARS_H
#define NJ_TEXT_CHARS_H

#include "base/context.h"

typedef struct {
  uint32_t cp;
  uint32_t from, to; /* the bytes [from, to) of the original */
} nj_char;

typedef struct {
  nj_ctx *ctx;
  nj_char *at;
  size_t count, room;
} nj_chars;

/* The longest text the text room takes: sources are 32 bits wide. */
#define NJ_TEXT_MAX ((size_t)INT32_MAX)

/* Begin with nj_chars x = {.ctx = ctx}. All of these return NJ_OK or NJ_ENOMEM. */
void nj_chars_free(nj_chars *chars);
nj_status nj_chars_push(nj_chars *chars, uint32_t cp, size_t from, size_t to);
/* Appends a text; what is not UTF-8 becomes U+FFFD (see base/utf8.h). */
nj_status nj_chars_push_text(nj_chars *chars, const char *text, size_t length);
/* Lower case as Python's str.lower() defines it: U+0130 becomes 'i' and U+0307, and a capital sigma
 * at the end of a word becomes a final sigma (Unicode's Final_Sigma condition). */
nj_status nj_chars_lower(nj_chars *chars);
/* Full case folding, without decomposition. */
nj_status nj_chars_fold(nj_chars *chars);
/* NFD, or NFKD when `compatible`; linear in the length, whatever the marks. */
nj_status nj_chars_decompose(nj_chars *chars, int compatible);
/* Drops non-spacing marks; the character before one takes over its bytes. */
void nj_chars_drop_marks(nj_chars *chars);

#endif
