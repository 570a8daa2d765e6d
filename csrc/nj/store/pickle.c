#include "store/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/utf8.h"

#define MARKS_MOST 1000 /* containers under construction at once */

void nj_pickle_complain(nj_pickle *p, const char *format, ...) {
  char text[300];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  (void)nj_fail(p->ctx, NJ_EFORMAT, "%s: byte %zu of the pickle: %s", p->what,
                (size_t)(p->at - p->begin), text);
}

int nj_pickle_is(const nj_pickle_value *value, const char *text) {
  return value->kind == NJ_PICKLE_TEXT && value->is.text.length == strlen(text) &&
         memcmp(value->is.text.at, text, value->is.text.length) == 0;
}

nj_status nj_pickle_new(nj_pickle *p, nj_pickle_kind kind, uint32_t *id) {
  if (p->n_values >= UINT32_MAX)
    return nj_pickle_fail(p, "too many values");
  NJ_RESERVE(p->ctx, p->values, p->value_room, p->n_values + 1);
  p->values[p->n_values] = (nj_pickle_value){.kind = kind};
  *id = (uint32_t)p->n_values++;
  return NJ_OK;
}

nj_status nj_pickle_append(nj_pickle *p, uint32_t container, uint32_t item) {
  nj_pickle_value *value = &p->values[container];
  NJ_RESERVE(p->ctx, value->is.list.items, value->is.list.room, value->is.list.n + 1);
  value->is.list.items[value->is.list.n++] = item;
  return NJ_OK;
}

nj_status nj_pickle_extend(nj_pickle *p, uint32_t container, uint32_t from) {
  size_t n = p->values[from].is.list.n;
  if (n > (size_t)(p->at - p->begin) - p->n_copied)
    return nj_pickle_fail(p, "its containers are copied too often");
  p->n_copied += n;
  for (size_t i = 0; i < n; i++)
    NJ_TRY(nj_pickle_append(p, container, p->values[from].is.list.items[i]));
  return NJ_OK;
}

/* ---- bytes of the pickle ---- */

static nj_status take(nj_pickle *p, uint64_t n, const unsigned char **out) {
  if (n > (uint64_t)(p->end - p->at))
    return nj_pickle_fail(p, "the pickle is cut off");
  *out = p->at;
  p->at += n;
  return NJ_OK;
}

static nj_status take_unsigned(nj_pickle *p, int bytes, uint64_t *out) {
  const unsigned char *at;
  NJ_TRY(take(p, (uint64_t)bytes, &at));
  *out = 0;
  for (int i = bytes - 1; i >= 0; i--)
    *out = *out << 8 | at[i];
  return NJ_OK;
}

/* A line of text without its end; GLOBAL has two. */
static nj_status take_line(nj_pickle *p, const char **text, size_t *length) {
  const unsigned char *stop = memchr(p->at, '\n', (size_t)(p->end - p->at));
  if (!stop)
    return nj_pickle_fail(p, "the pickle is cut off");
  *text = (const char *)p->at;
  *length = (size_t)(stop - p->at);
  p->at = stop + 1;
  return NJ_OK;
}

/* ---- the stack ---- */

static nj_status push(nj_pickle *p, uint32_t id) {
  NJ_RESERVE(p->ctx, p->stack, p->stack_room, p->n_stack + 1);
  p->stack[p->n_stack++] = id;
  return NJ_OK;
}

static nj_status push_new(nj_pickle *p, nj_pickle_kind kind) {
  uint32_t id;
  NJ_TRY(nj_pickle_new(p, kind, &id));
  return push(p, id);
}

static size_t floor_of_stack(const nj_pickle *p) {
  return p->n_marks ? p->marks[p->n_marks - 1] : 0;
}

static nj_status pop(nj_pickle *p, uint32_t *id) {
  if (p->n_stack <= floor_of_stack(p))
    return nj_pickle_fail(p, "an opcode finds nothing on the stack");
  *id = p->stack[--p->n_stack];
  return NJ_OK;
}

static nj_status pop_mark(nj_pickle *p, size_t *from) {
  if (!p->n_marks)
    return nj_pickle_fail(p, "an opcode finds no mark on the stack");
  *from = p->marks[--p->n_marks];
  return NJ_OK;
}

/* The value below `n` others on top. */
static nj_status below(nj_pickle *p, size_t n, nj_pickle_kind kind, uint32_t *id) {
  if (p->n_stack < floor_of_stack(p) + n + 1)
    return nj_pickle_fail(p, "an opcode finds nothing on the stack");
  *id = p->stack[p->n_stack - n - 1];
  if (p->values[*id].kind != kind)
    return nj_pickle_fail(p, "an opcode does not fit what is on the stack");
  return NJ_OK;
}

static nj_status move_items(nj_pickle *p, size_t from, uint32_t container) {
  for (size_t i = from; i < p->n_stack; i++)
    NJ_TRY(nj_pickle_append(p, container, p->stack[i]));
  p->n_stack = from;
  return NJ_OK;
}

/* ---- opcodes: each returns after leaving the machine as the opcode says ---- */

static nj_status op_proto(nj_pickle *p) {
  uint64_t version;
  NJ_TRY(take_unsigned(p, 1, &version));
  if (version > 5)
    return nj_pickle_fail(p, "protocol %d; up to 5 are known", (int)version);
  return NJ_OK;
}

static nj_status op_frame(nj_pickle *p) {
  uint64_t length;
  NJ_TRY(take_unsigned(p, 8, &length));
  if (length > (uint64_t)(p->end - p->at))
    return nj_pickle_fail(p, "a frame is longer than the pickle");
  return NJ_OK;
}

static nj_status op_stop(nj_pickle *p) {
  if (p->n_marks || p->n_stack != 1)
    return nj_pickle_fail(p, "the pickle stops with %zu values on its stack", p->n_stack);
  p->root = p->stack[0];
  p->stopped = 1;
  return NJ_OK;
}

static nj_status op_mark(nj_pickle *p) {
  if (p->n_marks == MARKS_MOST)
    return nj_pickle_fail(p, "more than %d containers in one another", MARKS_MOST);
  NJ_RESERVE(p->ctx, p->marks, p->mark_room, p->n_marks + 1);
  p->marks[p->n_marks++] = p->n_stack;
  return NJ_OK;
}

static nj_status op_pop(nj_pickle *p) {
  uint32_t id;
  if (p->n_marks && p->n_stack == floor_of_stack(p)) {
    p->n_marks--;
    return NJ_OK;
  }
  return pop(p, &id);
}

static nj_status op_pop_mark(nj_pickle *p) { return pop_mark(p, &p->n_stack); }

static nj_status op_dup(nj_pickle *p) {
  uint32_t id;
  NJ_TRY(pop(p, &id));
  NJ_TRY(push(p, id));
  return push(p, id);
}

static nj_status op_none(nj_pickle *p) { return push_new(p, NJ_PICKLE_NONE); }

static nj_status push_bool(nj_pickle *p, int value) {
  NJ_TRY(push_new(p, NJ_PICKLE_BOOL));
  p->values[p->n_values - 1].is.integer = value;
  return NJ_OK;
}

static nj_status op_true(nj_pickle *p) { return push_bool(p, 1); }
static nj_status op_false(nj_pickle *p) { return push_bool(p, 0); }

static nj_status push_int(nj_pickle *p, int64_t value) {
  NJ_TRY(push_new(p, NJ_PICKLE_INT));
  p->values[p->n_values - 1].is.integer = value;
  return NJ_OK;
}

static nj_status op_int1(nj_pickle *p) {
  uint64_t value;
  NJ_TRY(take_unsigned(p, 1, &value));
  return push_int(p, (int64_t)value);
}

static nj_status op_int2(nj_pickle *p) {
  uint64_t value;
  NJ_TRY(take_unsigned(p, 2, &value));
  return push_int(p, (int64_t)value);
}

static nj_status op_int4(nj_pickle *p) {
  uint64_t value;
  NJ_TRY(take_unsigned(p, 4, &value));
  return push_int(p, (int32_t)(uint32_t)value);
}

/* An integer of any length, two's complement, little-endian. */
static nj_status push_long(nj_pickle *p, uint64_t length) {
  const unsigned char *at;
  NJ_TRY(take(p, length, &at));
  if (length <= 8) {
    uint64_t value = length && at[length - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = (size_t)length; i-- > 0;)
      value = value << 8 | at[i];
    return push_int(p, (int64_t)value);
  }
  NJ_TRY(push_new(p, NJ_PICKLE_LONG));
  p->values[p->n_values - 1].is.text.at = (const char *)at;
  p->values[p->n_values - 1].is.text.length = (size_t)length;
  return NJ_OK;
}

static nj_status op_long1(nj_pickle *p) {
  uint64_t length;
  NJ_TRY(take_unsigned(p, 1, &length));
  return push_long(p, length);
}

static nj_status op_long4(nj_pickle *p) {
  uint64_t length;
  NJ_TRY(take_unsigned(p, 4, &length));
  if (length > INT32_MAX)
    return nj_pickle_fail(p, "an integer of negative length");
  return push_long(p, length);
}

static nj_status op_float(nj_pickle *p) {
  const unsigned char *at;
  NJ_TRY(take(p, 8, &at));
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++) /* the one number that pickles write big-endian */
    bits = bits << 8 | at[i];
  NJ_TRY(push_new(p, NJ_PICKLE_FLOAT));
  memcpy(&p->values[p->n_values - 1].is.number, &bits, 8);
  return NJ_OK;
}

static nj_status push_text(nj_pickle *p, int length_bytes, int strict) {
  uint64_t length;
  const unsigned char *at;
  NJ_TRY(take_unsigned(p, length_bytes, &length));
  NJ_TRY(take(p, length, &at));
  int valid = nj_utf8_valid((const char *)at, (size_t)length) == (size_t)length;
  if (strict && !valid)
    return nj_pickle_fail(p, "text that is not UTF-8");
  NJ_TRY(push_new(p, valid ? NJ_PICKLE_TEXT : NJ_PICKLE_BYTES));
  p->values[p->n_values - 1].is.text.at = (const char *)at;
  p->values[p->n_values - 1].is.text.length = (size_t)length;
  return NJ_OK;
}

static nj_status op_text1(nj_pickle *p) { return push_text(p, 1, 1); }
static nj_status op_text4(nj_pickle *p) { return push_text(p, 4, 1); }
static nj_status op_text8(nj_pickle *p) { return push_text(p, 8, 1); }
static nj_status op_string1(nj_pickle *p) { return push_text(p, 1, 0); } /* of Python 2 */
static nj_status op_string4(nj_pickle *p) { return push_text(p, 4, 0); }

static nj_status push_bytes(nj_pickle *p, int length_bytes) {
  NJ_TRY(push_text(p, length_bytes, 0));
  p->values[p->n_values - 1].kind = NJ_PICKLE_BYTES;
  return NJ_OK;
}

static nj_status op_bytes1(nj_pickle *p) { return push_bytes(p, 1); }
static nj_status op_bytes4(nj_pickle *p) { return push_bytes(p, 4); }
static nj_status op_bytes8(nj_pickle *p) { return push_bytes(p, 8); }

static nj_status op_empty_list(nj_pickle *p) { return push_new(p, NJ_PICKLE_LIST); }
static nj_status op_empty_tuple(nj_pickle *p) { return push_new(p, NJ_PICKLE_TUPLE); }
static nj_status op_empty_dict(nj_pickle *p) { return push_new(p, NJ_PICKLE_DICT); }
static nj_status op_empty_set(nj_pickle *p) { return push_new(p, NJ_PICKLE_SET); }

static nj_status collect(nj_pickle *p, nj_pickle_kind kind, size_t from) {
  uint32_t id;
  if (kind == NJ_PICKLE_DICT && (p->n_stack - from) % 2)
    return nj_pickle_fail(p, "a dictionary's last key has no value");
  NJ_TRY(nj_pickle_new(p, kind, &id));
  NJ_TRY(move_items(p, from, id));
  return push(p, id);
}

static nj_status collect_marked(nj_pickle *p, nj_pickle_kind kind) {
  size_t from;
  NJ_TRY(pop_mark(p, &from));
  return collect(p, kind, from);
}

static nj_status op_list(nj_pickle *p) { return collect_marked(p, NJ_PICKLE_LIST); }
static nj_status op_tuple(nj_pickle *p) { return collect_marked(p, NJ_PICKLE_TUPLE); }
static nj_status op_dict(nj_pickle *p) { return collect_marked(p, NJ_PICKLE_DICT); }
static nj_status op_frozenset(nj_pickle *p) { return collect_marked(p, NJ_PICKLE_SET); }

static nj_status collect_top(nj_pickle *p, size_t n) {
  if (p->n_stack < floor_of_stack(p) + n)
    return nj_pickle_fail(p, "an opcode finds nothing on the stack");
  return collect(p, NJ_PICKLE_TUPLE, p->n_stack - n);
}

static nj_status op_tuple1(nj_pickle *p) { return collect_top(p, 1); }
static nj_status op_tuple2(nj_pickle *p) { return collect_top(p, 2); }
static nj_status op_tuple3(nj_pickle *p) { return collect_top(p, 3); }

static nj_status op_append(nj_pickle *p) {
  uint32_t list;
  NJ_TRY(below(p, 1, NJ_PICKLE_LIST, &list));
  return move_items(p, p->n_stack - 1, list);
}

static nj_status op_setitem(nj_pickle *p) {
  uint32_t dict;
  NJ_TRY(below(p, 2, NJ_PICKLE_DICT, &dict));
  return move_items(p, p->n_stack - 2, dict);
}

static nj_status add_marked(nj_pickle *p, nj_pickle_kind kind) {
  size_t from;
  uint32_t container;
  NJ_TRY(pop_mark(p, &from));
  if (kind == NJ_PICKLE_DICT && (p->n_stack - from) % 2)
    return nj_pickle_fail(p, "a dictionary's last key has no value");
  NJ_TRY(below(p, p->n_stack - from, kind, &container));
  return move_items(p, from, container);
}

static nj_status op_appends(nj_pickle *p) { return add_marked(p, NJ_PICKLE_LIST); }
static nj_status op_setitems(nj_pickle *p) { return add_marked(p, NJ_PICKLE_DICT); }
static nj_status op_additems(nj_pickle *p) { return add_marked(p, NJ_PICKLE_SET); }

/* Picklers number memo entries from 0, and each took bytes to write. */
static nj_status memo_put(nj_pickle *p, uint64_t index) {
  if (p->n_stack <= floor_of_stack(p))
    return nj_pickle_fail(p, "an opcode finds nothing on the stack");
  if (index > (uint64_t)(p->at - p->begin))
    return nj_pickle_fail(p, "memo entry %llu after %zu bytes", (unsigned long long)index,
                          (size_t)(p->at - p->begin));
  size_t old = p->memo_room;
  NJ_RESERVE(p->ctx, p->memo, p->memo_room, (size_t)index + 1);
  for (size_t i = old; i < p->memo_room; i++)
    p->memo[i] = UINT32_MAX;
  p->n_memo += p->memo[index] == UINT32_MAX;
  p->memo[index] = p->stack[p->n_stack - 1];
  return NJ_OK;
}

static nj_status memo_get(nj_pickle *p, uint64_t index) {
  if (index >= p->memo_room || p->memo[index] == UINT32_MAX)
    return nj_pickle_fail(p, "memo entry %llu was never stored", (unsigned long long)index);
  return push(p, p->memo[index]);
}

static nj_status op_put1(nj_pickle *p) {
  uint64_t index;
  NJ_TRY(take_unsigned(p, 1, &index));
  return memo_put(p, index);
}

static nj_status op_put4(nj_pickle *p) {
  uint64_t index;
  NJ_TRY(take_unsigned(p, 4, &index));
  return memo_put(p, index);
}

static nj_status op_memoize(nj_pickle *p) { return memo_put(p, p->n_memo); }

static nj_status op_get1(nj_pickle *p) {
  uint64_t index;
  NJ_TRY(take_unsigned(p, 1, &index));
  return memo_get(p, index);
}

static nj_status op_get4(nj_pickle *p) {
  uint64_t index;
  NJ_TRY(take_unsigned(p, 4, &index));
  return memo_get(p, index);
}

static nj_status op_global(nj_pickle *p) {
  const char *module, *name;
  size_t module_length, name_length;
  uint32_t id;
  NJ_TRY(take_line(p, &module, &module_length));
  NJ_TRY(take_line(p, &name, &name_length));
  NJ_TRY(nj_pickle_global(p, module, module_length, name, name_length, &id));
  return push(p, id);
}

/* INST calls what it names. No torch file has it: nothing that it names can be wanted. */
static nj_status op_inst(nj_pickle *p) {
  NJ_TRY(op_global(p));
  return nj_pickle_fail(p, "opcode INST is not read");
}

static nj_status op_stack_global(nj_pickle *p) {
  uint32_t module, name, id;
  NJ_TRY(below(p, 1, NJ_PICKLE_TEXT, &module));
  NJ_TRY(below(p, 0, NJ_PICKLE_TEXT, &name));
  p->n_stack -= 2;
  const nj_pickle_value *m = &p->values[module], *n = &p->values[name];
  NJ_TRY(
      nj_pickle_global(p, m->is.text.at, m->is.text.length, n->is.text.at, n->is.text.length, &id));
  return push(p, id);
}

static nj_status op_reduce(nj_pickle *p) {
  uint32_t callee, args, result;
  NJ_TRY(pop(p, &args));
  NJ_TRY(pop(p, &callee));
  NJ_TRY(nj_pickle_call(p, callee, args, &result));
  return push(p, result);
}

static nj_status op_build(nj_pickle *p) {
  uint32_t state, object;
  NJ_TRY(pop(p, &state));
  NJ_TRY(pop(p, &object));
  NJ_TRY(nj_pickle_build(p, object, state));
  return push(p, object);
}

static nj_status op_persid(nj_pickle *p) {
  uint32_t pid, result;
  NJ_TRY(pop(p, &pid));
  NJ_TRY(nj_pickle_persistent(p, pid, &result));
  return push(p, result);
}

typedef nj_status (*opcode)(nj_pickle *p);

/* Left out, and so refused: the text opcodes of protocol 0, OBJ, NEWOBJ_EX, extensions, buffers. */
static const opcode opcodes[256] = {
    [0x80] = op_proto,     [0x95] = op_frame,      ['.'] = op_stop,          ['('] = op_mark,
    ['0'] = op_pop,        ['1'] = op_pop_mark,    ['2'] = op_dup,           ['N'] = op_none,
    [0x88] = op_true,      [0x89] = op_false,      ['K'] = op_int1,          ['M'] = op_int2,
    ['J'] = op_int4,       [0x8a] = op_long1,      [0x8b] = op_long4,        ['G'] = op_float,
    ['U'] = op_string1,    ['T'] = op_string4,     ['C'] = op_bytes1,        ['B'] = op_bytes4,
    [0x8e] = op_bytes8,    [0x96] = op_bytes8,     [0x8c] = op_text1,        ['X'] = op_text4,
    [0x8d] = op_text8,     [']'] = op_empty_list,  ['a'] = op_append,        ['e'] = op_appends,
    ['l'] = op_list,       [')'] = op_empty_tuple, ['t'] = op_tuple,         [0x85] = op_tuple1,
    [0x86] = op_tuple2,    [0x87] = op_tuple3,     ['}'] = op_empty_dict,    ['d'] = op_dict,
    ['s'] = op_setitem,    ['u'] = op_setitems,    [0x8f] = op_empty_set,    [0x90] = op_additems,
    [0x91] = op_frozenset, ['c'] = op_global,      [0x93] = op_stack_global, ['R'] = op_reduce,
    [0x81] = op_reduce,    ['b'] = op_build,       ['i'] = op_inst,          ['Q'] = op_persid,
    ['q'] = op_put1,       ['r'] = op_put4,        [0x94] = op_memoize,      ['h'] = op_get1,
    ['j'] = op_get4,
};

nj_status nj_pickle_open(nj_pickle *p, nj_ctx *ctx, const char *what, const void *data,
                         size_t length) {
  *p = (nj_pickle){.ctx = ctx, .what = what, .begin = data, .at = data};
  p->end = p->begin + length;
  for (uint64_t step = 1; !p->stopped; step++) {
    if (p->at == p->end)
      return nj_pickle_fail(p, "the pickle is cut off");
    opcode run = opcodes[*p->at];
    if (!run)
      return nj_pickle_fail(p, "opcode 0x%02x is not read", *p->at);
    p->at++;
    NJ_TRY(run(p));
    if (step % 65536 == 0)
      NJ_TRY(nj_poll(ctx));
  }
  return NJ_OK;
}

static int holds_list(nj_pickle_kind kind) {
  return kind >= NJ_PICKLE_TUPLE && kind <= NJ_PICKLE_OBJECT;
}

void nj_pickle_close(nj_pickle *p) {
  for (size_t i = 0; i < p->n_values; i++)
    if (holds_list(p->values[i].kind))
      nj_free(p->ctx, p->values[i].is.list.items);
  nj_free(p->ctx, p->values);
  nj_free(p->ctx, p->storages);
  nj_free(p->ctx, p->tensors);
  nj_free(p->ctx, p->stack);
  nj_free(p->ctx, p->memo);
  nj_free(p->ctx, p->marks);
  *p = (nj_pickle){0};
}
