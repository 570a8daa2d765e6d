/* The end of a tensor, which takes its part of the graph, its storage and what is kept with that along. */
#include "tensor/autograd.h"
#include "tensor/packed.h"

static void release_storage(nj_storage *storage) {
  if (atomic_fetch_sub_explicit(&storage->refs, 1, memory_order_acq_rel) != 1)
    return;
  nj_ctx *ctx = storage->ctx;
  nj_packed_drop(storage);
  if (storage->release)
    storage->release(storage->owner);
  else
    nj_free(ctx, storage->data);
  nj_free(ctx, storage);
  nj_ctx_release(ctx);
}

void nj_release(nj_tensor *x) {
  if (!x || atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) != 1)
    return;
  nj_ctx *ctx = x->ctx;
  nj_node_release(x->node);
  nj_leaf_release(x->leaf);
  if (x->storage)
    release_storage(x->storage);
  nj_free(ctx, x);
  nj_ctx_release(ctx);
}
