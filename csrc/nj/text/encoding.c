#include "text/encoding.h"

#include "base/alloc.h"
#include "base/array.h"

void nj_encoding_free(nj_encoding *encoding) {
  nj_free(encoding->ctx, encoding->at);
  encoding->at = NULL;
  encoding->count = encoding->room = 0;
}

nj_status nj_encoding_push(nj_encoding *encoding, nj_token token) {
  if (encoding->count == encoding->most)
    return NJ_OK;
  /* 32 at first: most captions fit without another allocation. */
  if (encoding->count == encoding->room)
    NJ_RESERVE(encoding->ctx, encoding->at, encoding->room,
               encoding->room ? encoding->count + 1 : 32);
  encoding->at[encoding->count++] = token;
  return NJ_OK;
}
