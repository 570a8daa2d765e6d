/* A file mapped into memory, privately: writes stay in memory. Reference-counted, so that tensors
 * over it keep it alive. Memory that holds a file already can stand in for one. */
#ifndef NJ_STORE_MAPPING_H
#define NJ_STORE_MAPPING_H

#include "base/context.h"

typedef struct nj_mapping nj_mapping;

/* Errors: ENOTFOUND, EIO (unreadable, or not a regular file), ENOMEM. */
nj_status nj_mapping_open(nj_ctx *ctx, const char *path, nj_mapping **out);
/* The same over memory that `owner` keeps; release(owner) runs when the last reference is gone (also
 * when this call fails), and may be NULL. Errors: ENOMEM. */
nj_status nj_mapping_from_memory(nj_ctx *ctx, void *data, uint64_t size,
                                 void (*release)(void *owner), void *owner, nj_mapping **out);
nj_mapping *nj_mapping_retain(nj_mapping *mapping);
void nj_mapping_release(void *mapping); /* of type void *, to serve as nj_from_memory's release */
unsigned char *nj_mapping_data(nj_mapping *mapping);
uint64_t nj_mapping_size(const nj_mapping *mapping);

#endif
