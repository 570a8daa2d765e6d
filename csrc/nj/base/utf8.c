#include "base/utf8.h"

#include <string.h>

/* The second byte's range is narrower after E0, ED, F0 and F4: that is what keeps overlong forms,
 * surrogates and values past U+10FFFF out (Table 3-7 of the Unicode Standard). */
static int sequence_length(unsigned char lead, unsigned char *low, unsigned char *high) {
  *low = 0x80;
  *high = 0xBF;
  if (lead < 0x80)
    return 1;
  if (lead < 0xC2)
    return 0;
  if (lead < 0xE0)
    return 2;
  if (lead < 0xF0) {
    if (lead == 0xE0)
      *low = 0xA0;
    if (lead == 0xED)
      *high = 0x9F;
    return 3;
  }
  if (lead > 0xF4)
    return 0;
  if (lead == 0xF0)
    *low = 0x90;
  if (lead == 0xF4)
    *high = 0x8F;
  return 4;
}

int nj_utf8_next(const char *text, size_t length, uint32_t *cp, int *valid) {
  static const unsigned char lead_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  unsigned char low, high, lead = (unsigned char)text[0];
  int need = sequence_length(lead, &low, &high);
  uint32_t value = need ? lead & lead_bits[need] : 0;
  int taken = 1;
  for (; taken < need; taken++) {
    unsigned char byte = (size_t)taken < length ? (unsigned char)text[taken] : 0;
    if (byte < low || byte > high)
      break;
    value = value << 6 | (byte & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  int ok = need > 0 && taken == need;
  *cp = ok ? value : NJ_UTF8_REPLACEMENT;
  if (valid)
    *valid = ok;
  return taken;
}

int nj_utf8_put(uint32_t cp, char out[4]) {
  if (cp < 0x80) {
    out[0] = (char)cp;
    return 1;
  }
  if (cp < 0x800) {
    out[0] = (char)(0xC0 | cp >> 6);
    out[1] = (char)(0x80 | (cp & 0x3F));
    return 2;
  }
  if (cp < 0x10000) {
    out[0] = (char)(0xE0 | cp >> 12);
    out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[2] = (char)(0x80 | (cp & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | cp >> 18);
  out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
  out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
  out[3] = (char)(0x80 | (cp & 0x3F));
  return 4;
}

size_t nj_utf8_valid(const char *text, size_t length) {
  size_t at = 0;
  while (at < length) {
    uint64_t eight;
    if (length - at >= sizeof eight) {
      memcpy(&eight, text + at, sizeof eight);
      if (!(eight & 0x8080808080808080u)) {
        at += sizeof eight;
        continue;
      }
    }
    uint32_t cp;
    int ok;
    int taken = nj_utf8_next(text + at, length - at, &cp, &ok);
    if (!ok)
      return at;
    at += (size_t)taken;
  }
  return length;
}

int nj_utf8_is_ascii(const char *text, size_t length) {
  unsigned char bits = 0;
  for (size_t i = 0; i < length; i++)
    bits |= (unsigned char)text[i];
  return bits < 0x80;
}
