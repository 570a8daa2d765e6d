/* A reader of Python pickles (protocols 2 to 5) that builds tensors and plain containers. It has no
 * way to call anything: a pickle's "callables" are names, looked up in the table of pickle_call.c,
 * and each name there stands for a small piece of C. Every other name is refused, and named.
 *
 * A value takes memory in proportion to the bytes that described it, containers are never copied,
 * and nothing recurses, so hostile pickles cost linear time and no stack.
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py */
#ifndef NJ_STORE_PICKLE_H
#define NJ_STORE_PICKLE_H

#include "store/archive.h"

typedef enum {
  NJ_PICKLE_NONE,
  NJ_PICKLE_BOOL,
  NJ_PICKLE_INT,  /* fits int64_t */
  NJ_PICKLE_LONG, /* does not: text holds its little-endian bytes, two's complement */
  NJ_PICKLE_FLOAT,
  NJ_PICKLE_TEXT, /* valid UTF-8 */
  NJ_PICKLE_BYTES,
  NJ_PICKLE_LATIN1, /* bytes, given as UTF-8 text of code points below 256 */
  NJ_PICKLE_TUPLE,
  NJ_PICKLE_LIST,
  NJ_PICKLE_SET,
  NJ_PICKLE_DICT,    /* list.items: key, value, key, value … */
  NJ_PICKLE_OBJECT,  /* as DICT: its attributes */
  NJ_PICKLE_STORAGE, /* index: into storages */
  NJ_PICKLE_TENSOR,  /* index: into tensors */
  NJ_PICKLE_GLOBAL,  /* index: into the table of pickle_call.c */
  NJ_PICKLE_NUMPY,   /* a numpy dtype: index is its size, kind its letter */
  NJ_PICKLE_OPAQUE   /* harmless and of no use here: text says what */
} nj_pickle_kind;

typedef struct {
  nj_pickle_kind kind;
  char letter; /* of a numpy dtype: 'i', 'u', 'f', 'b' */
  char big_endian;
  union {
    int64_t integer;
    double number;
    size_t index;
    struct {
      const char *at; /* inside the pickle, or a constant */
      size_t length;
    } text;
    struct {
      uint32_t *items;
      size_t n, room;
    } list;
  } is;
} nj_pickle_value;

/* A reference to a storage, as often as the pickle makes it. */
typedef struct {
  const char *key; /* inside the pickle */
  size_t key_length;
  nj_stored type;
  int typed; /* 0: raw bytes, numel counts them */
  uint64_t numel;
} nj_pickle_storage;

typedef struct {
  size_t storage;
  nj_stored type;
  uint64_t storage_numel; /* of the storage, in elements of the type */
  int64_t offset;
  int ndim;
  int64_t shape[NJ_MAX_DIMS], stride[NJ_MAX_DIMS]; /* checked: inside the storage */
} nj_pickle_tensor;

typedef struct {
  nj_ctx *ctx;
  const char *what; /* begins messages: the file's path */
  const unsigned char *begin, *at, *end;

  nj_pickle_value *values;
  size_t n_values, value_room;
  nj_pickle_storage *storages;
  size_t n_storages, storage_room;
  nj_pickle_tensor *tensors;
  size_t n_tensors, tensor_room;
  uint32_t root;

  /* the machine's own */
  size_t n_copied; /* items that calls took from one container into another */
  uint32_t *stack, *memo;
  size_t n_stack, stack_room, memo_room, n_memo;
  size_t *marks;
  size_t n_marks, mark_room;
  int stopped;
} nj_pickle;

/* Reads the pickle that begins at `data`; `data` and `what` must outlive it. p->at is then the byte
 * after it. Errors: EFORMAT (malformed, and where), EUNSUPPORTED (something refused, and its
 * name), ENOMEM. Call nj_pickle_close in any case. */
nj_status nj_pickle_open(nj_pickle *p, nj_ctx *ctx, const char *what, const void *data,
                         size_t length);
void nj_pickle_close(nj_pickle *p);

/* Puts the tensors below the root into the archive's entries (with entry.block the tensor's
 * index in p->tensors), and plain values into its notes. Names of levels are joined by
 * "/"; a bare tensor is called "root". Errors: EFORMAT (nested too deep, parts shared too often,
 * two tensors of one name, none at all), ENOMEM. */
nj_status nj_pickle_list(const nj_pickle *p, nj_archive *archive);

/* 1 when the value is text equal to `text`. */
int nj_pickle_is(const nj_pickle_value *value, const char *text);

/* ---- between pickle.c and pickle_call.c ---- */

/* Records a complaint with its place. The macro is EFORMAT in plain sight of the compiler, which can
 * then see that what follows has its results. */
void nj_pickle_complain(nj_pickle *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define nj_pickle_fail(...) (nj_pickle_complain(__VA_ARGS__), NJ_EFORMAT)
nj_status nj_pickle_new(nj_pickle *p, nj_pickle_kind kind, uint32_t *id);
nj_status nj_pickle_append(nj_pickle *p, uint32_t container, uint32_t item);
/* Appends the items of one container to another. A pickle may name the same container again and again
 * for a few bytes, so copies may not outnumber its bytes. */
nj_status nj_pickle_extend(nj_pickle *p, uint32_t container, uint32_t from);
/* The value of a name, when the table has it. Errors: EUNSUPPORTED. */
nj_status nj_pickle_global(nj_pickle *p, const char *module, size_t module_length, const char *name,
                           size_t name_length, uint32_t *id);
/* What `callee(*args)` stands for. */
nj_status nj_pickle_call(nj_pickle *p, uint32_t callee, uint32_t args, uint32_t *result);
/* object.__setstate__(state), or what stands for it. */
nj_status nj_pickle_build(nj_pickle *p, uint32_t object, uint32_t state);
/* persistent_load(id): a storage. */
nj_status nj_pickle_persistent(nj_pickle *p, uint32_t pid, uint32_t *result);

#endif
