#include "text/normalize.h"

#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "text/chars.h"
#include "text/unicode.h"

nj_normalize_options nj_normalize_default_options(void) {
  return (nj_normalize_options){.form = NJ_FORM_NFC};
}

#define O nj_normalize_options
static const char *const forms[] = {"none", "NFC", "NFD", "NFKC", "NFKD", NULL};
static const char *const cleans[] = {"none", "wavcaps", NULL};
static const nj_option items[] = {
    NJ_OPTION_ENUM(O, "form", form, forms, 0),
    NJ_OPTION_ENUM(O, "clean", clean, cleans, 0),
    NJ_OPTION_FLAG(O, "lower", lower, 0),
    NJ_OPTION_FLAG(O, "casefold", casefold, 0),
    NJ_OPTION_FLAG(O, "strip_accents", strip_accents, 0),
};
NJ_OPTION_TABLE(normalize, items, NULL)
#undef O

/* ---- WavCaps cleaning ---- */

/* \s of Python's re on str: White_Space and the four information separators. */
static int is_python_space(uint32_t cp) {
  return nj_is_white_space(cp) || (cp >= 0x1C && cp <= 0x1F);
}

static int is_one_of(uint32_t cp, const char *set) {
  return cp > 0 && cp < 0x80 && strchr(set, (int)cp) != NULL;
}

/* Removes a space before a punctuation mark that a space or the end follows. Matches do not
 * overlap: the space after one mark is used up and cannot be the space before the next. */
static void join_punctuation(nj_chars *chars) {
  size_t kept = 0, n = chars->count;
  nj_char *at = chars->at;
  for (size_t i = 0; i < n; i++) {
    int match = i + 1 < n && is_python_space(at[i].cp) && is_one_of(at[i + 1].cp, ",.!?;:\"") &&
                (i + 2 == n || is_python_space(at[i + 2].cp));
    if (!match) {
      at[kept++] = at[i];
      continue;
    }
    at[kept++] = at[i + 1];
    if (i + 2 < n)
      at[kept++] = at[i + 2];
    i += 2;
  }
  chars->count = kept;
}

static void halve_double_spaces(nj_chars *chars) {
  size_t kept = 0;
  for (size_t i = 0; i < chars->count; i++) {
    chars->at[kept++] = chars->at[i];
    if (chars->at[i].cp == ' ' && i + 1 < chars->count && chars->at[i + 1].cp == ' ')
      i++;
  }
  chars->count = kept;
}

static nj_status clean_wavcaps(nj_chars *chars) {
  NJ_TRY(nj_chars_lower(chars));
  join_punctuation(chars);
  halve_double_spaces(chars);
  for (size_t i = 0; i < chars->count; i++)
    if (is_one_of(chars->at[i].cp, "(,.!?;:|*\")"))
      chars->at[i].cp = ' ';
  halve_double_spaces(chars);
  return NJ_OK;
}

/* ---- normalisation ---- */

/* utf8proc composes an array of its own type in place. */
static nj_status compose(nj_chars *chars) {
  utf8proc_int32_t *plain = nj_alloc(chars->ctx, chars->count * sizeof *plain);
  if (!plain)
    return NJ_ENOMEM;
  for (size_t i = 0; i < chars->count; i++)
    plain[i] = (utf8proc_int32_t)chars->at[i].cp;
  utf8proc_ssize_t n = utf8proc_normalize_utf32(plain, (utf8proc_ssize_t)chars->count,
                                                UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  if (n >= 0) {
    for (utf8proc_ssize_t i = 0; i < n; i++)
      chars->at[i].cp = (uint32_t)plain[i];
    chars->count = (size_t)n;
  }
  nj_free(chars->ctx, plain);
  return NJ_OK;
}

static nj_status transform(nj_chars *chars, const nj_normalize_options *options) {
  nj_form form = options->form;
  if (options->clean == NJ_CLEAN_WAVCAPS)
    NJ_TRY(clean_wavcaps(chars));
  if (options->lower)
    NJ_TRY(nj_chars_lower(chars));
  if (options->casefold) {
    /* A mark that folds to a letter (U+0345) must stand in canonical order first. */
    if (form != NJ_FORM_NONE)
      NJ_TRY(nj_chars_decompose(chars, form == NJ_FORM_NFKC || form == NJ_FORM_NFKD));
    NJ_TRY(nj_chars_fold(chars));
  }
  if (options->strip_accents) {
    NJ_TRY(nj_chars_decompose(chars, 0));
    nj_chars_drop_marks(chars);
  }
  if (form == NJ_FORM_NONE)
    return NJ_OK;
  NJ_TRY(nj_chars_decompose(chars, form == NJ_FORM_NFKC || form == NJ_FORM_NFKD));
  return form == NJ_FORM_NFC || form == NJ_FORM_NFKC ? compose(chars) : NJ_OK;
}

static nj_status to_text(const nj_chars *chars, char **out, size_t *out_length) {
  size_t length = 0;
  for (size_t i = 0; i < chars->count; i++) {
    char bytes[4];
    length += (size_t)nj_utf8_put(chars->at[i].cp, bytes);
  }
  char *text = nj_alloc(chars->ctx, length + 1);
  if (!text)
    return NJ_ENOMEM;
  size_t at = 0;
  for (size_t i = 0; i < chars->count; i++)
    at += (size_t)nj_utf8_put(chars->at[i].cp, text + at);
  text[length] = '\0';
  *out = text;
  *out_length = length;
  return NJ_OK;
}

/* ASCII is normal in every form, and has no accents: at most its case changes. */
static nj_status normalize_ascii(nj_ctx *ctx, const char *text, size_t length, int lower,
                                 char **out, size_t *out_length) {
  char *copy = nj_alloc(ctx, length + 1);
  if (!copy)
    return NJ_ENOMEM;
  for (size_t i = 0; i < length; i++)
    copy[i] = lower ? (char)nj_lower_simple((unsigned char)text[i]) : text[i];
  copy[length] = '\0';
  *out = copy;
  *out_length = length;
  return NJ_OK;
}

nj_status nj_normalize_text(nj_ctx *ctx, const char *text, size_t length,
                            const nj_normalize_options *options, char **out, size_t *out_length) {
  if (length > NJ_TEXT_MAX)
    return nj_fail(ctx, NJ_EARG, "normalize: a text of %zu bytes is too long", length);
  if (options->clean == NJ_CLEAN_NONE && nj_utf8_is_ascii(text, length))
    return normalize_ascii(ctx, text, length, options->lower || options->casefold, out, out_length);
  nj_chars chars = {.ctx = ctx};
  nj_status st = nj_chars_push_text(&chars, text, length);
  if (!st)
    st = transform(&chars, options);
  if (!st)
    st = to_text(&chars, out, out_length);
  nj_chars_free(&chars);
  return st;
}
