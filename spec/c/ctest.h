/* A small test runner. TEST(name) { … } registers a test; a CHECK that fails ends that test. */
#ifndef CTEST_H
#define CTEST_H

#include <stdio.h>
#include <string.h>

typedef struct ctest {
  const char *name;
  void (*run)(void);
  struct ctest *next;
} ctest;

void ctest_register(ctest *test);
void ctest_fail(const char *file, int line, const char *what);

#define TEST(name)                                                 \
  static void name(void);                                          \
  __attribute__((constructor)) static void name##_register(void) { \
    static ctest test = {#name, name, NULL};                       \
    ctest_register(&test);                                         \
  }                                                                \
  static void name(void)

#define CHECK(condition)                          \
  do {                                            \
    if (!(condition)) {                           \
      ctest_fail(__FILE__, __LINE__, #condition); \
      return;                                     \
    }                                             \
  } while (0)

#define CHECK_INT(got, want)                                                         \
  do {                                                                               \
    long long got_ = (long long)(got), want_ = (long long)(want);                    \
    if (got_ != want_) {                                                             \
      char text_[200];                                                               \
      snprintf(text_, sizeof text_, "%s is %lld, expected %lld", #got, got_, want_); \
      ctest_fail(__FILE__, __LINE__, text_);                                         \
      return;                                                                        \
    }                                                                                \
  } while (0)

#define CHECK_OK(status) CHECK_INT(status, 0)

/* The error text must contain `want`. */
#define CHECK_TEXT(got, want)                                                               \
  do {                                                                                      \
    const char *text_got_ = (got);                                                          \
    if (!strstr(text_got_, (want))) {                                                       \
      char text_[400];                                                                      \
      snprintf(text_, sizeof text_, "%s is \"%s\", expected \"%s\" in it", #got, text_got_, \
               (want));                                                                     \
      ctest_fail(__FILE__, __LINE__, text_);                                                \
      return;                                                                               \
    }                                                                                       \
  } while (0)

#endif
