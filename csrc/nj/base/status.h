/* Status codes. Every fallible function of the C library returns one; the text that says what
 * exactly was wrong and where is kept by the context (see context.h). */
#ifndef NJ_BASE_STATUS_H
#define NJ_BASE_STATUS_H

#include "nightjar.h"

/* X(name, value, kind, text). Kind MISUSE is the caller's mistake (Lua raises it); kind WORLD is
 * what can happen to a correct program (Lua returns nil, message, code). */
#define NJ_STATUS_MAP(X)                             \
  X(OK, 0, WORLD, "ok")                              \
  X(EARG, -1, MISUSE, "bad argument")                \
  X(ESHAPE, -2, MISUSE, "shapes do not fit")         \
  X(EDTYPE, -3, MISUSE, "wrong dtype")               \
  X(EINDEX, -4, MISUSE, "index out of range")        \
  X(EGRAD, -5, MISUSE, "autograd misuse")            \
  X(ESTATE, -6, MISUSE, "object cannot do this now") \
  X(ENOMEM, -7, WORLD, "out of memory")              \
  X(EINTR, -8, WORLD, "interrupted")                 \
  X(EIO, -9, WORLD, "input/output error")            \
  X(ENOTFOUND, -10, WORLD, "not found")              \
  X(EFORMAT, -11, WORLD, "malformed data")           \
  X(EUNSUPPORTED, -12, WORLD, "unsupported")         \
  X(EBUSY, -13, WORLD, "busy")

/* nj_status itself, nj_status_name and nj_status_text are in nightjar.h. */
#define NJ_X(name, value, kind, text) \
  _Static_assert(NJ_##name == value, "nightjar.h has another " #name);
NJ_STATUS_MAP(NJ_X)
#undef NJ_X

/* 1 when the status reports the caller's mistake, 0 when it reports the world's. */
int nj_status_is_misuse(nj_status status);

/* Returns the status of `expr` from the calling function unless it is NJ_OK. */
#define NJ_TRY(expr)                   \
  do {                                 \
    nj_status nj_try_status_ = (expr); \
    if (nj_try_status_ != NJ_OK)       \
      return nj_try_status_;           \
  } while (0)

#endif
