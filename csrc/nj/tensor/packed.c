#include "tensor/packed.h"

#include <string.h>

struct nj_packed {
  struct nj_packed *next;
  nj_packed_kind kind;
  int64_t detail;
  uint64_t version;
  int64_t offset;
  int ndim;
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS];
  float *block;
};

static int is_of(const struct nj_packed *p, const nj_tensor *x, nj_packed_kind kind,
                 int64_t detail) {
  size_t dims = (size_t)x->ndim * sizeof *x->shape;
  return p->kind == kind && p->detail == detail && p->offset == x->offset && p->ndim == x->ndim &&
         memcmp(p->shape, x->shape, dims) == 0 && memcmp(p->stride, x->stride, dims) == 0;
}

static void drop_if(nj_storage *storage, int all) {
  struct nj_packed **link = &storage->packed;
  while (*link) {
    struct nj_packed *p = *link;
    if (all || p->version != storage->version) {
      *link = p->next;
      nj_free(storage->ctx, p->block);
      nj_free(storage->ctx, p);
    } else {
      link = &p->next;
    }
  }
}

const float *nj_packed_find(const nj_tensor *x, nj_packed_kind kind, int64_t detail) {
  drop_if(x->storage, 0);
  for (const struct nj_packed *p = x->storage->packed; p; p = p->next)
    if (is_of(p, x, kind, detail))
      return p->block;
  return NULL;
}

nj_status nj_packed_keep(const nj_tensor *x, nj_packed_kind kind, int64_t detail, float *block) {
  struct nj_packed *p = nj_calloc(x->ctx, 1, sizeof *p);
  if (!p) {
    nj_free(x->ctx, block);
    return NJ_ENOMEM;
  }
  *p = (struct nj_packed){.next = x->storage->packed,
                          .kind = kind,
                          .detail = detail,
                          .version = x->storage->version,
                          .offset = x->offset,
                          .ndim = x->ndim,
                          .block = block};
  memcpy(p->shape, x->shape, sizeof p->shape);
  memcpy(p->stride, x->stride, sizeof p->stride);
  x->storage->packed = p;
  return NJ_OK;
}

void nj_packed_drop(nj_storage *storage) { drop_if(storage, 1); }
