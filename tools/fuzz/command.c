/* Whole command lines: an input is words and the bytes of a file, as command.lua takes them apart. */
#include "lua_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  return host_run("command", data, size);
}
