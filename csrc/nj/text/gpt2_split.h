/* GPT-2's pre-tokenisation (openai/gpt-2, src/encoder.py), the regular expression
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * by hand. */
#ifndef NJ_TEXT_GPT2_SPLIT_H
#define NJ_TEXT_GPT2_SPLIT_H

#include <stddef.h>

/* The bytes of the first match in a text of length > 0; matches follow each other without gaps. An
 * ill-formed part counts as one character that is neither letter, number nor space. */
size_t nj_gpt2_split(const char *text, size_t length);
/* The bytes of the first match if a space stood before the text, without that space. The text
 * begins with a character that is not space. */
size_t nj_gpt2_split_spaced(const char *text, size_t length);

#endif
