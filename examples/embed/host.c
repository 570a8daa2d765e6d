/* A program that embeds Lua and nightjar: two Lua states in two OS threads at once, each with
 * limits of its own, the same work in both. It links libnightjar.a and liblua statically.
 *
 *   make embed                          builds and runs it
 *   cc host.c $(pkg-config --cflags --libs nightjar)      against an installed nightjar
 *
 * usage: embed [directory of nightjar's Lua files [script]] */
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nightjar_lua.h"

enum { LUA_LIMIT = 64 << 20, TENSOR_LIMIT = 96 << 20, RESULT_TEXT = 4096 };

typedef struct {
  const char *lua_dir, *script;
  size_t lua_bytes; /* what this state's Lua heap holds now */
  int ok;
  char result[RESULT_TEXT]; /* what the script returned, or the error */
} worker;

/* Lua's heap of one state, up to LUA_LIMIT. Tensors live outside of it, in nightjar's own
 * accounts. */
static void *limited_alloc(void *data, void *block, size_t old, size_t new) {
  worker *w = data;
  size_t held = block ? old : 0;
  if (new == 0) {
    free(block);
    w->lua_bytes -= held;
    return NULL;
  }
  if (w->lua_bytes - held + new > LUA_LIMIT)
    return NULL;
  void *grown = realloc(block, new);
  if (grown)
    w->lua_bytes += new - held;
  return grown;
}

/* Runs protected: whatever goes wrong in Lua or nightjar comes back as a status of lua_pcall. */
static int run(lua_State *L) {
  worker *w = lua_touserdata(L, 1);
  luaL_openlibs(L);
  nj_ctx_options options = nj_ctx_default_options();
  options.memory_limit = TENSOR_LIMIT;
  options.threads = 2;
  nightjar_preload(L, &options);
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", w->lua_dir, w->lua_dir);
  lua_setfield(L, -2, "path");
  if (luaL_loadfile(L, w->script) != LUA_OK)
    return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

static void *worker_main(void *argument) {
  worker *w = argument;
  lua_State *L = lua_newstate(limited_alloc, w);
  if (!L) {
    snprintf(w->result, sizeof w->result, "no memory for a Lua state");
    return NULL;
  }
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, w);
  w->ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  const char *text = lua_tostring(L, -1);
  snprintf(w->result, sizeof w->result, "%s", text ? text : "(no text)");
  lua_close(L);
  if (w->lua_bytes != 0) {
    w->ok = 0;
    snprintf(w->result, sizeof w->result, "%zu bytes of Lua's heap were not given back",
             w->lua_bytes);
  }
  return NULL;
}

int main(int argc, char **argv) {
  worker workers[2] = {{0}, {0}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    workers[i].lua_dir = argc > 1 ? argv[1] : "../../lua";
    workers[i].script = argc > 2 ? argv[2] : "work.lua";
    if (pthread_create(&threads[i], NULL, worker_main, &workers[i]) != 0) {
      fprintf(stderr, "embed: no thread\n");
      return EXIT_FAILURE;
    }
  }
  int ok = 1;
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    if (!workers[i].ok)
      fprintf(stderr, "embed: state %d: %s\n", i + 1, workers[i].result);
    ok = ok && workers[i].ok;
  }
  if (ok && strcmp(workers[0].result, workers[1].result) != 0) {
    fprintf(stderr, "embed: the two states differ: %s and %s\n", workers[0].result,
            workers[1].result);
    ok = 0;
  }
  if (ok)
    printf("embed: two states in two threads agree: %s\n", workers[0].result);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
