#include "text/chars.h"

#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/utf8.h"
#include "text/unicode.h"

enum { CAPITAL_SIGMA = 0x3A3, SMALL_SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2 };
enum { CAPITAL_I_DOT = 0x130, COMBINING_DOT = 0x307 };

void nj_chars_free(nj_chars *chars) {
  nj_free(chars->ctx, chars->at);
  chars->at = NULL;
  chars->count = chars->room = 0;
}

nj_status nj_chars_push(nj_chars *chars, uint32_t cp, size_t from, size_t to) {
  NJ_RESERVE(chars->ctx, chars->at, chars->room, chars->count + 1);
  chars->at[chars->count++] = (nj_char){cp, (uint32_t)from, (uint32_t)to};
  return NJ_OK;
}

nj_status nj_chars_push_text(nj_chars *chars, const char *text, size_t length) {
  for (size_t at = 0; at < length;) {
    uint32_t cp;
    int taken = nj_utf8_next(text + at, length - at, &cp, NULL);
    NJ_TRY(nj_chars_push(chars, cp, at, at + (size_t)taken));
    at += (size_t)taken;
  }
  return NJ_OK;
}

/* ---- case ---- */

/* A sigma is final when a cased letter stands before it and none behind it, case-ignorable
 * characters not counting. Every sigma is cased, so the scans of all sigmas together are linear. */
static int sigma_is_final(const nj_chars *chars, size_t i) {
  size_t before = i, behind = i + 1;
  while (before > 0 && nj_is_case_ignorable(chars->at[before - 1].cp))
    before--;
  if (before == 0 || !nj_is_cased(chars->at[before - 1].cp))
    return 0;
  while (behind < chars->count && nj_is_case_ignorable(chars->at[behind].cp))
    behind++;
  return behind == chars->count || !nj_is_cased(chars->at[behind].cp);
}

/* Makes room for a dot after every U+0130, from the back. */
static nj_status expand_dotted(nj_chars *chars, size_t dotted) {
  NJ_RESERVE(chars->ctx, chars->at, chars->room, chars->count + dotted);
  size_t to = chars->count + dotted;
  for (size_t from = chars->count; from-- > 0;) {
    nj_char c = chars->at[from];
    if (c.cp == CAPITAL_I_DOT) {
      chars->at[--to] = (nj_char){COMBINING_DOT, c.from, c.to};
      c.cp = 'i';
    }
    chars->at[--to] = c;
  }
  chars->count += dotted;
  return NJ_OK;
}

nj_status nj_chars_lower(nj_chars *chars) {
  size_t dotted = 0;
  for (size_t i = 0; i < chars->count; i++) {
    uint32_t cp = chars->at[i].cp;
    if (cp == CAPITAL_I_DOT)
      dotted++;
    else if (cp == CAPITAL_SIGMA)
      chars->at[i].cp = sigma_is_final(chars, i) ? FINAL_SIGMA : SMALL_SIGMA;
    else
      chars->at[i].cp = nj_lower_simple(cp);
  }
  return dotted ? expand_dotted(chars, dotted) : NJ_OK;
}

/* ---- decomposition ---- */

/* Replaces every code point by what utf8proc makes of it. */
static nj_status map_each(nj_chars *chars, utf8proc_option_t options) {
  enum { MOST = 32 }; /* the longest decomposition has 18 code points */
  size_t first = 0;
  while (first < chars->count && chars->at[first].cp < 0x80 && !(options & UTF8PROC_CASEFOLD))
    first++;
  if (first == chars->count)
    return NJ_OK;
  nj_chars mapped = {.ctx = chars->ctx};
  nj_status st = NJ_OK;
  for (size_t i = 0; i < chars->count && !st; i++) {
    utf8proc_int32_t out[MOST];
    int boundary = 0;
    nj_char c = chars->at[i];
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c.cp, out, MOST, options, &boundary);
    if (n < 0 || n > MOST) { /* not a scalar value: nothing to map */
      n = 1;
      out[0] = (utf8proc_int32_t)c.cp;
    }
    for (utf8proc_ssize_t k = 0; k < n && !st; k++)
      st = nj_chars_push(&mapped, (uint32_t)out[k], c.from, c.to);
  }
  if (st) {
    nj_chars_free(&mapped);
    return st;
  }
  nj_chars_free(chars);
  *chars = mapped;
  return NJ_OK;
}

/* Stable, by combining class. Long runs occur in hostile text only, and must not cost their square.
 */
static nj_status sort_run(nj_ctx *ctx, nj_char *run, size_t count) {
  if (count <= 32) {
    for (size_t i = 1; i < count; i++) {
      nj_char c = run[i];
      int order = nj_combining_class(c.cp);
      size_t k = i;
      for (; k > 0 && nj_combining_class(run[k - 1].cp) > order; k--)
        run[k] = run[k - 1];
      run[k] = c;
    }
    return NJ_OK;
  }
  nj_char *copy = nj_alloc(ctx, count * sizeof *copy);
  if (!copy)
    return NJ_ENOMEM;
  memcpy(copy, run, count * sizeof *copy);
  size_t starts[257] = {0};
  for (size_t i = 0; i < count; i++)
    starts[nj_combining_class(copy[i].cp) + 1]++;
  for (int order = 0; order < 256; order++)
    starts[order + 1] += starts[order];
  for (size_t i = 0; i < count; i++)
    run[starts[nj_combining_class(copy[i].cp)]++] = copy[i];
  nj_free(ctx, copy);
  return NJ_OK;
}

static nj_status sort_marks(nj_chars *chars) {
  for (size_t i = 0; i < chars->count;) {
    if (nj_combining_class(chars->at[i].cp) == 0) {
      i++;
      continue;
    }
    size_t first = i;
    while (i < chars->count && nj_combining_class(chars->at[i].cp) != 0)
      i++;
    if (i - first > 1)
      NJ_TRY(sort_run(chars->ctx, chars->at + first, i - first));
  }
  return NJ_OK;
}

nj_status nj_chars_fold(nj_chars *chars) { return map_each(chars, UTF8PROC_CASEFOLD); }

nj_status nj_chars_decompose(nj_chars *chars, int compatible) {
  NJ_TRY(map_each(chars, compatible ? UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT
                                    : UTF8PROC_STABLE | UTF8PROC_DECOMPOSE));
  return sort_marks(chars);
}

void nj_chars_drop_marks(nj_chars *chars) {
  size_t kept = 0;
  for (size_t i = 0; i < chars->count; i++) {
    nj_char c = chars->at[i];
    if (!nj_is_nonspacing_mark(c.cp))
      chars->at[kept++] = c;
    else if (kept > 0 && chars->at[kept - 1].to < c.to)
      chars->at[kept - 1].to = c.to;
  }
  chars->count = kept;
}
