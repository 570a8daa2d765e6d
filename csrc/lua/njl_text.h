/* What the files of the text binding share. */
#ifndef NJL_TEXT_H
#define NJL_TEXT_H

#include "njl.h"

#define NJL_TOKENIZER "nightjar.Tokenizer"

/* The strings of the list at `index` as an array that a userdata, pushed by this call, keeps. They
 * stay valid while the list holds them. Raises unless it is a table of strings without holes. */
nj_text *njl_check_texts(lua_State *L, int index, const char *function, size_t *n);
/* Pushes a userdata that frees the text which the library puts into the slot returned. */
char **njl_new_text(lua_State *L);
/* Pushes the text of the slot as a string and frees the slot's copy at once. */
void njl_push_text(lua_State *L, char **text, size_t length);
/* Pushes a list of the vocabulary's tokens. */
void njl_push_vocab(lua_State *L, const nj_vocab *vocab);
/* The option `key`, a list of strings, as an array kept by a userdata which this call pushes (nil
 * when the option is absent, and then NULL is returned). */
const char **njl_opt_strings(lua_State *L, int index, const char *function, const char *key,
                             size_t *n);
/* Methods of the tokenizer (njl_tokenizer.c). */
void njl_open_tokenizer(lua_State *L);

#endif
