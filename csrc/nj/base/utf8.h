/* UTF-8, one code point at a time. Broken input never stops anything: each maximal part of an
 * ill-formed sequence counts as one U+FFFD, as the Unicode Standard recommends (section 3.9,
 * "U+FFFD substitution of maximal subparts") and as Python's decode(errors="replace") does.
 * Overlong forms, surrogates and values beyond U+10FFFF are ill-formed. */
#ifndef NJ_BASE_UTF8_H
#define NJ_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define NJ_UTF8_REPLACEMENT 0xFFFDu

/* Decodes the code point that begins at text[0]; `length` > 0 bytes are readable. Returns how many
 * bytes it took (1 … 4), and in *cp the code point, or NJ_UTF8_REPLACEMENT with *valid = 0. `valid`
 * may be NULL. */
int nj_utf8_next(const char *text, size_t length, uint32_t *cp, int *valid);
/* Writes cp (a Unicode scalar value) as 1 … 4 bytes and returns how many. */
int nj_utf8_put(uint32_t cp, char out[4]);
/* The index of the first ill-formed byte, or `length` when there is none. */
size_t nj_utf8_valid(const char *text, size_t length);
int nj_utf8_is_ascii(const char *text, size_t length);

#endif
