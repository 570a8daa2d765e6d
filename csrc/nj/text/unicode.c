#include "text/unicode.h"

#include <stddef.h>
#include <utf8proc.h>

static utf8proc_category_t category(uint32_t cp) { return utf8proc_category((utf8proc_int32_t)cp); }

typedef struct {
  uint32_t first, last;
} range;

static int within(const range *ranges, size_t count, uint32_t cp) {
  for (size_t i = 0; i < count; i++)
    if (cp >= ranges[i].first && cp <= ranges[i].last)
      return 1;
  return 0;
}
#define WITHIN(ranges, cp) within((ranges), sizeof(ranges) / sizeof *(ranges), (cp))

int nj_is_letter(uint32_t cp) {
  if (cp < 0x80)
    return (cp | 0x20) >= 'a' && (cp | 0x20) <= 'z';
  utf8proc_category_t c = category(cp);
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

int nj_is_number(uint32_t cp) {
  if (cp < 0x80)
    return cp >= '0' && cp <= '9';
  utf8proc_category_t c = category(cp);
  return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}

int nj_is_white_space(uint32_t cp) {
  if (cp < 0x80)
    return cp == ' ' || (cp >= '\t' && cp <= '\r');
  if (cp == 0x85)
    return 1;
  utf8proc_category_t c = category(cp);
  return c >= UTF8PROC_CATEGORY_ZS && c <= UTF8PROC_CATEGORY_ZP;
}

int nj_is_nonspacing_mark(uint32_t cp) {
  return cp >= 0x300 && category(cp) == UTF8PROC_CATEGORY_MN;
}

int nj_combining_class(uint32_t cp) {
  return cp < 0x300 ? 0 : utf8proc_get_property((utf8proc_int32_t)cp)->combining_class;
}

/* The blocks of CJK Unified Ideographs as BERT lists them; Hangul, kana and later extensions are
 * deliberately not in it. */
static const range ideographs[] = {
    {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
    {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F},
};

/* By far most characters: d dropped, s space, ! punctuation, a plain. */
static const char ascii[0x81] = "dddddddddssddsdddddddddddddddddd"
                                "s!!!!!!!!!!!!!!!aaaaaaaaaa!!!!!!"
                                "!aaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!"
                                "!aaaaaaaaaaaaaaaaaaaaaaaaaa!!!!d";

static nj_bert_class class_of_ascii(uint32_t cp) {
  switch (ascii[cp]) {
  case 'a':
    return NJ_BERT_PLAIN;
  case 's':
    return NJ_BERT_SPACE;
  case '!':
    return NJ_BERT_PUNCT;
  default:
    return NJ_BERT_DROP;
  }
}

nj_bert_class nj_bert_class_of(uint32_t cp) {
  if (cp < 0x80)
    return class_of_ascii(cp);
  if (cp == 0xFFFD)
    return NJ_BERT_DROP;
  switch (category(cp)) {
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return NJ_BERT_SPACE;
  case UTF8PROC_CATEGORY_CN:
  case UTF8PROC_CATEGORY_CC:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO:
    return NJ_BERT_DROP;
  case UTF8PROC_CATEGORY_PC:
  case UTF8PROC_CATEGORY_PD:
  case UTF8PROC_CATEGORY_PS:
  case UTF8PROC_CATEGORY_PE:
  case UTF8PROC_CATEGORY_PI:
  case UTF8PROC_CATEGORY_PF:
  case UTF8PROC_CATEGORY_PO:
    return NJ_BERT_PUNCT;
  case UTF8PROC_CATEGORY_LO: /* what is unassigned in those blocks was dropped above */
    return cp >= 0x3400 && WITHIN(ideographs, cp) ? NJ_BERT_CJK : NJ_BERT_PLAIN;
  default:
    return NJ_BERT_PLAIN;
  }
}

uint32_t nj_lower_simple(uint32_t cp) {
  if (cp < 0x80)
    return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
  return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

/* Other_Lowercase and Other_Uppercase where they are neither marks nor modifier letters: those are
 * case-ignorable and are skipped before anyone asks whether they are cased. */
static const range other_cased[] = {
    {0xAA, 0xAA},       {0xBA, 0xBA},       {0x2160, 0x217F},   {0x24B6, 0x24E9},
    {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189},
};

int nj_is_cased(uint32_t cp) {
  utf8proc_category_t c = category(cp);
  return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LT) || WITHIN(other_cased, cp);
}

/* Word_Break is MidLetter, MidNumLet or Single_Quote. */
static const range word_middles[] = {
    {0x27, 0x27},     {0x2E, 0x2E},     {0x3A, 0x3A},     {0xB7, 0xB7},
    {0x387, 0x387},   {0x55F, 0x55F},   {0x5F4, 0x5F4},   {0x2018, 0x2019},
    {0x2024, 0x2024}, {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52},
    {0xFE55, 0xFE55}, {0xFF07, 0xFF07}, {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A},
};

int nj_is_case_ignorable(uint32_t cp) {
  switch (category(cp)) {
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_CF:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_SK:
    return 1;
  default:
    return WITHIN(word_middles, cp);
  }
}
