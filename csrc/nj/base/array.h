/* Arrays that grow. */
#ifndef NJ_BASE_ARRAY_H
#define NJ_BASE_ARRAY_H

#include "base/context.h"

/* A block that holds at least `need` items of `size` bytes with the content of `array` (NULL at
 * first), doubling *room, which counts items. NULL on failure, with ENOMEM's text set: then `array`
 * and *room stay as they were. Freed by nj_free. */
void *nj_array_grow(nj_ctx *ctx, void *array, size_t *room, size_t need, size_t size);

/* Inside a function that returns nj_status: makes `array`, a field that outlives the call and is
 * freed by its owner, hold `need` items; returns NJ_ENOMEM from the function when it cannot. */
#define NJ_RESERVE(ctx, array, room, need)                                            \
  do {                                                                                \
    if ((need) > (room)) {                                                            \
      void *grown_ = nj_array_grow((ctx), (array), &(room), (need), sizeof *(array)); \
      if (!grown_)                                                                    \
        return NJ_ENOMEM;                                                             \
      (array) = grown_;                                                               \
    }                                                                                 \
  } while (0)

#endif
