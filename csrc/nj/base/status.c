#include "base/status.h"

const char *nj_status_name(nj_status status) {
  switch (status) {
#define NJ_X(name, value, kind, text) \
  case NJ_##name:                     \
    return #name;
    NJ_STATUS_MAP(NJ_X)
#undef NJ_X
  }
  return "EUNKNOWN";
}

const char *nj_status_text(nj_status status) {
  switch (status) {
#define NJ_X(name, value, kind, text) \
  case NJ_##name:                     \
    return text;
    NJ_STATUS_MAP(NJ_X)
#undef NJ_X
  }
  return "unknown status";
}

int nj_status_is_misuse(nj_status status) {
  enum { MISUSE = 1, WORLD = 0 };
  switch (status) {
#define NJ_X(name, value, kind, text) \
  case NJ_##name:                     \
    return kind;
    NJ_STATUS_MAP(NJ_X)
#undef NJ_X
  }
  return 0;
}
