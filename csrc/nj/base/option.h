/* Options as data. For a struct of options a table says what each field is called, which values it takes
 * and what is there when nobody gives it, so that bindings read and write structs by name, and editors'
 * stubs are compared with what is really read.
 *
 *   static const nj_option items[] = {
 *       NJ_OPTION_RANGE(nj_thing_options, "width", width, 1, 65536, NJ_OPTION_REQUIRED),
 *       NJ_OPTION_RANGE(nj_thing_options, "dropout", dropout, 0, 0.999, 0),
 *       NJ_OPTION_FLAG(nj_thing_options, "plain", plain, 0),
 *   };
 *   NJ_OPTION_TABLE(thing, items, NULL)    defines nj_thing_option_table over nj_thing_default_options */
#ifndef NJ_BASE_OPTION_H
#define NJ_BASE_OPTION_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  NJ_OPTION_INT,     /* an integer, in an int */
  NJ_OPTION_I64,     /* an integer, in an int64_t or a uint64_t */
  NJ_OPTION_NUMBER,  /* a double */
  NJ_OPTION_BOOLEAN, /* an int: 0 or 1 */
  NJ_OPTION_NAME,    /* an int or an enumeration: the place of a name among `names` */
  NJ_OPTION_DTYPE,   /* an nj_dtype (tensor/dtype.h): float32 or float64 */
  NJ_OPTION_TEXT,    /* a const char *, which the reader's text must outlive */
  NJ_OPTION_SIZES    /* a list of integers: an array of int64_t */
} nj_option_kind;

enum {
  NJ_OPTION_REQUIRED = 1, /* has no default */
  NJ_OPTION_DERIVED = 2,  /* its default follows from other options: see nj_option_table.derive */
  NJ_OPTION_SPARSE =
      4, /* left out of descriptions where it is 0 (names: the first; dtypes: float32) */
  NJ_OPTION_HIDDEN = 8,  /* never part of descriptions */
  NJ_OPTION_FOLLOWS = 16 /* SIZES: as many entries as count_at says, which another option sets */
};

typedef struct {
  const char *key;
  nj_option_kind kind;
  size_t at;                /* of the field in the struct */
  double low, high;         /* INT, I64, NUMBER, entries of SIZES: the range, ends included */
  const char *const *names; /* NAME: NULL-ended */
  int count;                /* SIZES: entries, exactly; or at most, with count_at */
  size_t count_at;          /* SIZES: of the int that holds how many there are; 0: always `count` */
  unsigned flags;
} nj_option;

typedef struct {
  const char *name;       /* begins messages */
  size_t size;            /* of the struct */
  const nj_option *items; /* at most 64 */
  size_t n;
  void (*defaults)(void *options);
  /* Called when options have been read by name: sets what was not given and follows from the others; bit i
   * of `given` is set when items[i] was given. May be NULL. */
  void (*derive)(void *options, uint64_t given);
} nj_option_table;

/* 1 when the option `key` was given. */
int nj_option_given(const nj_option_table *table, uint64_t given, const char *key);

#define NJ_OPTION_FIELD(type, field) (((type *)0)->field)
/* A field's kind by its type, and its place, which does not compile for a field of another size. */
#define NJ_OPTION_KIND(type, field)          \
  _Generic(NJ_OPTION_FIELD(type, field), int \
           : NJ_OPTION_INT, int64_t          \
           : NJ_OPTION_I64, uint64_t         \
           : NJ_OPTION_I64, double           \
           : NJ_OPTION_NUMBER)
#define NJ_OPTION_AT(type, field, as) \
  (offsetof(type, field) +            \
   0 * sizeof(char[sizeof NJ_OPTION_FIELD(type, field) == sizeof(as) ? 1 : -1]))

/* An integer or a number in [low_, high_]. */
#define NJ_OPTION_RANGE(type, key_, field, low_, high_, flags_)                                   \
  {                                                                                               \
    .key = key_, .kind = NJ_OPTION_KIND(type, field), .at = offsetof(type, field), .low = (low_), \
    .high = (high_), .flags = (flags_)                                                            \
  }
#define NJ_OPTION_FLAG(type, key_, field, flags_)                                 \
  {                                                                               \
    .key = key_, .kind = NJ_OPTION_BOOLEAN, .at = NJ_OPTION_AT(type, field, int), \
    .flags = (flags_)                                                             \
  }
#define NJ_OPTION_ENUM(type, key_, field, names_, flags_)                                       \
  {                                                                                             \
    .key = key_, .kind = NJ_OPTION_NAME, .at = NJ_OPTION_AT(type, field, int), .names = names_, \
    .flags = (flags_)                                                                           \
  }
/* Of parameters: "dtype". */
#define NJ_OPTION_FLOATS(type, field, flags_)                                      \
  {                                                                                \
    .key = "dtype", .kind = NJ_OPTION_DTYPE, .at = NJ_OPTION_AT(type, field, int), \
    .flags = (flags_)                                                              \
  }
#define NJ_OPTION_STRING(type, key_, field, flags_)                               \
  {                                                                               \
    .key = key_, .kind = NJ_OPTION_TEXT, .at = NJ_OPTION_AT(type, field, char *), \
    .flags = (flags_)                                                             \
  }
/* All entries of an array of int64_t, each in [1, 1e9]. */
#define NJ_OPTION_LIST(type, key_, field, flags_)                                             \
  {                                                                                           \
    .key = key_, .kind = NJ_OPTION_SIZES, .at = offsetof(type, field), .low = 1, .high = 1e9, \
    .count = (int)(sizeof NJ_OPTION_FIELD(type, field) / sizeof(int64_t)), .flags = (flags_)  \
  }
/* The first entries of it; the int field `many` says how many. */
#define NJ_OPTION_LIST_OF(type, key_, field, many, flags_)                                    \
  {                                                                                           \
    .key = key_, .kind = NJ_OPTION_SIZES, .at = offsetof(type, field), .low = 1, .high = 1e9, \
    .count = (int)(sizeof NJ_OPTION_FIELD(type, field) / sizeof(int64_t)),                    \
    .count_at = NJ_OPTION_AT(type, many, int), .flags = (flags_)                              \
  }

/* said: how messages call the function. */
#define NJ_OPTION_TABLE(name_, items_, derive_) NJ_OPTION_TABLE_AS(name_, #name_, items_, derive_)
#define NJ_OPTION_TABLE_AS(name_, said_, items_, derive_)                                  \
  static void name_##_defaults(void *options) {                                            \
    *(nj_##name_##_options *)options = nj_##name_##_default_options();                     \
  }                                                                                        \
  const nj_option_table nj_##name_##_option_table = {.name = said_,                        \
                                                     .size = sizeof(nj_##name_##_options), \
                                                     .items = items_,                      \
                                                     .n = sizeof items_ / sizeof *items_,  \
                                                     .defaults = name_##_defaults,         \
                                                     .derive = derive_};

#endif
