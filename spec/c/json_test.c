#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "ctest.h"
#include "kernels/kernels.h"

static nj_ctx *context(void) {
  nj_ctx_options options = nj_ctx_default_options();
  options.threads = 1;
  nj_ctx *ctx = NULL;
  nj_ctx_new(&options, &ctx);
  return ctx;
}

/* Reads everything; the text is copied to a block of exactly its size, so that a read past its end
 * is seen by the sanitizers. */
static nj_status read_all(nj_ctx *ctx, const char *text, size_t length, char *events) {
  static const char letters[] = {'.', '{', '}', '[', ']', 'k', 's', 'n', 't', 'f', '0'};
  char *exact = malloc(length ? length : 1);
  memcpy(exact, text, length);
  nj_json json;
  nj_json_open(&json, ctx, "test", exact, length);
  nj_status st;
  size_t n = 0;
  do {
    st = nj_json_next(&json);
    if (!st && events)
      events[n++] = letters[json.event];
  } while (!st && json.event != NJ_JSON_END);
  if (events)
    events[n] = '\0';
  nj_json_close(&json);
  free(exact);
  return st;
}

TEST(json_events_in_order) {
  nj_ctx *ctx = context();
  char events[64];
  const char *text = " {\"a\" : [1, -2.5e3, \"x\", true,false,null, [], {}], \"b\":{\"c\":0}}\n";
  CHECK_OK(read_all(ctx, text, strlen(text), events));
  CHECK_TEXT(events, "{k[nnstf0[]{}]k{kn}}.");
  CHECK_OK(read_all(ctx, "7", 1, events));
  CHECK_TEXT(events, "n.");
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(json_refuses_what_the_rfc_does_not_allow) {
  static const char *const wrong[] = {
      "",
      " ",
      "{",
      "}",
      "[",
      "]",
      "[1",
      "[1,",
      "[1,]",
      "[,1]",
      "{\"a\"}",
      "{\"a\":}",
      "{\"a\":1,}",
      "{a:1}",
      "{'a':1}",
      "{1:2}",
      "[1 2]",
      "{\"a\":1 \"b\":2}",
      "{\"a\":1]",
      "[1}",
      "tru",
      "True",
      "nul",
      "NaN",
      "Infinity",
      "-",
      "+1",
      "01",
      "-01",
      "1.",
      ".5",
      "1e",
      "1e+",
      "0x10",
      "1.e3",
      "\"",
      "\"a",
      "\"\\",
      "\"\\\"",
      "\"\\x\"",
      "\"\\u12\"",
      "\"\\u12G4\"",
      "\"\\ud800\"",
      "\"\\udc00\"",
      "\"\\ud800\\u0041\"",
      "\"\\ud800x\"",
      "\"\t\"",
      "\"\x01\"",
      "\"\xff\"",
      "\"\xc0\x80\"",
      "\"\xed\xa0\x80\"",
      "\"\xf5\x80\x80\x80\"",
      "\"\xe2\x82\"",
      "\xef\xbb\xbf{}",
      "1 2",
      "{} {}",
      "[] x",
      "// c\n1",
      "[1,/**/2]",
      "1e999",
      "[\"a\" : 1]",
  };
  nj_ctx *ctx = context();
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    nj_status st = read_all(ctx, wrong[i], strlen(wrong[i]), NULL);
    if (st != NJ_EFORMAT)
      ctest_fail(__FILE__, __LINE__, wrong[i]);
  }
  CHECK_INT(read_all(ctx, "[1]\0", 4, NULL), NJ_EFORMAT);
  CHECK_INT(read_all(ctx, "\"a\0b\"", 5, NULL), NJ_EFORMAT);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(json_messages_name_text_and_byte) {
  nj_ctx *ctx = context();
  CHECK_INT(read_all(ctx, "{\"a\" 1}", 7, NULL), NJ_EFORMAT);
  CHECK_TEXT(nj_ctx_error(ctx), "test: byte 6: expected ':' after a key");
  nj_ctx_release(ctx);
}

TEST(json_depth_is_limited_without_recursion) {
  enum { N = 1000000 };
  nj_ctx *ctx = context();
  char *deep = malloc(N);
  memset(deep, '[', N);
  CHECK_INT(read_all(ctx, deep, N, NULL), NJ_EFORMAT);
  CHECK_TEXT(nj_ctx_error(ctx), "byte 65: nested more than 64 deep");
  memset(deep + 64, ']', 64);
  CHECK_OK(read_all(ctx, deep, 128, NULL));
  free(deep);
  nj_ctx_release(ctx);
}

static nj_status first_value(nj_ctx *ctx, const char *text, nj_json *json) {
  nj_json_open(json, ctx, "test", text, strlen(text));
  return nj_json_next(json);
}

TEST(json_strings_are_decoded) {
  nj_ctx *ctx = context();
  nj_json json;
  CHECK_OK(first_value(ctx, "\"\\u0120a\\n\\\"\\/\\ud83d\\ude00\\u0000z\"", &json));
  CHECK_INT(json.event, NJ_JSON_STRING);
  static const char want[] = "\xc4\xa0"
                             "a\n\"/\xf0\x9f\x98\x80\0z";
  CHECK_INT(json.length, sizeof want - 1);
  CHECK(memcmp(json.text, want, sizeof want - 1) == 0);
  nj_json_close(&json);
  CHECK_OK(first_value(ctx, "\"plain\"", &json));
  CHECK(nj_json_is(&json, "plain"));
  CHECK(!nj_json_is(&json, "plai"));
  nj_json_close(&json);
  nj_ctx_release(ctx);
}

TEST(json_numbers) {
  static const struct {
    const char *text;
    double number;
    int is_integer;
    int64_t integer;
  } cases[] = {
      {"0", 0, 1, 0},
      {"-0", 0, 1, 0},
      {"9223372036854775807", 9223372036854775807.0, 1, INT64_MAX},
      {"-9223372036854775808", -9223372036854775808.0, 1, INT64_MIN},
      {"9223372036854775808", 9223372036854775808.0, 0, 0},
      {"-9223372036854775809", -9223372036854775808.0, 0, 0},
      {"1.0", 1, 0, 0},
      {"1e2", 100, 0, 0},
      {"-12.5E-1", -1.25, 0, 0},
      {"0.1", 0.1, 0, 0},
      {"123456.789e3", 123456789, 0, 0},
      {"2.2250738585072014e-308", 2.2250738585072014e-308, 0, 0},
      {"1e-999999999999999999999", 0, 0, 0},
      {"0.30000000000000004", 0.30000000000000004, 0, 0},
  };
  nj_ctx *ctx = context();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nj_json json;
    CHECK_OK(first_value(ctx, cases[i].text, &json));
    CHECK_INT(json.event, NJ_JSON_NUMBER);
    CHECK(json.number == cases[i].number);
    CHECK_INT(json.is_integer, cases[i].is_integer);
    CHECK_INT(json.integer, cases[i].integer);
    nj_json_close(&json);
  }
  char long_number[300];
  memset(long_number, '1', sizeof long_number);
  CHECK_INT(read_all(ctx, long_number, 256, NULL), NJ_OK);
  CHECK_INT(read_all(ctx, long_number, 257, NULL), NJ_EFORMAT);
  nj_ctx_release(ctx);
}

TEST(json_skip_and_leave) {
  nj_ctx *ctx = context();
  nj_json json;
  CHECK_OK(first_value(ctx, "{\"a\":[1,{\"b\":[2]}],\"c\":\"x\",\"d\":4}", &json));
  CHECK_OK(nj_json_expect(&json, NJ_JSON_KEY));
  CHECK_OK(nj_json_skip(&json));
  CHECK_OK(nj_json_expect(&json, NJ_JSON_KEY));
  CHECK(nj_json_is(&json, "c"));
  CHECK_OK(nj_json_skip(&json));
  CHECK_OK(nj_json_expect(&json, NJ_JSON_KEY));
  CHECK(nj_json_is(&json, "d"));
  CHECK_INT(json.depth, 1);
  CHECK_OK(nj_json_leave(&json, 1));
  CHECK_INT(json.event, NJ_JSON_OBJECT_END);
  CHECK_OK(nj_json_expect(&json, NJ_JSON_END));
  nj_json_close(&json);
  CHECK_OK(first_value(ctx, "[1]", &json));
  CHECK_INT(nj_json_expect(&json, NJ_JSON_STRING), NJ_EFORMAT);
  CHECK_TEXT(nj_ctx_error(ctx), "expected a string");
  nj_json_close(&json);
  nj_ctx_release(ctx);
}

/* A line of JSONL is one value: two on a line, as a lost line break leaves them, are refused at the
 * byte where the second begins. */
TEST(json_lines_hold_one_value) {
  static const char one[] = "{\"fname\":\"a b.wav\",\"beams\":[\"it\\u2019s\"],\"p\":[-1.25]}";
  nj_ctx *ctx = context();
  char two[2 * sizeof one], expected[32];
  CHECK_OK(read_all(ctx, one, sizeof one - 1, NULL));
  memcpy(two, one, sizeof one - 1);
  memcpy(two + sizeof one - 1, one, sizeof one);
  CHECK_INT(read_all(ctx, two, 2 * (sizeof one - 1), NULL), NJ_EFORMAT);
  snprintf(expected, sizeof expected, "test: byte %d", (int)sizeof one);
  CHECK_TEXT(nj_ctx_error(ctx), expected);
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

/* Every prefix and every one-byte change of a text ends in an error or a value, in bounds. */
TEST(json_survives_damage) {
  static const char good[] =
      "{\"a\\u00e9\\ud83d\\ude00\":[1.5e-3,true,null,\"\xc3\xa9\\n\"],\"b\":{}}";
  nj_ctx *ctx = context();
  char text[sizeof good];
  for (size_t n = 0; n < sizeof good - 1; n++)
    CHECK_INT(read_all(ctx, good, n, NULL), NJ_EFORMAT);
  for (size_t i = 0; i < sizeof good - 1; i++)
    for (int byte = 0; byte < 256; byte++) {
      memcpy(text, good, sizeof good);
      text[i] = (char)byte;
      nj_status st = read_all(ctx, text, sizeof good - 1, NULL);
      CHECK(st == NJ_OK || st == NJ_EFORMAT);
    }
  CHECK_INT(nj_memory_get(ctx).live, 0);
  nj_ctx_release(ctx);
}

TEST(utf8_round_trip_of_every_scalar_value) {
  for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
    char bytes[4];
    if (cp >= 0xD800 && cp <= 0xDFFF)
      continue;
    int length = nj_utf8_put(cp, bytes), valid;
    uint32_t got;
    CHECK_INT(nj_utf8_next(bytes, (size_t)length, &got, &valid), length);
    CHECK(valid && got == cp);
    if (length > 1) { /* cut short: one U+FFFD for what is there */
      CHECK_INT(nj_utf8_next(bytes, (size_t)length - 1, &got, &valid), length - 1);
      CHECK(!valid && got == 0xFFFD);
    }
  }
}

TEST(utf8_ill_formed_sequences) {
  static const struct {
    const char *text;
    int taken; /* by the first U+FFFD */
  } cases[] = {
      {"\x80", 1},
      {"\xbf\xbf", 1},
      {"\xc0\x80", 1},
      {"\xc1\xbf", 1},
      {"\xe0\x80\x80", 1},
      {"\xe0\x9f\xbf", 1},
      {"\xed\xa0\x80", 1},
      {"\xed\xbf\xbf", 1},
      {"\xf0\x80\x80\x80", 1},
      {"\xf0\x8f\xbf\xbf", 1},
      {"\xf4\x90\x80\x80", 1},
      {"\xf5\x80", 1},
      {"\xff", 1},
      {"\xfe", 1},
      {"\xe2\x82", 2},
      {"\xe2\x82"
       "A",
       2},
      {"\xf0\x9f\x98", 3},
      {"\xf0\x9f\x98"
       "A",
       3},
      {"\xf0\x9f", 2},
      {"\xc3", 1},
      {"\xc3\xc3", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint32_t cp;
    int valid;
    int taken = nj_utf8_next(cases[i].text, strlen(cases[i].text), &cp, &valid);
    CHECK_INT(taken, cases[i].taken);
    CHECK(!valid && cp == 0xFFFD);
    CHECK_INT(nj_utf8_valid(cases[i].text, strlen(cases[i].text)), 0);
  }
  CHECK_INT(nj_utf8_valid("abcdefghij\xc3\xa9\xff", 13), 12);
}
