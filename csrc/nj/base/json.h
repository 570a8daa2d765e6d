/* A strict reader of JSON (RFC 8259) that hands out one event at a time. It does not recurse and
 * nests at most NJ_JSON_DEPTH deep, so hostile text costs time linear in its length and no stack.
 *
 * Refused: anything the RFC does not allow, text that is not UTF-8, a byte-order mark, unpaired
 * surrogate escapes, numbers of more than 256 characters or too large for a double, more than one
 * value. Keys that occur
 * twice in an object are passed on: whether they are an error is the caller's decision.
 *
 *   nj_json json;
 *   nj_json_open(&json, ctx, "safetensors header", text, length);
 *   NJ_TRY(nj_json_expect(&json, NJ_JSON_OBJECT));
 *   for (;;) {
 *     nj_status st = nj_json_next(&json);            // NJ_JSON_KEY or NJ_JSON_OBJECT_END
 *     if (st || json.event == NJ_JSON_OBJECT_END) …
 *     … key in json.text, json.length …
 *     st = nj_json_skip(&json);                      // or nj_json_next for its value
 *   }
 *   nj_json_close(&json);
 */
#ifndef NJ_BASE_JSON_H
#define NJ_BASE_JSON_H

#include "base/context.h"

#define NJ_JSON_DEPTH 64

typedef enum {
  NJ_JSON_END, /* the value is complete and nothing but space follows */
  NJ_JSON_OBJECT,
  NJ_JSON_OBJECT_END,
  NJ_JSON_ARRAY,
  NJ_JSON_ARRAY_END,
  NJ_JSON_KEY,
  NJ_JSON_STRING,
  NJ_JSON_NUMBER,
  NJ_JSON_TRUE,
  NJ_JSON_FALSE,
  NJ_JSON_NULL
} nj_json_event;

typedef struct {
  nj_json_event event; /* what nj_json_next met */
  /* KEY and STRING: the decoded bytes (may hold NUL, not NUL-ended), valid until the next call. */
  const char *text;
  size_t length;
  /* NUMBER */
  double number;
  int is_integer;  /* written without fraction and exponent, and fits int64_t … */
  int64_t integer; /* … then this is its exact value */
  int depth;       /* containers open after the event */

  /* the reader's own */
  nj_ctx *ctx;
  const char *what;
  const char *begin, *at, *end;
  uint64_t objects; /* bit d: the container at depth d is an object */
  int state;
  char *scratch;
  size_t scratch_size;
} nj_json;

/* Begins; nothing is copied, so `text` and `what` (used in messages) must outlive the reader. */
void nj_json_open(nj_json *json, nj_ctx *ctx, const char *what, const char *text, size_t length);
/* The next event. Errors: EFORMAT ("encoder.json: byte 17: expected ':' after a key"), ENOMEM.
 * After an error, or after NJ_JSON_END, only nj_json_close may be called. */
nj_status nj_json_next(nj_json *json);
/* nj_json_next, and EFORMAT unless it met `event`. */
nj_status nj_json_expect(nj_json *json, nj_json_event event);
/* Reads the value that comes next, whatever it is, to its end. */
nj_status nj_json_skip(nj_json *json);
/* Reads the rest of the container that is `depth` deep, up to and including its end. */
nj_status nj_json_leave(nj_json *json, int depth);
/* EFORMAT with the position in the text, for complaints about what the text says. */
nj_status nj_json_fail(nj_json *json, const char *complaint);
/* 1 when the current KEY or STRING is exactly `text`. */
int nj_json_is(const nj_json *json, const char *text);
void nj_json_close(nj_json *json);

#endif
