/* Files of named tensors, whatever their container; open.h opens them. Opening maps the file and checks
 * everything it claims; tensors then share the mapping (copy-on-write), so a large file is not read twice. */
#ifndef NJ_STORE_ARCHIVE_H
#define NJ_STORE_ARCHIVE_H

#include "store/mapping.h"
#include "tensor/tensor.h"

/* Element types of files; those that no nj_dtype has are widened. X(NAME, bytes, reads as) */
/* clang-format off */
#define NJ_STORED_MAP(X)                                                   \
  X(F64, 8, NJ_F64) X(F32, 4, NJ_F32) X(F16, 2, NJ_F32) X(BF16, 2, NJ_F32) \
  X(I64, 8, NJ_I64) X(I32, 4, NJ_I32) X(I16, 2, NJ_I32) X(I8, 1, NJ_I32)   \
  X(U8, 1, NJ_U8) X(BOOL, 1, NJ_U8)

typedef enum {
#define NJ_X(NAME, bytes, reads_as) NJ_STORED_##NAME,
  NJ_STORED_MAP(NJ_X)
#undef NJ_X
  NJ_STORED_COUNT
} nj_stored;
/* clang-format on */

const char *nj_stored_name(nj_stored type); /* "BF16" */
size_t nj_stored_size(nj_stored type);
nj_dtype nj_stored_dtype(nj_stored type); /* what it is read as */

/* A run of elements of one type that lies in the file: a safetensors tensor, a torch storage. */
typedef struct {
  nj_stored type;
  uint64_t begin, bytes; /* where in the file, when not `held` */
  uint32_t crc;          /* CRC-32 that the file gives for it … */
  int check_crc;         /* … and whether it is still to be compared */
  nj_tensor *held;       /* NULL, or what owns inflated data */
  nj_tensor *base; /* all of it as one row of nj_stored_dtype(type); NULL until it is first read */
} nj_archive_block;

typedef struct {
  char *name;
  nj_stored type;
  int ndim;
  int64_t shape[NJ_MAX_DIMS];
  size_t block;
  int64_t offset, stride[NJ_MAX_DIMS]; /* in the block, in elements; checked to lie inside */
} nj_archive_entry;

typedef enum { NJ_NOTE_TEXT, NJ_NOTE_INTEGER, NJ_NOTE_NUMBER, NJ_NOTE_BOOLEAN } nj_note_kind;

typedef struct {
  char *key;
  char *value; /* TEXT */
  nj_note_kind kind;
  int64_t integer; /* INTEGER and BOOLEAN */
  double number;   /* NUMBER */
} nj_archive_note;

typedef struct nj_archive {
  nj_ctx *ctx;
  char *path;
  const char *container; /* "safetensors", "torch", "torch (legacy)" */
  nj_mapping *mapping;
  nj_archive_entry *entries; /* in the order of the file's index */
  size_t n_entries, entry_room;
  nj_archive_block *blocks;
  size_t n_blocks, block_room;
  nj_archive_note *notes; /* metadata */
  size_t n_notes, note_room;
} nj_archive;

void nj_archive_close(nj_archive *archive); /* tensors read from it stay valid */
/* The metadata text of a key, or NULL. */
const char *nj_archive_metadata(const nj_archive *archive, const char *key);
/* Reads one tensor, widened to its nj_dtype. Tensors of one block share storage, with the strides
 * that the file gives. Errors: EFORMAT (a checksum differs), ENOMEM, EINTR. */
nj_status nj_archive_read(nj_archive *archive, size_t entry, nj_tensor **out);

/* For readers of containers: a new block (zeroed), the strides of a contiguous entry. */
nj_status nj_archive_add_block(nj_archive *archive, nj_archive_block **out);
void nj_archive_make_contiguous(nj_archive_entry *entry);
/* Errors: EFORMAT (two entries of one name), ENOMEM. */
nj_status nj_archive_check_names(nj_archive *archive);

#endif
