#include "base/status.h"
#include "ctest.h"

TEST(status_names_and_texts) {
  CHECK(strcmp(nj_status_name(NJ_OK), "OK") == 0);
  CHECK(strcmp(nj_status_name(NJ_ENOMEM), "ENOMEM") == 0);
  CHECK(strcmp(nj_status_text(NJ_ENOMEM), "out of memory") == 0);
  CHECK(strcmp(nj_status_name((nj_status)-999), "EUNKNOWN") == 0);
  CHECK(strcmp(nj_status_text((nj_status)-999), "unknown status") == 0);
}

TEST(status_values_are_distinct_and_negative) {
#define NJ_X(name, value, kind, text) value,
  static const int values[] = {NJ_STATUS_MAP(NJ_X)};
#undef NJ_X
  size_t count = sizeof values / sizeof *values;
  CHECK_INT(values[0], 0);
  for (size_t i = 1; i < count; i++) {
    CHECK(values[i] < 0);
    for (size_t j = 0; j < i; j++)
      CHECK(values[i] != values[j]);
  }
}

TEST(status_kind) {
  CHECK(nj_status_is_misuse(NJ_ESHAPE));
  CHECK(nj_status_is_misuse(NJ_EGRAD));
  CHECK(!nj_status_is_misuse(NJ_ENOMEM));
  CHECK(!nj_status_is_misuse(NJ_EFORMAT));
  CHECK(!nj_status_is_misuse(NJ_OK));
}
