/* Unicode normalisation, case, accents, and the cleaning that caption data sets use. */
#ifndef NJ_TEXT_NORMALIZE_H
#define NJ_TEXT_NORMALIZE_H

#include "base/option.h"
#include "base/context.h"

typedef enum { NJ_FORM_NONE, NJ_FORM_NFC, NJ_FORM_NFD, NJ_FORM_NFKC, NJ_FORM_NFKD } nj_form;
typedef enum {
  NJ_CLEAN_NONE,
  /* Lower-cases, removes a space before punctuation, replaces ( , . ! ? ; : | * " ) by spaces and
   * halves double spaces (XinhaoMei/WavCaps, retrieval/data_handling/text_transform.py, whose
   * single left-to-right pass can leave a double space or one at the end: so does ours). */
  NJ_CLEAN_WAVCAPS
} nj_clean;

typedef struct {
  nj_form form;
  nj_clean clean;
  int lower;         /* as Python's str.lower() */
  int casefold;      /* full case folding */
  int strip_accents; /* drops non-spacing marks after decomposition */
} nj_normalize_options;

/* NFC, nothing else. */
nj_normalize_options nj_normalize_default_options(void);
extern const nj_option_table nj_normalize_option_table;

/* Cleaning, lower case, case folding, accents and the form are applied in this order. The result is
 * always valid UTF-8: what was not becomes U+FFFD, one for each maximal ill-formed part. *out is
 * NUL-ended, *out_length does not count that NUL; the caller frees it by nj_free. Time is linear in
 * the length. Errors: EARG (text longer than NJ_TEXT_MAX), ENOMEM. */
nj_status nj_normalize_text(nj_ctx *ctx, const char *text, size_t length,
                            const nj_normalize_options *options, char **out, size_t *out_length);

#endif
