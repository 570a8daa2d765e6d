#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/utf8.h"
#include "store/half.h"
#include "store/safetensors.h"

nj_stored nj_stored_of(nj_dtype dtype) {
  int i = 0; /* the first that is read as dtype and has its size */
  while (nj_stored_dtype((nj_stored)i) != dtype ||
         nj_stored_size((nj_stored)i) != nj_dtype_size(dtype))
    i++;
  return (nj_stored)i;
}

nj_status nj_stored_fits(nj_tensor *x, nj_stored type, int *fits) {
  nj_tensor *flat = NULL;
  *fits = 1;
  if (type != NJ_STORED_F16 && type != NJ_STORED_BF16)
    return NJ_OK;
  NJ_TRY(nj_as(x, NJ_F64, &flat)); /* a double may be beyond float32, too */
  double most = type == NJ_STORED_F16 ? 65520.0 : 0x1.ffp127; /* from here on it rounds up */
  const double *values = NJ_F64_DATA(flat);
  for (int64_t i = 0; i < nj_numel(flat) && *fits; i++)
    *fits = !(isfinite(values[i]) && fabs(values[i]) >= most);
  nj_release(flat);
  return NJ_OK;
}

/* Text that grows; `failed` is set once memory ran out, so that callers check once at the end. */
typedef struct {
  nj_ctx *ctx;
  char *text;
  size_t length, room;
  int failed;
} buffer;

static void put(buffer *b, const char *text, size_t length) {
  if (!b->failed && b->length + length > b->room) {
    void *grown = nj_array_grow(b->ctx, b->text, &b->room, b->length + length, 1);
    b->failed = grown == NULL;
    if (grown)
      b->text = grown;
  }
  if (b->failed)
    return;
  memcpy(b->text + b->length, text, length);
  b->length += length;
}

static void put_text(buffer *b, const char *text) { put(b, text, strlen(text)); }

static void put_number(buffer *b, uint64_t number) {
  char digits[24];
  put(b, digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number));
}

static void put_string(buffer *b, const char *text) {
  put(b, "\"", 1);
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    char escape[8];
    if (c == '"' || c == '\\')
      put(b, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", c));
    else if (c < 0x20)
      put(b, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
    else
      put(b, text, 1);
  }
  put(b, "\"", 1);
}

static uint64_t bytes_of(const nj_named_tensor *named) {
  return (uint64_t)nj_numel(named->tensor) * nj_stored_size(named->type);
}

static void put_entry(buffer *b, const nj_named_tensor *named, uint64_t begin) {
  const nj_tensor *x = named->tensor;
  put_string(b, named->name);
  put_text(b, ":{\"dtype\":\"");
  put_text(b, nj_stored_name(named->type));
  put_text(b, "\",\"shape\":[");
  for (int i = 0; i < x->ndim; i++) {
    put_text(b, i ? "," : "");
    put_number(b, (uint64_t)x->shape[i]);
  }
  put_text(b, "],\"data_offsets\":[");
  put_number(b, begin);
  put_text(b, ",");
  put_number(b, begin + bytes_of(named));
  put_text(b, "]}");
}

static void put_header(buffer *b, const nj_named_tensor *tensors, size_t n_tensors,
                       const nj_archive_note *notes, size_t n_notes) {
  put_text(b, "{");
  if (n_notes) {
    put_text(b, "\"__metadata__\":{");
    for (size_t i = 0; i < n_notes; i++) {
      put_text(b, i ? "," : "");
      put_string(b, notes[i].key);
      put_text(b, ":");
      put_string(b, notes[i].value);
    }
    put_text(b, n_tensors ? "}," : "}");
  }
  uint64_t at = 0;
  for (size_t i = 0; i < n_tensors; i++) {
    put_text(b, i ? "," : "");
    put_entry(b, &tensors[i], at);
    at += bytes_of(&tensors[i]);
  }
  put_text(b, "}");
  while (!b->failed && (b->length + 8) % 64) /* data begin at a cache line of the mapping */
    put_text(b, " ");
}

static int by_size_and_name(const void *a, const void *b) {
  const nj_named_tensor *p = a, *q = b;
  size_t m = nj_stored_size(p->type), n = nj_stored_size(q->type);
  if (m != n)
    return m > n ? -1 : 1;
  return strcmp(p->name, q->name);
}

static nj_status check_text(nj_ctx *ctx, const char *text) {
  size_t length = strlen(text);
  if (nj_utf8_valid(text, length) != length)
    return nj_fail(ctx, NJ_EARG, "save: '%s' is not valid UTF-8", text);
  return NJ_OK;
}

static nj_status check_arguments(nj_ctx *ctx, const nj_named_tensor *sorted, size_t n_tensors,
                                 const nj_archive_note *notes, size_t n_notes) {
  for (size_t i = 0; i < n_tensors; i++) {
    NJ_TRY(check_text(ctx, sorted[i].name));
    if (strcmp(sorted[i].name, "__metadata__") == 0)
      return nj_fail(ctx, NJ_EARG, "save: no tensor can be called '__metadata__'");
    int is_half = sorted[i].type == NJ_STORED_F16 || sorted[i].type == NJ_STORED_BF16;
    nj_dtype dtype = sorted[i].tensor->dtype;
    if (is_half ? !nj_dtype_is_float(dtype) : sorted[i].type != nj_stored_of(dtype))
      return nj_fail(ctx, NJ_EARG, "save: '%s' is %s, which is not stored as %s", sorted[i].name,
                     nj_dtype_name(dtype), nj_stored_name(sorted[i].type));
    for (size_t j = 0; j < i; j++)
      if (strcmp(sorted[i].name, sorted[j].name) == 0)
        return nj_fail(ctx, NJ_EARG, "save: two tensors are called '%s'", sorted[i].name);
  }
  for (size_t i = 0; i < n_notes; i++) {
    NJ_TRY(check_text(ctx, notes[i].key));
    NJ_TRY(check_text(ctx, notes[i].value));
  }
  return NJ_OK;
}

#define NARROW_BLOCK 16384

/* Values as 16-bit floats, a block at a time. */
static nj_status write_narrow(nj_new_file *file, nj_tensor *tensor, nj_stored type) {
  uint16_t block[NARROW_BLOCK];
  nj_tensor *flat = NULL;
  NJ_TRY(nj_as(tensor, NJ_F32, &flat));
  const float *values = NJ_F32_DATA(flat);
  int64_t n = nj_numel(flat);
  nj_status st = NJ_OK;
  for (int64_t at = 0; at < n && !st; at += NARROW_BLOCK) {
    int64_t m = n - at < NARROW_BLOCK ? n - at : NARROW_BLOCK;
    for (int64_t i = 0; i < m; i++)
      block[i] = type == NJ_STORED_F16 ? nj_float_to_half(values[at + i])
                                       : nj_float_to_bfloat16(values[at + i]);
    st = nj_file_append(file, block, (size_t)m * sizeof *block);
  }
  nj_release(flat);
  return st;
}

static nj_status write_tensor(nj_new_file *file, const nj_named_tensor *named) {
  if (named->type == NJ_STORED_F16 || named->type == NJ_STORED_BF16)
    return write_narrow(file, named->tensor, named->type);
  nj_tensor *flat = NULL;
  NJ_TRY(nj_as_contiguous(named->tensor, &flat));
  nj_status st = nj_file_append(file, nj_data(flat), (size_t)bytes_of(named));
  nj_release(flat);
  return st;
}

static nj_status write_all(nj_new_file *file, const buffer *header, const nj_named_tensor *tensors,
                           size_t n_tensors) {
  unsigned char length[8];
  for (int i = 0; i < 8; i++)
    length[i] = (unsigned char)((uint64_t)header->length >> 8 * i);
  NJ_TRY(nj_file_append(file, length, sizeof length));
  NJ_TRY(nj_file_append(file, header->text, header->length));
  for (size_t i = 0; i < n_tensors; i++)
    NJ_TRY(write_tensor(file, &tensors[i]));
  return NJ_OK;
}

static nj_status write_file(nj_ctx *ctx, const char *path, const buffer *header,
                            const nj_named_tensor *tensors, size_t n_tensors) {
  nj_new_file *file = NULL;
  NJ_TRY(nj_file_create(ctx, "save", path, &file));
  nj_status st = write_all(file, header, tensors, n_tensors);
  if (!st)
    return nj_file_commit(file);
  nj_file_abandon(file);
  return st;
}

nj_status nj_safetensors_write(nj_ctx *ctx, const char *path, const nj_named_tensor *tensors,
                               size_t n_tensors, const nj_archive_note *notes, size_t n_notes) {
  nj_named_tensor *sorted = nj_calloc(ctx, n_tensors, sizeof *sorted);
  if (!sorted)
    return NJ_ENOMEM;
  if (n_tensors)
    memcpy(sorted, tensors, n_tensors * sizeof *sorted);
  qsort(sorted, n_tensors, sizeof *sorted, by_size_and_name);
  buffer header = {.ctx = ctx};
  nj_status st = check_arguments(ctx, sorted, n_tensors, notes, n_notes);
  if (!st) {
    put_header(&header, sorted, n_tensors, notes, n_notes);
    st = header.failed ? NJ_ENOMEM : write_file(ctx, path, &header, sorted, n_tensors);
  }
  nj_free(ctx, header.text);
  nj_free(ctx, sorted);
  return st;
}
