/* Sound libraries: an input is the library's file. See library.lua for what must hold. */
#include "lua_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return host_run("library", data, size);
}
