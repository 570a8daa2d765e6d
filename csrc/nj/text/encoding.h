/* What a tokeniser makes of a text: its tokens, and where each came from. */
#ifndef NJ_TEXT_ENCODING_H
#define NJ_TEXT_ENCODING_H

#include "base/context.h"

typedef struct {
  int32_t id;
  int32_t word;      /* words count from 1; 0: a special token */
  uint32_t from, to; /* the bytes [from, to) of the text; empty for an added special token */
  int special;
} nj_token;

typedef struct {
  nj_ctx *ctx;
  nj_token *at;
  size_t count, room;
  size_t most;   /* no more than this are kept; encoders may stop early */
  int32_t words; /* so far */
} nj_encoding;

/* Begin with nj_encoding e = {.ctx = ctx, .most = SIZE_MAX}. */
void nj_encoding_free(nj_encoding *encoding);
/* Appends unless `most` is reached. Errors: ENOMEM. */
nj_status nj_encoding_push(nj_encoding *encoding, nj_token token);

#endif
