/* What torch.save writes: a pickle of containers and tensors, whose storages lie beside it.
 *
 *   zip (torch 1.6 and later)   NAME/data.pkl, NAME/data/KEY for each storage, and small records
 *   legacy                      pickles of a magic number, a version, the machine, the object and the
 *                               list of storage keys; then, for each key, an int64 count and raw data
 *
 * Stricter than torch: checksums have to be right, storages have exactly the size that the pickle
 * says, and no two entries of a zip have the same name.
 * https://github.com/pytorch/pytorch/blob/main/torch/serialization.py */
#ifndef NJ_STORE_TORCH_H
#define NJ_STORE_TORCH_H

#include "store/pickle.h"
#include "store/zip.h"

/* Fill the archive's entries, blocks and notes from its mapping. Errors: EFORMAT, EUNSUPPORTED
 * (TorchScript and other zip archives, and what the pickle reader refuses), ENOMEM. */
nj_status nj_torch_zip_index(nj_archive *archive);
nj_status nj_torch_legacy_index(nj_archive *archive);

/* Finds the bytes of a storage, `need` of them. */
typedef nj_status (*nj_torch_find)(void *arg, const nj_pickle_storage *storage, uint64_t need,
                                   nj_zip_bytes *out);
/* Names the pickle's tensors (nj_pickle_list) and makes one block per storage and dtype. */
nj_status nj_torch_fill(nj_archive *archive, const nj_pickle *pickle, nj_torch_find find, void *arg,
                        int check_crc);
/* Orders storages by key; 0 when the keys are equal. */
int nj_torch_compare_keys(const nj_pickle_storage *a, const nj_pickle_storage *b);

#endif
