#include "base/plain.h"

#include <stdarg.h>
#include <stdio.h>

nj_plain nj_plain_begin(void) {
  /* The C locale is part of the system: making it takes no memory and does not fail. */
  nj_plain state = {newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0};
  if (state.plain)
    state.before = uselocale(state.plain);
  return state;
}

void nj_plain_end(nj_plain state) {
  if (!state.plain)
    return;
  uselocale(state.before);
  freelocale(state.plain);
}

int nj_plain_format(char *text, size_t room, const char *format, ...) {
  nj_plain state = nj_plain_begin();
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, room, format, arguments);
  va_end(arguments);
  nj_plain_end(state);
  return length;
}
