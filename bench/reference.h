/* What the reference loops share: a userdata of sizes and buffers that a closure works on. */
#ifndef BENCH_REFERENCE_H
#define BENCH_REFERENCE_H

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

enum { BUFFERS = 4, SIZES = 9 };

typedef struct {
  float *buffer[BUFFERS];
  long size[SIZES];
} work;

/* Pushes a work whose first sizes are the arguments 1 … sizes. */
work *new_work(lua_State *L, int sizes);
/* Allocates buffer i and fills it with numbers in [-0.5, 0.5). */
float *buffer(lua_State *L, work *w, int i, long count);
/* The work of the running closure. */
work *of(lua_State *L);

/* Each adds its functions to the module's table, on top of the stack. */
void reference_open_ops(lua_State *L);

#endif
