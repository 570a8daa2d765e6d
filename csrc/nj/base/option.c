#include "base/option.h"

#include <string.h>

int nj_option_given(const nj_option_table *table, uint64_t given, const char *key) {
  for (size_t i = 0; i < table->n; i++)
    if (strcmp(table->items[i].key, key) == 0)
      return (int)(given >> i & 1);
  return 0;
}
