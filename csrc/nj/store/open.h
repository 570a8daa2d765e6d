/* Opens a file of named tensors. Containers: safetensors (safetensors.h), torch's zip and legacy formats
 * (torch.h), distinguished by their first bytes. Others are recognised and refused by name. */
#ifndef NJ_STORE_OPEN_H
#define NJ_STORE_OPEN_H

#include "store/archive.h"

/* Errors: ENOTFOUND, EIO, EFORMAT (malformed: says what and where), EUNSUPPORTED (another kind of
 * file, named), ENOMEM. Messages begin with the path. */
nj_status nj_archive_open(nj_ctx *ctx, const char *path, nj_archive **out);
/* The same for a file that is in memory; `name` begins messages. Takes a reference of its own. */
nj_status nj_archive_open_mapping(nj_ctx *ctx, const char *name, nj_mapping *mapping,
                                  nj_archive **out);

#endif
