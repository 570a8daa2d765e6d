#include "base/array.h"

#include "base/alloc.h"

void *nj_array_grow(nj_ctx *ctx, void *array, size_t *room, size_t need, size_t size) {
  size_t wanted = *room < 8 ? 8 : *room;
  while (wanted < need && wanted <= SIZE_MAX / 2)
    wanted *= 2;
  if (wanted < need || wanted > SIZE_MAX / size) {
    (void)nj_fail(ctx, NJ_ENOMEM, "out of memory: an array of %zu items", need);
    return NULL;
  }
  void *grown = nj_realloc(ctx, array, wanted * size);
  if (grown)
    *room = wanted;
  return grown;
}
