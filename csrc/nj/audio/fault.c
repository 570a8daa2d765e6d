#include "audio/fault.h"

#include <stdarg.h>
#include <stdio.h>

nj_status nj_fault_set(nj_fault *fault, nj_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(fault->text, sizeof fault->text, format, args);
  va_end(args);
  return fault->status = status;
}

nj_status nj_fault_raise(nj_ctx *ctx, const nj_fault *fault) {
  return fault->status == NJ_OK ? NJ_OK : nj_fail(ctx, fault->status, "%s", fault->text);
}
