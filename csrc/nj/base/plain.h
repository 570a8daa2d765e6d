/* Numbers as text with a point, whatever the locale of the process says. */
#ifndef NJ_BASE_PLAIN_H
#define NJ_BASE_PLAIN_H

#include <locale.h>
#include <stddef.h>

/* snprintf as it is in the C locale. */
int nj_plain_format(char *text, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts the calling thread into the C locale, until nj_plain_end gets what this returned. */
typedef struct {
  locale_t plain, before;
} nj_plain;
nj_plain nj_plain_begin(void);
void nj_plain_end(nj_plain state);

#endif
