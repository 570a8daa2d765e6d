rockspec_format = "3.0"
package = "nightjar"
version = "scm-1"
source = { url = "git+https://localhost/nightjar.git" }
description = {
  summary = "Find sounds with words, and words with sounds",
  detailed = [[
Language-based audio retrieval for Lua 5.4: a C library with tensors, autograd, audio front-ends,
tokenisers, encoders and a sound library, and a Lua layer for training and search.]],
  license = "MIT",
  labels = { "audio", "machine-learning", "retrieval" },
}
dependencies = { "lua >= 5.4, < 5.5", "argparse >= 0.7", "dkjson >= 2.5", "luafilesystem >= 1.8" }
external_dependencies = {
  OPENBLAS = { library = "openblas" },
  SNDFILE = { library = "sndfile" },
  UTF8PROC = { library = "utf8proc" },
  SQLITE3 = { library = "sqlite3" },
  SOXR = { library = "soxr" },
  ZIP = { library = "zip" },
  Z = { library = "z" },
}
build = {
  type = "make",
  build_target = "build",
  install_target = "install-lua",
  build_variables = {
    CFLAGS = "$(CFLAGS)",
    LUA = "$(LUA)",
    LUA_INCDIR = "$(LUA_INCDIR)",
  },
  install_variables = {
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
    INST_BINDIR = "$(BINDIR)",
  },
}
test = { type = "command", command = "make test" }
