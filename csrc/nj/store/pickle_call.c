/* What the names in a torch file's pickle stand for. */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/utf8.h"
#include "store/pickle.h"

#define ELEMENTS_MOST ((int64_t)1 << 28) /* of a view that repeats its storage's elements */

typedef enum {
  INERT, /* may be named (as a dictionary's key, say), not called */
  STORAGE,
  UNTYPED,
  DTYPE,
  TENSOR,    /* (storage, offset, size, stride, …) */
  TENSOR_V3, /* (storage, offset, size, stride, requires_grad, hooks, dtype, …) */
  FIRST,     /* stands for its first argument: (tensor, …), (list,), (dict,) */
  FROM_TYPE, /* (function, type, arguments, state) */
  ORDERED,   /* a dictionary, perhaps from a list of pairs */
  DEFAULT,   /* an empty dictionary, whatever its default */
  OBJECT,    /* attributes follow */
  SET,
  BYTES,
  ENCODE, /* _codecs.encode(text, "latin1"): bytes as protocol 2 writes them */
  NP_DTYPE,
  NP_SCALAR,
  NP_ARRAY,
  NP_RECONSTRUCT,
  OPAQUE
} meaning;

typedef struct {
  const char *module, *name;
  meaning meaning;
  nj_stored type;
} known;

/* clang-format off */
static const known table[] = {
    {"torch", "FloatStorage", STORAGE, NJ_STORED_F32},
    {"torch", "DoubleStorage", STORAGE, NJ_STORED_F64},
    {"torch", "HalfStorage", STORAGE, NJ_STORED_F16},
    {"torch", "BFloat16Storage", STORAGE, NJ_STORED_BF16},
    {"torch", "LongStorage", STORAGE, NJ_STORED_I64},
    {"torch", "IntStorage", STORAGE, NJ_STORED_I32},
    {"torch", "ShortStorage", STORAGE, NJ_STORED_I16},
    {"torch", "CharStorage", STORAGE, NJ_STORED_I8},
    {"torch", "ByteStorage", STORAGE, NJ_STORED_U8},
    {"torch", "BoolStorage", STORAGE, NJ_STORED_BOOL},
    {"torch.cuda", "FloatStorage", STORAGE, NJ_STORED_F32},
    {"torch.cuda", "HalfStorage", STORAGE, NJ_STORED_F16},
    {"torch.cuda", "LongStorage", STORAGE, NJ_STORED_I64},
    {"torch", "UntypedStorage", UNTYPED, NJ_STORED_U8},
    {"torch.storage", "UntypedStorage", UNTYPED, NJ_STORED_U8},
    {"torch", "float32", DTYPE, NJ_STORED_F32},
    {"torch", "float64", DTYPE, NJ_STORED_F64},
    {"torch", "float16", DTYPE, NJ_STORED_F16},
    {"torch", "bfloat16", DTYPE, NJ_STORED_BF16},
    {"torch", "int64", DTYPE, NJ_STORED_I64},
    {"torch", "int32", DTYPE, NJ_STORED_I32},
    {"torch", "int16", DTYPE, NJ_STORED_I16},
    {"torch", "int8", DTYPE, NJ_STORED_I8},
    {"torch", "uint8", DTYPE, NJ_STORED_U8},
    {"torch", "bool", DTYPE, NJ_STORED_BOOL},
    {"torch._utils", "_rebuild_tensor", TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v3", TENSOR_V3, 0},
    {"torch._utils", "_rebuild_parameter", FIRST, 0},
    {"torch._utils", "_rebuild_parameter_with_state", FIRST, 0},
    {"torch.nn.parameter", "Parameter", FIRST, 0},
    {"torch._tensor", "_rebuild_from_type_v2", FROM_TYPE, 0},
    {"torch", "Tensor", INERT, 0},
    {"torch", "Size", FIRST, 0},
    {"torch", "device", OPAQUE, 0},
    {"torch.torch_version", "TorchVersion", FIRST, 0},
    {"collections", "OrderedDict", ORDERED, 0},
    {"collections", "defaultdict", DEFAULT, 0},
    {"collections", "Counter", FIRST, 0},
    {"argparse", "Namespace", OBJECT, 0},
    {"types", "SimpleNamespace", OBJECT, 0},
    {"pytorch_lightning.utilities.parsing", "AttributeDict", ORDERED, 0},
    {"pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", INERT, 0},
    {"pathlib", "PosixPath", OPAQUE, 0},
    {"pathlib", "WindowsPath", OPAQUE, 0},
    {"builtins", "set", SET, 0},
    {"builtins", "frozenset", SET, 0},
    {"builtins", "bytearray", BYTES, 0},
    {"builtins", "bytes", BYTES, 0},
    {"builtins", "list", INERT, 0},
    {"builtins", "dict", INERT, 0},
    {"builtins", "int", INERT, 0},
    {"builtins", "float", INERT, 0},
    {"_codecs", "encode", ENCODE, 0},
    {"numpy", "dtype", NP_DTYPE, 0},
    {"numpy", "ndarray", NP_ARRAY, 0},
    {"numpy.core.multiarray", "scalar", NP_SCALAR, 0},
    {"numpy._core.multiarray", "scalar", NP_SCALAR, 0},
    {"numpy.core.multiarray", "_reconstruct", NP_RECONSTRUCT, 0},
    {"numpy._core.multiarray", "_reconstruct", NP_RECONSTRUCT, 0},
};
/* clang-format on */

static int equals(const char *text, const char *other, size_t length) {
  return strlen(text) == length && memcmp(text, other, length) == 0;
}

/* Text of the pickle for a message: short, printable. */
static const char *show(const char *text, size_t length, char buffer[64]) {
  size_t n = length < 60 ? length : 60;
  for (size_t i = 0; i < n; i++)
    buffer[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
  buffer[n] = '\0';
  return buffer;
}

static nj_status refuse(nj_pickle *p, const char *module, size_t module_length, const char *name,
                        size_t name_length) {
  char first[64], second[64];
  return nj_fail(
      p->ctx, NJ_EUNSUPPORTED,
      "%s: refused: the file asks for '%s.%s', and only tensors and plain containers are "
      "read (nothing was run; to keep a model's weights, save its state_dict())",
      p->what, show(module, module_length, first), show(name, name_length, second));
}

nj_status nj_pickle_global(nj_pickle *p, const char *module, size_t module_length, const char *name,
                           size_t name_length, uint32_t *id) {
  const char *home = module;
  size_t home_length = module_length;
  if (equals("__builtin__", module, module_length)) { /* Python 2's name, which protocol 2 keeps */
    home = "builtins";
    home_length = strlen(home);
  }
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (equals(table[i].module, home, home_length) && equals(table[i].name, name, name_length)) {
      NJ_TRY(nj_pickle_new(p, NJ_PICKLE_GLOBAL, id));
      p->values[*id].is.index = i;
      return NJ_OK;
    }
  return refuse(p, module, module_length, name, name_length);
}

/* ---- arguments ---- */

/* Argument `index` of a tuple, or NULL. */
static const nj_pickle_value *argument(const nj_pickle *p, uint32_t args, size_t index) {
  const nj_pickle_value *tuple = &p->values[args];
  return index < tuple->is.list.n ? &p->values[tuple->is.list.items[index]] : NULL;
}

static int is_integer(const nj_pickle_value *value) {
  return value && value->kind == NJ_PICKLE_INT;
}

static const known *as_known(const nj_pickle_value *value) {
  return value && value->kind == NJ_PICKLE_GLOBAL ? &table[value->is.index] : NULL;
}

/* ---- tensors ---- */

nj_status nj_pickle_persistent(nj_pickle *p, uint32_t pid, uint32_t *result) {
  if (p->values[pid].kind != NJ_PICKLE_TUPLE)
    return nj_pickle_fail(p, "a persistent id that is not a tuple");
  const nj_pickle_value *tag = argument(p, pid, 0), *key = argument(p, pid, 2);
  const nj_pickle_value *numel = argument(p, pid, 4), *view = argument(p, pid, 5);
  const known *type = as_known(argument(p, pid, 1));
  if (!tag || !nj_pickle_is(tag, "storage") || !type || !key || key->kind != NJ_PICKLE_TEXT)
    return nj_pickle_fail(p, "a persistent id that is not a storage");
  if (type->meaning != STORAGE && type->meaning != UNTYPED)
    return nj_pickle_fail(p, "a storage of type '%s'", type->name);
  if (!is_integer(numel) || numel->is.integer < 0 || key->is.text.length == 0)
    return nj_pickle_fail(p, "a storage without a name, or of negative size");
  if (view && view->kind != NJ_PICKLE_NONE)
    return nj_pickle_fail(p, "a view of a storage, as torch wrote them before 0.4");
  NJ_RESERVE(p->ctx, p->storages, p->storage_room, p->n_storages + 1);
  p->storages[p->n_storages] = (nj_pickle_storage){.key = key->is.text.at,
                                                   .key_length = key->is.text.length,
                                                   .type = type->type,
                                                   .typed = type->meaning == STORAGE,
                                                   .numel = (uint64_t)numel->is.integer};
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_STORAGE, result));
  p->values[*result].is.index = p->n_storages++;
  return NJ_OK;
}

static nj_status read_dims(nj_pickle *p, const nj_pickle_value *list, int *n, int64_t *dims) {
  if (!list || (list->kind != NJ_PICKLE_TUPLE && list->kind != NJ_PICKLE_LIST))
    return nj_pickle_fail(p, "a tensor's size or stride is not a tuple");
  if (list->is.list.n > NJ_MAX_DIMS)
    return nj_pickle_fail(p, "a tensor of %zu dimensions; at most %d are read", list->is.list.n,
                          NJ_MAX_DIMS);
  *n = (int)list->is.list.n;
  for (int i = 0; i < *n; i++) {
    const nj_pickle_value *dim = &p->values[list->is.list.items[i]];
    if (!is_integer(dim) || dim->is.integer < 0)
      return nj_pickle_fail(p, "a tensor's size or stride is not a natural number");
    dims[i] = dim->is.integer;
  }
  return NJ_OK;
}

/* The view lies inside its storage, and is not absurdly larger. */
static nj_status check_view(nj_pickle *p, const nj_pickle_tensor *t) {
  int64_t numel = 1, last = t->offset;
  int empty = 0, overflow = 0;
  for (int i = 0; i < t->ndim; i++) {
    int64_t reach;
    empty |= t->shape[i] == 0;
    overflow |= __builtin_mul_overflow(numel, t->shape[i] ? t->shape[i] : 1, &numel);
    if (t->shape[i] > 0) {
      overflow |= __builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
  }
  if (overflow || numel > INT64_MAX / 8)
    return nj_pickle_fail(p, "a tensor's size overflows");
  if ((uint64_t)t->offset > t->storage_numel || (!empty && (uint64_t)last >= t->storage_numel))
    return nj_pickle_fail(p, "a tensor reaches to element %lld of a storage of %llu",
                          (long long)last, (unsigned long long)t->storage_numel);
  if (!empty && numel > ELEMENTS_MOST && (uint64_t)numel > t->storage_numel)
    return nj_pickle_fail(p, "a tensor of %lld elements over a storage of %llu", (long long)numel,
                          (unsigned long long)t->storage_numel);
  return NJ_OK;
}

/* Storage, offset, size and stride; since 2018 requires_grad and hooks after them, since torch 2
 * more, which says nothing about the numbers. */
static nj_status check_arguments(nj_pickle *p, uint32_t args) {
  const nj_pickle_value *grad = argument(p, args, 4);
  if (grad && (grad->kind != NJ_PICKLE_BOOL || !argument(p, args, 5)))
    return nj_pickle_fail(p, "a tensor that does not say whether it needs gradients, or no hooks");
  return NJ_OK;
}

static nj_status make_tensor(nj_pickle *p, uint32_t args, const known *dtype, uint32_t *result) {
  NJ_TRY(check_arguments(p, args));
  const nj_pickle_value *storage = argument(p, args, 0), *offset = argument(p, args, 1);
  int strides;
  if (!storage || storage->kind != NJ_PICKLE_STORAGE || !is_integer(offset) ||
      offset->is.integer < 0)
    return nj_pickle_fail(p, "a tensor without a storage, or with a negative offset");
  const nj_pickle_storage *s = &p->storages[storage->is.index];
  nj_pickle_tensor t = {.storage = storage->is.index,
                        .type = dtype ? dtype->type : s->type,
                        .offset = offset->is.integer};
  if (!s->typed && !dtype)
    return nj_pickle_fail(p, "a tensor over an untyped storage without a dtype");
  if (s->typed && t.type != s->type)
    return nj_pickle_fail(p, "a tensor's dtype is not its storage's");
  t.storage_numel = s->typed ? s->numel : s->numel / nj_stored_size(t.type);
  NJ_TRY(read_dims(p, argument(p, args, 2), &t.ndim, t.shape));
  NJ_TRY(read_dims(p, argument(p, args, 3), &strides, t.stride));
  if (strides != t.ndim)
    return nj_pickle_fail(p, "a tensor with %d sizes and %d strides", t.ndim, strides);
  NJ_TRY(check_view(p, &t));
  NJ_RESERVE(p->ctx, p->tensors, p->tensor_room, p->n_tensors + 1);
  p->tensors[p->n_tensors] = t;
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_TENSOR, result));
  p->values[*result].is.index = p->n_tensors++;
  return NJ_OK;
}

static nj_status make_tensor_v3(nj_pickle *p, uint32_t args, uint32_t *result) {
  const known *dtype = as_known(argument(p, args, 6));
  if (!dtype || dtype->meaning != DTYPE)
    return nj_pickle_fail(p, "a tensor without a dtype");
  return make_tensor(p, args, dtype, result);
}

/* ---- numpy ---- */

/* dtype("f8", False, True): a letter and a size in bytes. */
static nj_status make_dtype(nj_pickle *p, uint32_t args, uint32_t *result) {
  const nj_pickle_value *text = argument(p, args, 0);
  if (!text || text->kind != NJ_PICKLE_TEXT || text->is.text.length == 0)
    return nj_pickle_fail(p, "a numpy dtype without a name");
  char letter = text->is.text.at[0];
  size_t size = 0;
  for (size_t i = 1; i < text->is.text.length && i < 5; i++)
    if (text->is.text.at[i] >= '0' && text->is.text.at[i] <= '9')
      size = size * 10 + (size_t)(text->is.text.at[i] - '0');
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_NUMPY, result));
  p->values[*result].letter = letter;
  p->values[*result].is.index = size;
  return NJ_OK;
}

/* Up to 8 bytes of a BYTES or LATIN1 value; how many there were, or -1. */
static int few_bytes(const nj_pickle_value *value, unsigned char out[8]) {
  const char *at = value->is.text.at;
  size_t left = value->is.text.length;
  int n = 0;
  while (left > 0) {
    uint32_t cp = (unsigned char)*at;
    int took = value->kind == NJ_PICKLE_LATIN1 ? nj_utf8_next(at, left, &cp, NULL) : 1;
    if (n == 8 || cp > 255)
      return -1;
    out[n++] = (unsigned char)cp;
    at += took;
    left -= (size_t)took;
  }
  return n;
}

static double float_of(uint64_t bits, size_t size) {
  double wide;
  float narrow;
  uint32_t low = (uint32_t)bits;
  memcpy(&wide, &bits, sizeof wide);
  memcpy(&narrow, &low, sizeof narrow);
  return size == 8 ? wide : (double)narrow;
}

static nj_status make_scalar(nj_pickle *p, uint32_t args, uint32_t *result) {
  const nj_pickle_value *type = argument(p, args, 0), *data = argument(p, args, 1);
  unsigned char bytes[8];
  if (!type || type->kind != NJ_PICKLE_NUMPY || !data)
    return nj_pickle_fail(p, "a numpy scalar without a dtype");
  size_t size = type->is.index;
  char letter = type->letter;
  int numeric = letter == 'i' || letter == 'u' || letter == 'b' || (letter == 'f' && size >= 4);
  int is_bytes = data->kind == NJ_PICKLE_BYTES || data->kind == NJ_PICKLE_LATIN1 ||
                 data->kind == NJ_PICKLE_TEXT;
  if (!numeric || !is_bytes || size > 8 || size == 0) {
    NJ_TRY(nj_pickle_new(p, NJ_PICKLE_OPAQUE, result));
    p->values[*result].is.text.at = "numpy scalar";
    p->values[*result].is.text.length = strlen("numpy scalar");
    return NJ_OK;
  }
  if (few_bytes(data, bytes) != (int)size)
    return nj_pickle_fail(p, "a numpy scalar of another size than its dtype's");
  uint64_t bits = 0;
  for (size_t i = 0; i < size; i++)
    bits |= (uint64_t)bytes[type->big_endian ? size - 1 - i : i] << 8 * i;
  if (letter == 'i' && size < 8 && bits >> (8 * size - 1))
    bits |= UINT64_MAX << 8 * size;
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_INT, result));
  nj_pickle_value *scalar = &p->values[*result];
  scalar->is.integer = (int64_t)bits;
  if (letter == 'b')
    *scalar = (nj_pickle_value){.kind = NJ_PICKLE_BOOL, .is.integer = bits != 0};
  else if (letter == 'f' || (letter == 'u' && bits > INT64_MAX))
    *scalar = (nj_pickle_value){.kind = NJ_PICKLE_FLOAT,
                                .is.number = letter == 'f' ? float_of(bits, size) : (double)bits};
  return NJ_OK;
}

/* ---- calls ---- */

static nj_status make_opaque(nj_pickle *p, const char *what, uint32_t *result) {
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_OPAQUE, result));
  p->values[*result].is.text.at = what;
  p->values[*result].is.text.length = strlen(what);
  return NJ_OK;
}

/* OrderedDict(), or OrderedDict([[key, value], …]) as Python 2 wrote it, or of a dictionary. */
static nj_status make_ordered(nj_pickle *p, uint32_t args, uint32_t *result) {
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_DICT, result));
  const nj_pickle_value *pairs = argument(p, args, 0);
  if (!pairs)
    return NJ_OK;
  if (pairs->kind == NJ_PICKLE_DICT) {
    *result = p->values[args].is.list.items[0];
    return NJ_OK;
  }
  if (pairs->kind != NJ_PICKLE_LIST)
    return nj_pickle_fail(p, "a dictionary made of something else than pairs");
  for (size_t i = 0; i < pairs->is.list.n; i++) {
    uint32_t item = pairs->is.list.items[i];
    const nj_pickle_value *pair = &p->values[item];
    if ((pair->kind != NJ_PICKLE_LIST && pair->kind != NJ_PICKLE_TUPLE) || pair->is.list.n != 2)
      return nj_pickle_fail(p, "a dictionary made of something else than pairs");
    NJ_TRY(nj_pickle_extend(p, *result, item));
  }
  return NJ_OK;
}

static nj_status make_set(nj_pickle *p, uint32_t args, uint32_t *result) {
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_SET, result));
  const nj_pickle_value *items = argument(p, args, 0);
  if (items && (items->kind == NJ_PICKLE_LIST || items->kind == NJ_PICKLE_TUPLE))
    return nj_pickle_extend(p, *result, p->values[args].is.list.items[0]);
  return NJ_OK;
}

static nj_status make_encoded(nj_pickle *p, uint32_t args, uint32_t *result) {
  const nj_pickle_value *text = argument(p, args, 0), *encoding = argument(p, args, 1);
  if (!text || text->kind != NJ_PICKLE_TEXT || !encoding || !nj_pickle_is(encoding, "latin1"))
    return nj_pickle_fail(p, "bytes in an encoding other than latin1");
  NJ_TRY(nj_pickle_new(p, NJ_PICKLE_LATIN1, result));
  p->values[*result].is = argument(p, args, 0)->is;
  return NJ_OK;
}

static nj_status make_first(nj_pickle *p, uint32_t args, const known *callee, uint32_t *result) {
  if (p->values[args].is.list.n == 0)
    return nj_pickle_fail(p, "'%s.%s' without arguments", callee->module, callee->name);
  *result = p->values[args].is.list.items[0];
  return NJ_OK;
}

/* _rebuild_from_type_v2(function, type, arguments, state) is function(*arguments). */
static nj_status make_from_type(nj_pickle *p, uint32_t args, uint32_t *result) {
  const known *inner = as_known(argument(p, args, 0));
  if (!inner || (inner->meaning != TENSOR && inner->meaning != TENSOR_V3) ||
      p->values[args].is.list.n < 3)
    return nj_pickle_fail(p, "a tensor that is made in an unknown way");
  uint32_t *items = p->values[args].is.list.items;
  return nj_pickle_call(p, items[0], items[2], result);
}

nj_status nj_pickle_call(nj_pickle *p, uint32_t callee, uint32_t args, uint32_t *result) {
  const known *k = as_known(&p->values[callee]);
  if (!k)
    return nj_pickle_fail(p, "a call of something that has no name");
  if (p->values[args].kind != NJ_PICKLE_TUPLE)
    return nj_pickle_fail(p, "the arguments of '%s.%s' are no tuple", k->module, k->name);
  switch (k->meaning) {
  case TENSOR:
    return make_tensor(p, args, NULL, result);
  case TENSOR_V3:
    return make_tensor_v3(p, args, result);
  case FIRST:
    return make_first(p, args, k, result);
  case FROM_TYPE:
    return make_from_type(p, args, result);
  case ORDERED:
    return make_ordered(p, args, result);
  case DEFAULT:
    return nj_pickle_new(p, NJ_PICKLE_DICT, result);
  case OBJECT:
    return nj_pickle_new(p, NJ_PICKLE_OBJECT, result);
  case SET:
    return make_set(p, args, result);
  case ENCODE:
    return make_encoded(p, args, result);
  case NP_DTYPE:
    return make_dtype(p, args, result);
  case NP_SCALAR:
    return make_scalar(p, args, result);
  case NP_RECONSTRUCT:
    return make_opaque(p, "numpy array", result);
  case OPAQUE:
    return make_opaque(p, k->name, result);
  case BYTES:
    return make_opaque(p, "bytes", result);
  case INERT:
  case STORAGE:
  case UNTYPED:
  case DTYPE:
  case NP_ARRAY:
    break;
  }
  return refuse(p, k->module, strlen(k->module), k->name, strlen(k->name));
}

nj_status nj_pickle_build(nj_pickle *p, uint32_t object, uint32_t state) {
  const nj_pickle_value *attributes = &p->values[state];
  switch (p->values[object].kind) {
  case NJ_PICKLE_NUMPY: { /* (version, byte order, …) */
    const nj_pickle_value *order =
        attributes->kind == NJ_PICKLE_TUPLE ? argument(p, state, 1) : NULL;
    p->values[object].big_endian = order && nj_pickle_is(order, ">");
    return NJ_OK;
  }
  case NJ_PICKLE_OBJECT:
    if (attributes->kind != NJ_PICKLE_DICT)
      return nj_pickle_fail(p, "an object's attributes are no dictionary");
    return nj_pickle_extend(p, object, state);
  case NJ_PICKLE_DICT:   /* attributes of a state dict, such as _metadata */
  case NJ_PICKLE_TENSOR: /* Python attributes of a parameter */
  case NJ_PICKLE_OPAQUE: /* a numpy array's content */
    return NJ_OK;
  default:
    return nj_pickle_fail(p, "attributes for something that has none");
  }
}
