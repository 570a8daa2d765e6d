#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

#define NUMBER_MAX 256

/* What may come next. */
enum {
  WANT_VALUE,        /* a value: at the top, or after ':' */
  WANT_VALUE_OR_END, /* just after '[' */
  WANT_KEY_OR_END,   /* just after '{' */
  WANT_COMMA_OR_END, /* after a value inside a container */
  WANT_NOTHING       /* after the whole value */
};

void nj_json_open(nj_json *json, nj_ctx *ctx, const char *what, const char *text, size_t length) {
  memset(json, 0, sizeof *json);
  json->ctx = ctx;
  json->what = what;
  json->begin = json->at = text;
  json->end = text + length;
  json->state = WANT_VALUE;
}

void nj_json_close(nj_json *json) {
  nj_free(json->ctx, json->scratch);
  json->scratch = NULL;
}

nj_status nj_json_fail(nj_json *json, const char *complaint) {
  return nj_fail(json->ctx, NJ_EFORMAT, "%s: byte %lld: %s", json->what,
                 (long long)(json->at - json->begin) + 1, complaint);
}

int nj_json_is(const nj_json *json, const char *text) {
  return strlen(text) == json->length && memcmp(text, json->text, json->length) == 0;
}

static void skip_space(nj_json *json) {
  while (json->at < json->end &&
         (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t'))
    json->at++;
}

static int in_object(const nj_json *json) {
  return json->depth > 0 && (json->objects >> (json->depth - 1) & 1);
}

static void after_value(nj_json *json) {
  json->state = json->depth > 0 ? WANT_COMMA_OR_END : WANT_NOTHING;
}

static nj_status enter(nj_json *json, int object) {
  if (json->depth == NJ_JSON_DEPTH)
    return nj_json_fail(json, "nested more than 64 deep");
  uint64_t bit = (uint64_t)1 << json->depth;
  json->objects = object ? json->objects | bit : json->objects & ~bit;
  json->depth++;
  json->at++;
  json->event = object ? NJ_JSON_OBJECT : NJ_JSON_ARRAY;
  json->state = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
  return NJ_OK;
}

static nj_status leave(nj_json *json) {
  json->event = in_object(json) ? NJ_JSON_OBJECT_END : NJ_JSON_ARRAY_END;
  json->depth--;
  json->at++;
  after_value(json);
  return NJ_OK;
}

/* ---- strings ---- */

static nj_status hex4(nj_json *json, uint32_t *out) {
  uint32_t value = 0;
  if (json->end - json->at < 4)
    return nj_json_fail(json, "expected four hexadecimal digits after \\u");
  for (int i = 0; i < 4; i++, json->at++) {
    char c = *json->at;
    uint32_t digit;
    if (c >= '0' && c <= '9')
      digit = (uint32_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = (uint32_t)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = (uint32_t)(c - 'A' + 10);
    else
      return nj_json_fail(json, "expected four hexadecimal digits after \\u");
    value = value << 4 | digit;
  }
  *out = value;
  return NJ_OK;
}

static nj_status unicode_escape(nj_json *json, char **out) {
  uint32_t cp, low;
  NJ_TRY(hex4(json, &cp));
  if (cp >= 0xDC00 && cp <= 0xDFFF)
    return nj_json_fail(json, "unpaired surrogate escape");
  if (cp >= 0xD800 && cp <= 0xDBFF) {
    if (json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u')
      return nj_json_fail(json, "unpaired surrogate escape");
    json->at += 2;
    NJ_TRY(hex4(json, &low));
    if (low < 0xDC00 || low > 0xDFFF)
      return nj_json_fail(json, "unpaired surrogate escape");
    cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
  }
  *out += nj_utf8_put(cp, *out);
  return NJ_OK;
}

/* json->at is just after a backslash. */
static nj_status escape(nj_json *json, char **out) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (json->at == json->end)
    return nj_json_fail(json, "the text ends inside a string");
  char c = *json->at;
  if (c == 'u') {
    json->at++;
    return unicode_escape(json, out);
  }
  const char *found = c ? strchr(names, c) : NULL;
  if (!found)
    return nj_json_fail(json, "unknown escape in a string");
  json->at++;
  *(*out)++ = values[found - names];
  return NJ_OK;
}

/* Decodes into scratch, which is large enough for the escaped form and so for the decoded one. */
static nj_status decode_string(nj_json *json, const char *first, size_t escaped_length) {
  if (json->scratch_size < escaped_length) {
    char *grown = nj_realloc(json->ctx, json->scratch, escaped_length);
    if (!grown)
      return NJ_ENOMEM;
    json->scratch = grown;
    json->scratch_size = escaped_length;
  }
  char *out = json->scratch;
  const char *last = first + escaped_length;
  json->at = first;
  while (json->at < last) {
    const char *backslash = memchr(json->at, '\\', (size_t)(last - json->at));
    size_t plain = (size_t)((backslash ? backslash : last) - json->at);
    memcpy(out, json->at, plain);
    out += plain;
    json->at += plain;
    if (backslash) {
      json->at++;
      NJ_TRY(escape(json, &out));
    }
  }
  json->text = json->scratch;
  json->length = (size_t)(out - json->scratch);
  return NJ_OK;
}

/* json->at is at the opening quote. */
static nj_status read_string(nj_json *json) {
  const char *first = ++json->at;
  int escapes = 0;
  while (json->at < json->end && *json->at != '"') {
    if ((unsigned char)*json->at < 0x20)
      return nj_json_fail(json, "control character in a string");
    if (*json->at == '\\') {
      escapes = 1;
      json->at++;
      if (json->at == json->end)
        break;
    }
    json->at++;
  }
  if (json->at == json->end)
    return nj_json_fail(json, "the text ends inside a string");
  const char *quote = json->at;
  size_t length = (size_t)(quote - first);
  size_t good = nj_utf8_valid(first, length);
  if (good < length) {
    json->at = first + good;
    return nj_json_fail(json, "not UTF-8");
  }
  json->text = first;
  json->length = length;
  if (escapes)
    NJ_TRY(decode_string(json, first, length));
  json->at = quote + 1;
  return NJ_OK;
}

static nj_status read_key(nj_json *json) {
  if (json->at == json->end || *json->at != '"')
    return nj_json_fail(json, "expected a key in double quotes");
  NJ_TRY(read_string(json));
  skip_space(json);
  if (json->at == json->end || *json->at != ':')
    return nj_json_fail(json, "expected ':' after a key");
  json->at++;
  json->event = NJ_JSON_KEY;
  json->state = WANT_VALUE;
  return NJ_OK;
}

/* ---- numbers and words ---- */

static int digit_at(const nj_json *json) {
  return json->at < json->end && *json->at >= '0' && *json->at <= '9';
}

/* strtod reads the decimal point of the host's locale, so the number is handed to it as
 * <digits>e<exponent>, which means the same everywhere. */
static double to_double(const char *first, const char *last) {
  char plain[NUMBER_MAX + 32];
  size_t n = 0;
  long exponent = 0, fraction = 0;
  int behind_point = 0;
  const char *at = first;
  for (; at < last && *at != 'e' && *at != 'E'; at++) {
    if (*at == '.') {
      behind_point = 1;
      continue;
    }
    plain[n++] = *at;
    fraction += behind_point;
  }
  if (at < last) {
    /* Not strtol: the text may end right here, with no NUL after it. */
    int negative = *++at == '-';
    if (*at == '-' || *at == '+')
      at++;
    for (; at < last; at++)
      exponent = exponent < 100000 ? exponent * 10 + (*at - '0') : exponent;
    if (negative)
      exponent = -exponent;
  }
  exponent -= fraction;
  plain[n++] = 'e';
  plain[n++] = exponent < 0 ? '-' : '+';
  char reversed[16];
  int m = 0;
  unsigned long rest = (unsigned long)(exponent < 0 ? -exponent : exponent);
  do
    reversed[m++] = (char)('0' + rest % 10);
  while (rest /= 10);
  while (m > 0)
    plain[n++] = reversed[--m];
  plain[n] = '\0';
  return strtod(plain, NULL);
}

static void to_integer(nj_json *json, const char *first, const char *last) {
  int negative = *first == '-';
  uint64_t value = 0, limit = (uint64_t)INT64_MAX + (uint64_t)negative;
  for (const char *at = first + negative; at < last; at++) {
    uint64_t digit = (uint64_t)(*at - '0');
    if (value > (limit - digit) / 10)
      return;
    value = value * 10 + digit;
  }
  json->is_integer = 1;
  json->integer = negative ? (value == limit ? INT64_MIN : -(int64_t)value) : (int64_t)value;
}

static nj_status read_number(nj_json *json) {
  const char *first = json->at;
  int whole = 1;
  if (*json->at == '-')
    json->at++;
  if (!digit_at(json))
    return nj_json_fail(json, "expected a digit");
  if (*json->at == '0')
    json->at++;
  else
    while (digit_at(json))
      json->at++;
  if (json->at < json->end && *json->at == '.') {
    whole = 0;
    json->at++;
    if (!digit_at(json))
      return nj_json_fail(json, "expected a digit after the decimal point");
    while (digit_at(json))
      json->at++;
  }
  if (json->at < json->end && (*json->at == 'e' || *json->at == 'E')) {
    whole = 0;
    json->at++;
    if (json->at < json->end && (*json->at == '+' || *json->at == '-'))
      json->at++;
    if (!digit_at(json))
      return nj_json_fail(json, "expected a digit in the exponent");
    while (digit_at(json))
      json->at++;
  }
  if (digit_at(json))
    return nj_json_fail(json, "a number begins with a needless zero");
  if (json->at - first > NUMBER_MAX)
    return nj_json_fail(json, "a number of more than 256 characters");
  json->event = NJ_JSON_NUMBER;
  json->is_integer = 0;
  json->integer = 0;
  json->number = to_double(first, json->at);
  if (isinf(json->number))
    return nj_json_fail(json, "a number beyond what a double holds");
  if (whole)
    to_integer(json, first, json->at);
  return NJ_OK;
}

static nj_status read_word(nj_json *json) {
  static const struct {
    const char *text;
    nj_json_event event;
  } words[] = {{"true", NJ_JSON_TRUE}, {"false", NJ_JSON_FALSE}, {"null", NJ_JSON_NULL}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t length = strlen(words[i].text);
    if ((size_t)(json->end - json->at) >= length && memcmp(json->at, words[i].text, length) == 0) {
      json->at += length;
      json->event = words[i].event;
      return NJ_OK;
    }
  }
  return nj_json_fail(json, "expected a value");
}

/* ---- events ---- */

static nj_status read_value(nj_json *json) {
  if (json->at == json->end)
    return nj_json_fail(json, "the text ends where a value is expected");
  char c = *json->at;
  if (c == '{' || c == '[')
    return enter(json, c == '{');
  if (c == '"') {
    NJ_TRY(read_string(json));
    json->event = NJ_JSON_STRING;
  } else if (c == '-' || (c >= '0' && c <= '9')) {
    NJ_TRY(read_number(json));
  } else {
    NJ_TRY(read_word(json));
  }
  after_value(json);
  return NJ_OK;
}

/* After a value inside a container: the container's end, or a comma and then what follows it. */
static nj_status read_onwards(nj_json *json) {
  char close = in_object(json) ? '}' : ']';
  if (json->at == json->end)
    return nj_json_fail(json, "the text ends inside an object or array");
  if (*json->at == close)
    return leave(json);
  if (*json->at != ',')
    return nj_json_fail(json, in_object(json) ? "expected ',' or '}'" : "expected ',' or ']'");
  json->at++;
  skip_space(json);
  return in_object(json) ? read_key(json) : read_value(json);
}

nj_status nj_json_next(nj_json *json) {
  skip_space(json);
  switch (json->state) {
  case WANT_VALUE_OR_END:
    if (json->at < json->end && *json->at == ']')
      return leave(json);
    return read_value(json);
  case WANT_KEY_OR_END:
    if (json->at < json->end && *json->at == '}')
      return leave(json);
    return read_key(json);
  case WANT_COMMA_OR_END:
    return read_onwards(json);
  case WANT_NOTHING:
    if (json->at < json->end)
      return nj_json_fail(json, "something follows the value");
    json->event = NJ_JSON_END;
    return NJ_OK;
  default:
    return read_value(json);
  }
}

nj_status nj_json_expect(nj_json *json, nj_json_event event) {
  static const char *const complaints[] = {
      [NJ_JSON_END] = "expected the end of the text",
      [NJ_JSON_OBJECT] = "expected an object",
      [NJ_JSON_OBJECT_END] = "expected '}'",
      [NJ_JSON_ARRAY] = "expected an array",
      [NJ_JSON_ARRAY_END] = "expected ']'",
      [NJ_JSON_KEY] = "expected a key",
      [NJ_JSON_STRING] = "expected a string",
      [NJ_JSON_NUMBER] = "expected a number",
      [NJ_JSON_TRUE] = "expected true",
      [NJ_JSON_FALSE] = "expected false",
      [NJ_JSON_NULL] = "expected null",
  };
  NJ_TRY(nj_json_next(json));
  return json->event == event ? NJ_OK : nj_json_fail(json, complaints[event]);
}

nj_status nj_json_leave(nj_json *json, int depth) {
  while (json->depth >= depth)
    NJ_TRY(nj_json_next(json));
  return NJ_OK;
}

nj_status nj_json_skip(nj_json *json) {
  int depth = json->depth;
  NJ_TRY(nj_json_next(json));
  return json->depth > depth ? nj_json_leave(json, depth + 1) : NJ_OK;
}
