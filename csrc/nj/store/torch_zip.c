#include <stdio.h>
#include <string.h>

#include "store/torch.h"

#define PICKLE_NAME "data.pkl"

typedef struct {
  nj_archive *archive;
  nj_zip *zip;
  char *name; /* of the entry looked for: root, then room for the rest */
  size_t root_length, name_room;
} reader;

static int ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && memcmp(text + n - m, end, m) == 0;
}

/* An archive without data.pkl, or with code beside it, is something else: says what. */
static nj_status refuse_other(const reader *r) {
  const char *what = "a zip archive without a torch checkpoint in it (no data.pkl)";
  for (size_t i = 0; i < nj_zip_count(r->zip); i++) {
    const char *name = nj_zip_name(r->zip, i);
    if (ends_with(name, "/constants.pkl") || strstr(name, "/code/"))
      what = "a TorchScript archive (a program with its weights); in Python, "
             "torch.save(torch.jit.load(FILE).state_dict(), NEW) writes the weights alone";
    else if (ends_with(name, ".npy"))
      what = "a numpy archive (.npz); write its arrays as safetensors";
    else if (ends_with(name, "model.weights.h5"))
      what = "a Keras model; write its weights as safetensors";
  }
  return nj_fail(r->archive->ctx, NJ_EUNSUPPORTED, "%s: this is %s", r->archive->path, what);
}

/* Every entry lies in the folder of data.pkl, as torch wants it: what else would be there is not
 * torch's, and another reader might take it for the checkpoint. */
static nj_status check_folder(const reader *r) {
  for (size_t i = 0; i < nj_zip_count(r->zip); i++)
    if (strncmp(nj_zip_name(r->zip, i), r->name, r->root_length) != 0)
      return nj_fail(r->archive->ctx, NJ_EFORMAT,
                     "%s: the archive holds a file outside its folder '%.*s'", r->archive->path,
                     (int)(r->root_length < 60 ? r->root_length : 60), r->name);
  return NJ_OK;
}

/* Finds ROOT/data.pkl and puts ROOT/ into r->name. */
static nj_status find_root(reader *r, size_t *pickle) {
  size_t found = 0, scripts = 0;
  for (size_t i = 0; i < nj_zip_count(r->zip); i++) {
    const char *name = nj_zip_name(r->zip, i);
    const char *slash = strrchr(name, '/'), *file = slash ? slash + 1 : name;
    scripts += ends_with(name, "/constants.pkl") || strstr(name, "/code/") != NULL;
    if (strcmp(file, PICKLE_NAME) != 0)
      continue;
    found++;
    *pickle = i;
  }
  if (found == 0 || scripts)
    return refuse_other(r);
  if (found > 1)
    return nj_fail(r->archive->ctx, NJ_EFORMAT, "%s: the archive holds %zu files called data.pkl",
                   r->archive->path, found);
  const char *name = nj_zip_name(r->zip, *pickle);
  r->root_length = strlen(name) - strlen(PICKLE_NAME);
  r->name_room = r->root_length + 1200;
  r->name = nj_alloc(r->archive->ctx, r->name_room);
  if (!r->name)
    return NJ_ENOMEM;
  memcpy(r->name, name, r->root_length);
  return check_folder(r);
}

/* The bytes of an entry, checked. `bytes->held` is the caller's to release. */
static nj_status read_checked(reader *r, size_t index, nj_zip_bytes *bytes,
                              const unsigned char **data) {
  nj_ctx *ctx = r->archive->ctx;
  uint32_t crc;
  NJ_TRY(nj_zip_read(r->zip, index, UINT64_MAX, bytes));
  *data = bytes->held ? nj_data(bytes->held) : nj_mapping_data(r->archive->mapping) + bytes->begin;
  if (bytes->held)
    return NJ_OK;
  NJ_TRY(nj_zip_crc(ctx, *data, bytes->bytes, &crc));
  if (crc != bytes->crc)
    return nj_fail(ctx, NJ_EFORMAT, "%s: '%s' is damaged: its checksum is %08x, the file says %08x",
                   r->archive->path, nj_zip_name(r->zip, index), (unsigned)crc,
                   (unsigned)bytes->crc);
  return NJ_OK;
}

/* The index of ROOT/REST. */
static int find_below(reader *r, const char *folder, const char *rest, size_t length,
                      size_t *index) {
  size_t n = strlen(folder);
  if (r->root_length + n + length + 1 > r->name_room || memchr(rest, 0, length))
    return 0;
  memcpy(r->name + r->root_length, folder, n);
  memcpy(r->name + r->root_length + n, rest, length);
  r->name[r->root_length + n + length] = '\0';
  return nj_zip_find(r->zip, r->name, index);
}

static nj_status find_storage(void *arg, const nj_pickle_storage *storage, uint64_t need,
                              nj_zip_bytes *out) {
  reader *r = arg;
  size_t index;
  if (!find_below(r, "data/", storage->key, storage->key_length, &index))
    return nj_fail(r->archive->ctx, NJ_EFORMAT, "%s: the data of storage '%.*s' are not there",
                   r->archive->path, (int)(storage->key_length < 60 ? storage->key_length : 60),
                   storage->key);
  return nj_zip_read(r->zip, index, need, out);
}

/* torch 2.1 and later say in which order bytes are. */
static nj_status check_byte_order(reader *r) {
  size_t index;
  nj_zip_bytes bytes = {0};
  const unsigned char *data;
  if (!find_below(r, "", "byteorder", strlen("byteorder"), &index))
    return NJ_OK;
  nj_status st = read_checked(r, index, &bytes, &data);
  if (!st && (bytes.bytes != 6 || memcmp(data, "little", 6) != 0))
    st = nj_fail(r->archive->ctx, NJ_EUNSUPPORTED, "%s: its bytes are not in little-endian order",
                 r->archive->path);
  nj_release(bytes.held);
  return st;
}

static nj_status read_pickle(reader *r, size_t index) {
  nj_zip_bytes bytes;
  const unsigned char *data;
  nj_pickle pickle;
  NJ_TRY(read_checked(r, index, &bytes, &data));
  nj_status st =
      nj_pickle_open(&pickle, r->archive->ctx, r->archive->path, data, (size_t)bytes.bytes);
  if (!st)
    st = nj_torch_fill(r->archive, &pickle, find_storage, r, 1);
  nj_pickle_close(&pickle);
  nj_release(bytes.held);
  return st;
}

nj_status nj_torch_zip_index(nj_archive *archive) {
  reader r = {.archive = archive};
  size_t pickle = 0;
  archive->container = "torch";
  NJ_TRY(nj_zip_open(archive->ctx, archive->path, archive->mapping, &r.zip));
  nj_status st = find_root(&r, &pickle);
  if (!st)
    st = check_byte_order(&r);
  if (!st)
    st = read_pickle(&r, pickle);
  nj_free(archive->ctx, r.name);
  nj_zip_close(r.zip);
  return st;
}
