/* Where the text of an error goes when the context is out of reach: decoding runs on threads that
 * may only allocate (see nj_job in base/parallel.h). Callers on the context's thread hand the text
 * on with nj_fail. */
#ifndef NJ_AUDIO_FAULT_H
#define NJ_AUDIO_FAULT_H

#include "base/context.h"

typedef struct {
  nj_status status;
  char text[480];
} nj_fault;

/* Records the text and returns `status`. */
nj_status nj_fault_set(nj_fault *fault, nj_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* nj_fail with the fault's text, unless it holds NJ_OK; returns its status. */
nj_status nj_fault_raise(nj_ctx *ctx, const nj_fault *fault);

#endif
