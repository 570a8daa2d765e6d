#include "store/zip.h"

#include <string.h>
#include <zip.h>
#include <zlib.h>

#include "base/parallel.h"

/* An archive may inflate to this much whatever its size, and beyond that to this many times it. */
#define INFLATE_FREE ((uint64_t)64 << 20)
#define INFLATE_TIMES 32

struct nj_zip {
  nj_ctx *ctx;
  const char *what;
  nj_mapping *mapping;
  zip_t *archive;
  zip_int64_t at;        /* of the source that libzip reads from */
  zip_int64_t last_read; /* where it read last: the way to learn where an entry's data lie */
  zip_error_t error;
  uint64_t inflated; /* so far */
};

static zip_int64_t read_source(nj_zip *zip, void *data, zip_uint64_t length) {
  zip_uint64_t size = nj_mapping_size(zip->mapping), at = (zip_uint64_t)zip->at;
  zip_uint64_t n = at >= size ? 0 : size - at < length ? size - at : length;
  zip->last_read = zip->at;
  if (n)
    memcpy(data, nj_mapping_data(zip->mapping) + at, n);
  zip->at += (zip_int64_t)n;
  return (zip_int64_t)n;
}

static zip_int64_t seek_source(nj_zip *zip, void *data, zip_uint64_t length) {
  zip_int64_t to = zip_source_seek_compute_offset(
      (zip_uint64_t)zip->at, nj_mapping_size(zip->mapping), data, length, &zip->error);
  if (to < 0)
    return -1;
  zip->at = to;
  return 0;
}

static zip_int64_t stat_source(nj_zip *zip, void *data) {
  zip_stat_t *stat = data;
  zip_stat_init(stat);
  stat->size = stat->comp_size = nj_mapping_size(zip->mapping);
  stat->comp_method = ZIP_CM_STORE;
  stat->valid = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  return sizeof *stat;
}

/* libzip's callback: a read-only, seekable source over the mapping. */
static zip_int64_t source(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command) {
  nj_zip *zip = user;
  switch (command) {
  case ZIP_SOURCE_OPEN:
    zip->at = 0;
    return 0;
  case ZIP_SOURCE_READ:
    return read_source(zip, data, length);
  case ZIP_SOURCE_SEEK:
    return seek_source(zip, data, length);
  case ZIP_SOURCE_TELL:
    return zip->at;
  case ZIP_SOURCE_STAT:
    return stat_source(zip, data);
  case ZIP_SOURCE_ERROR:
    return zip_error_to_data(&zip->error, data, length);
  case ZIP_SOURCE_CLOSE:
  case ZIP_SOURCE_FREE:
    return 0;
  case ZIP_SOURCE_SUPPORTS:
    return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_SEEK,
                                          ZIP_SOURCE_TELL, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
                                          ZIP_SOURCE_CLOSE, ZIP_SOURCE_FREE, -1);
  default:
    zip_error_set(&zip->error, ZIP_ER_OPNOTSUPP, 0);
    return -1;
  }
}

static nj_status fail(nj_zip *zip, zip_error_t *error) {
  if (zip_error_code_zip(error) == ZIP_ER_MEMORY)
    return nj_fail(zip->ctx, NJ_ENOMEM, "%s: out of memory while reading a zip archive", zip->what);
  if (zip_error_code_zip(error) == ZIP_ER_EXISTS)
    return nj_fail(zip->ctx, NJ_EFORMAT, "%s: a zip archive with two entries of the same name",
                   zip->what);
  return nj_fail(zip->ctx, NJ_EFORMAT, "%s: a broken zip archive (cut off?): %s", zip->what,
                 zip_error_strerror(error));
}

static nj_status open_archive(nj_zip *zip) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *from = zip_source_function_create(source, zip, &error);
  if (from)
    zip->archive = zip_open_from_source(from, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  nj_status st = zip->archive ? NJ_OK : fail(zip, &error);
  if (from && !zip->archive)
    zip_source_free(from);
  zip_error_fini(&error);
  return st;
}

nj_status nj_zip_open(nj_ctx *ctx, const char *what, nj_mapping *mapping, nj_zip **out) {
  nj_zip *zip = nj_calloc(ctx, 1, sizeof *zip);
  if (!zip)
    return NJ_ENOMEM;
  zip->ctx = ctx;
  zip->what = what;
  zip->mapping = nj_mapping_retain(mapping);
  zip_error_init(&zip->error);
  nj_status st = open_archive(zip);
  if (st)
    nj_zip_close(zip);
  else
    *out = zip;
  return st;
}

void nj_zip_close(nj_zip *zip) {
  if (!zip)
    return;
  if (zip->archive)
    zip_discard(zip->archive);
  zip_error_fini(&zip->error);
  nj_mapping_release(zip->mapping);
  nj_free(zip->ctx, zip);
}

size_t nj_zip_count(const nj_zip *zip) { return (size_t)zip_get_num_entries(zip->archive, 0); }

const char *nj_zip_name(const nj_zip *zip, size_t index) {
  const char *name = zip_get_name(zip->archive, index, ZIP_FL_ENC_RAW);
  return name ? name : "";
}

int nj_zip_find(const nj_zip *zip, const char *name, size_t *index) {
  zip_int64_t found = zip_name_locate(zip->archive, name, ZIP_FL_ENC_RAW);
  if (found < 0)
    return 0;
  *index = (size_t)found;
  return 1;
}

/* Has libzip read the first byte of the entry as it lies in the file, and sees where that was. */
static nj_status locate(nj_zip *zip, size_t index, const zip_stat_t *stat, nj_zip_bytes *out) {
  zip_file_t *file = zip_fopen_index(zip->archive, index, ZIP_FL_COMPRESSED);
  if (!file)
    return fail(zip, zip_get_error(zip->archive));
  char first;
  zip_int64_t n = stat->size ? zip_fread(file, &first, 1) : 1;
  zip_fclose(file);
  uint64_t size = nj_mapping_size(zip->mapping);
  uint64_t at = stat->size ? (uint64_t)zip->last_read : 0;
  if (n != 1 || at > size || stat->size > size - at)
    return nj_fail(zip->ctx, NJ_EFORMAT, "%s: a broken zip archive: '%s' reaches beyond its end",
                   zip->what, nj_zip_name(zip, index));
  out->begin = at;
  return NJ_OK;
}

static nj_status inflate_into(nj_zip *zip, size_t index, nj_zip_bytes *out) {
  zip_file_t *file = zip_fopen_index(zip->archive, index, 0);
  if (!file)
    return fail(zip, zip_get_error(zip->archive));
  unsigned char *data = nj_data(out->held);
  uint64_t done = 0;
  zip_int64_t n = 1;
  while (done < out->bytes && n > 0) {
    n = zip_fread(file, data + done, out->bytes - done);
    done += n > 0 ? (uint64_t)n : 0;
  }
  char beyond;
  if (n >= 0 && done == out->bytes)
    n = zip_fread(file, &beyond, 1); /* has libzip compare the checksum */
  nj_status st = NJ_OK;
  if (n != 0 || done != out->bytes)
    st = nj_fail(zip->ctx, NJ_EFORMAT, "%s: '%s' cannot be unpacked: %s", zip->what,
                 nj_zip_name(zip, index),
                 n < 0 ? zip_error_strerror(zip_file_get_error(file))
                       : "its size is not what the directory says");
  zip_fclose(file);
  return st;
}

static nj_status inflate_entry(nj_zip *zip, size_t index, nj_zip_bytes *out) {
  uint64_t room = nj_mapping_size(zip->mapping) * INFLATE_TIMES;
  if (room < INFLATE_FREE)
    room = INFLATE_FREE;
  if (out->bytes > room - zip->inflated)
    return nj_fail(zip->ctx, NJ_EFORMAT,
                   "%s: '%s' claims to unpack to %llu bytes, too much for such "
                   "a file",
                   zip->what, nj_zip_name(zip, index), (unsigned long long)out->bytes);
  zip->inflated += out->bytes;
  int64_t size = (int64_t)out->bytes;
  NJ_TRY(nj_empty(zip->ctx, NJ_U8, 1, &size, &out->held));
  nj_status st = inflate_into(zip, index, out);
  if (st) {
    nj_release(out->held);
    out->held = NULL;
  }
  return st;
}

nj_status nj_zip_read(nj_zip *zip, size_t index, uint64_t need, nj_zip_bytes *out) {
  zip_stat_t stat;
  zip_uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD |
                        ZIP_STAT_ENCRYPTION_METHOD;
  if (zip_stat_index(zip->archive, index, 0, &stat) != 0)
    return fail(zip, zip_get_error(zip->archive));
  const char *name = nj_zip_name(zip, index);
  if ((stat.valid & wanted) != wanted)
    return nj_fail(zip->ctx, NJ_EFORMAT, "%s: the directory says too little of '%s'", zip->what,
                   name);
  if (stat.encryption_method != ZIP_EM_NONE)
    return nj_fail(zip->ctx, NJ_EUNSUPPORTED, "%s: '%s' is encrypted", zip->what, name);
  if (need != UINT64_MAX && stat.size != need)
    return nj_fail(zip->ctx, NJ_EFORMAT, "%s: '%s' has %llu bytes, its tensors need %llu",
                   zip->what, name, (unsigned long long)stat.size, (unsigned long long)need);
  *out = (nj_zip_bytes){.bytes = stat.size, .crc = stat.crc};
  if (stat.comp_method != ZIP_CM_STORE)
    return inflate_entry(zip, index, out);
  if (stat.comp_size != stat.size)
    return nj_fail(zip->ctx, NJ_EFORMAT, "%s: '%s' has two sizes", zip->what, name);
  return locate(zip, index, &stat, out);
}

/* ---- checksums ---- */

#define CRC_BLOCK ((int64_t)4 << 20)

typedef struct {
  const unsigned char *data;
  uint32_t *parts;
} crc_work;

static nj_status crc_range(void *arg, int64_t begin, int64_t end, int worker) {
  crc_work *work = arg;
  (void)worker;
  work->parts[begin / CRC_BLOCK] =
      (uint32_t)crc32_z(0, work->data + begin, (z_size_t)(end - begin));
  return NJ_OK;
}

nj_status nj_zip_crc(nj_ctx *ctx, const unsigned char *data, uint64_t bytes, uint32_t *out) {
  int64_t total = (int64_t)bytes, n = (total + CRC_BLOCK - 1) / CRC_BLOCK;
  crc_work work = {data, nj_calloc(ctx, (size_t)n, sizeof *work.parts)};
  if (!work.parts)
    return NJ_ENOMEM;
  nj_status st = nj_parallel_range(ctx, total, CRC_BLOCK, crc_range, &work);
  uLong crc = 0;
  for (int64_t i = 0; i < n && !st; i++) {
    int64_t left = total - i * CRC_BLOCK;
    crc = crc32_combine(crc, work.parts[i], (z_off_t)(left < CRC_BLOCK ? left : CRC_BLOCK));
  }
  nj_free(ctx, work.parts);
  *out = (uint32_t)crc;
  return st;
}
