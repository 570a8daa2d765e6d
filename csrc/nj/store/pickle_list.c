/* Names for what a pickle holds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/array.h"
#include "base/plain.h"
#include "store/pickle.h"

#define DEPTH_MOST 64
#define NOTES_MOST 10000
#define LIST_MOST 64   /* plain values of a longer list are left out of the notes */
#define LONG_BYTES 32  /* longer integers are described, not shown */
#define NAME_MOST 1024 /* bytes */
#define TEXT_MOST 4096 /* longer texts are described, not shown */
#define ENTRIES_MOST 1000000

typedef struct {
  uint32_t container;
  size_t next;        /* item */
  size_t path_length; /* of the container's own path */
} level;

typedef struct {
  const nj_pickle *p;
  nj_archive *archive;
  char *path; /* NUL-ended */
  size_t path_length, path_room;
  level levels[DEPTH_MOST];
  int depth;
  uint64_t
      visits_left; /* each item of a container took a byte; parts may be shared, not endlessly */
} walk;

static nj_status fail(const walk *w, const char *complaint) {
  return nj_fail(w->p->ctx, NJ_EFORMAT, "%s: %s", w->p->what, complaint);
}

static nj_status path_add(walk *w, const char *text, size_t length) {
  if (w->path_length + length + 1 > NAME_MOST)
    return fail(w, "a name of more than 1024 bytes");
  NJ_RESERVE(w->p->ctx, w->path, w->path_room, w->path_length + length + 2);
  if (w->path_length)
    w->path[w->path_length++] = '/';
  memcpy(w->path + w->path_length, text, length);
  w->path_length += length;
  w->path[w->path_length] = '\0';
  return NJ_OK;
}

static nj_status path_add_number(walk *w, int64_t number) {
  char digits[24];
  return path_add(w, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, number));
}

static nj_status path_add_key(walk *w, const nj_pickle_value *key, size_t index) {
  char text[32];
  switch (key->kind) {
  case NJ_PICKLE_TEXT:
    if (memchr(key->is.text.at, 0, key->is.text.length))
      return fail(w, "a NUL character in a name");
    return path_add(w, key->is.text.at, key->is.text.length);
  case NJ_PICKLE_BOOL:
  case NJ_PICKLE_INT:
    return path_add_number(w, key->is.integer);
  case NJ_PICKLE_FLOAT:
    return path_add(w, text, (size_t)nj_plain_format(text, sizeof text, "%.17g", key->is.number));
  default: /* a class, a tuple: its place tells it from others */
    return path_add(w, text, (size_t)snprintf(text, sizeof text, "(%zu)", index + 1));
  }
}

static nj_status add_tensor(walk *w, const nj_pickle_value *value) {
  nj_archive *archive = w->archive;
  const nj_pickle_tensor *t = &w->p->tensors[value->is.index];
  if (archive->n_entries == ENTRIES_MOST)
    return fail(w, "more than a million tensors");
  NJ_RESERVE(archive->ctx, archive->entries, archive->entry_room, archive->n_entries + 1);
  nj_archive_entry *entry = &archive->entries[archive->n_entries];
  *entry = (nj_archive_entry){.type = t->type, .ndim = t->ndim, .offset = t->offset};
  memcpy(entry->shape, t->shape, sizeof entry->shape);
  memcpy(entry->stride, t->stride, sizeof entry->stride);
  entry->block = value->is.index; /* the caller finds the block */
  entry->name = nj_strdup(archive->ctx, w->path_length ? w->path : "root");
  if (!entry->name)
    return NJ_ENOMEM;
  archive->n_entries++;
  return NJ_OK;
}

/* Decimal digits of a two's complement integer of up to LONG_BYTES bytes; NUL-ended. */
static void long_digits(const nj_pickle_value *value, char *out, size_t room) {
  unsigned char bytes[LONG_BYTES];
  size_t n = value->is.text.length, at = room - 1;
  memcpy(bytes, value->is.text.at, n);
  int negative = bytes[n - 1] >> 7;
  for (size_t i = 0, carry = 1; negative && i < n; i++) {
    size_t sum = (size_t)(unsigned char)~bytes[i] + carry;
    bytes[i] = (unsigned char)sum;
    carry = sum >> 8;
  }
  out[at] = '\0';
  for (int any = 1; any && at > 1;) {
    unsigned rest = 0;
    any = 0;
    for (size_t i = n; i-- > 0;) {
      unsigned part = rest << 8 | bytes[i];
      bytes[i] = (unsigned char)(part / 10);
      rest = part % 10;
      any |= bytes[i];
    }
    out[--at] = (char)('0' + rest);
  }
  if (negative)
    out[--at] = '-';
  memmove(out, out + at, room - at);
}

static char *copy(nj_ctx *ctx, const char *text, size_t length) {
  char *made = nj_alloc(ctx, length + 1);
  if (!made)
    return NULL;
  memcpy(made, text, length);
  made[length] = '\0';
  return made;
}

/* The text of a value that no number or boolean of Lua can hold; NULL when memory runs out. */
static char *note_text(nj_ctx *ctx, const nj_pickle_value *value) {
  char digits[96];
  switch (value->kind) {
  case NJ_PICKLE_TEXT:
    if (value->is.text.length <= TEXT_MOST)
      return copy(ctx, value->is.text.at, value->is.text.length);
    snprintf(digits, sizeof digits, "(text of %zu bytes)", value->is.text.length);
    return copy(ctx, digits, strlen(digits));
  case NJ_PICKLE_OPAQUE: {
    int n =
        snprintf(digits, sizeof digits, "(%.*s)", (int)value->is.text.length, value->is.text.at);
    return copy(ctx, digits, (size_t)n);
  }
  case NJ_PICKLE_LONG:
    if (value->is.text.length <= LONG_BYTES)
      long_digits(value, digits, sizeof digits);
    else
      snprintf(digits, sizeof digits, "(integer of %zu bytes)", value->is.text.length);
    return copy(ctx, digits, strlen(digits));
  default:
    return copy(ctx, "(bytes)", 7);
  }
}

static nj_status add_note(walk *w, const nj_pickle_value *value) {
  nj_archive *archive = w->archive;
  if (archive->n_notes >= NOTES_MOST)
    return NJ_OK;
  NJ_RESERVE(archive->ctx, archive->notes, archive->note_room, archive->n_notes + 1);
  nj_archive_note note = {.kind = NJ_NOTE_TEXT};
  switch (value->kind) {
  case NJ_PICKLE_BOOL:
    note.kind = NJ_NOTE_BOOLEAN, note.integer = value->is.integer;
    break;
  case NJ_PICKLE_INT:
    note.kind = NJ_NOTE_INTEGER, note.integer = value->is.integer;
    break;
  case NJ_PICKLE_FLOAT:
    note.kind = NJ_NOTE_NUMBER, note.number = value->is.number;
    break;
  case NJ_PICKLE_TEXT:
  case NJ_PICKLE_BYTES:
  case NJ_PICKLE_LATIN1:
  case NJ_PICKLE_OPAQUE:
  case NJ_PICKLE_LONG:
    note.value = note_text(archive->ctx, value);
    if (!note.value)
      return NJ_ENOMEM;
    break;
  default:
    return NJ_OK; /* None, classes, storages: nothing to tell */
  }
  note.key = nj_strdup(archive->ctx, w->path_length ? w->path : "root");
  archive->notes[archive->n_notes++] = note;
  return note.key ? NJ_OK : NJ_ENOMEM;
}

static int is_container(nj_pickle_kind kind) {
  return kind >= NJ_PICKLE_TUPLE && kind <= NJ_PICKLE_OBJECT;
}

/* Orders a dictionary's keys: texts, and what counts as a whole number in Python. */
static int compare_keys(const void *a, const void *b) {
  const nj_pickle_value *x = *(const nj_pickle_value *const *)a,
                        *y = *(const nj_pickle_value *const *)b;
  if ((x->kind == NJ_PICKLE_TEXT) != (y->kind == NJ_PICKLE_TEXT))
    return x->kind == NJ_PICKLE_TEXT ? 1 : -1;
  if (x->kind != NJ_PICKLE_TEXT)
    return (x->is.integer > y->is.integer) - (x->is.integer < y->is.integer);
  size_t n = x->is.text.length < y->is.text.length ? x->is.text.length : y->is.text.length;
  int order = n ? memcmp(x->is.text.at, y->is.text.at, n) : 0;
  return order ? order
               : (x->is.text.length > y->is.text.length) - (x->is.text.length < y->is.text.length);
}

/* No key is set twice: in Python the last value would stand, and which was meant is not known. */
static nj_status check_keys(walk *w, const nj_pickle_value *dict) {
  size_t n = 0;
  if (dict->is.list.n < 4)
    return NJ_OK;
  const nj_pickle_value **keys = nj_alloc(w->p->ctx, dict->is.list.n / 2 * sizeof *keys);
  if (!keys)
    return NJ_ENOMEM;
  for (size_t i = 0; i < dict->is.list.n; i += 2) {
    const nj_pickle_value *key = &w->p->values[dict->is.list.items[i]];
    if (key->kind == NJ_PICKLE_TEXT || key->kind == NJ_PICKLE_INT || key->kind == NJ_PICKLE_BOOL)
      keys[n++] = key;
  }
  qsort(keys, n, sizeof *keys, compare_keys);
  nj_status st = NJ_OK;
  for (size_t i = 1; i < n && !st; i++)
    if (compare_keys(&keys[i - 1], &keys[i]) == 0)
      st = fail(w, "a dictionary has a key twice");
  nj_free(w->p->ctx, keys);
  return st;
}

/* Takes one value, whose name is the path: enters it, when it is a container. */
static nj_status visit(walk *w, uint32_t id, size_t path_length) {
  const nj_pickle_value *value = &w->p->values[id];
  if (w->visits_left-- == 0)
    return fail(w, "its containers share their parts too often");
  if (is_container(value->kind)) {
    if (w->depth == DEPTH_MOST)
      return fail(w, "its containers are nested deeper than 64 levels, or hold themselves");
    if (value->kind == NJ_PICKLE_DICT)
      NJ_TRY(check_keys(w, value));
    w->levels[w->depth++] = (level){.container = id, .path_length = w->path_length};
    return NJ_OK;
  }
  nj_status st = value->kind == NJ_PICKLE_TENSOR ? add_tensor(w, value) : add_note(w, value);
  w->path_length = path_length;
  return st;
}

/* The next item of the innermost container. */
static nj_status step(walk *w) {
  level *l = &w->levels[w->depth - 1];
  const nj_pickle_value *container = &w->p->values[l->container];
  int keyed = container->kind == NJ_PICKLE_DICT || container->kind == NJ_PICKLE_OBJECT;
  if (l->next >= container->is.list.n) {
    w->depth--;
    w->path_length = w->depth ? w->levels[w->depth - 1].path_length : 0;
    return NJ_OK;
  }
  size_t index = l->next;
  uint32_t item = container->is.list.items[index + (size_t)keyed];
  nj_pickle_kind kind = w->p->values[item].kind;
  l->next += keyed ? 2 : 1;
  if (!keyed && container->is.list.n > LIST_MOST && !is_container(kind) && kind != NJ_PICKLE_TENSOR)
    return NJ_OK;
  w->path_length = l->path_length;
  if (keyed)
    NJ_TRY(path_add_key(w, &w->p->values[container->is.list.items[index]], index / 2));
  else
    NJ_TRY(path_add_number(w, (int64_t)index));
  return visit(w, item, l->path_length);
}

nj_status nj_pickle_list(const nj_pickle *p, nj_archive *archive) {
  walk w = {.p = p, .archive = archive, .visits_left = 2 * (uint64_t)(p->at - p->begin) + 4096};
  nj_status st = visit(&w, p->root, 0);
  while (!st && w.depth > 0)
    st = step(&w);
  if (!st && archive->n_entries == 0)
    st = fail(&w, "a pickle that holds no tensors");
  if (!st)
    st = nj_archive_check_names(archive);
  nj_free(p->ctx, w.path);
  return st;
}
