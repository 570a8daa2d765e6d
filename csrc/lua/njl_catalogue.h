/* What the files of the binding of the catalogue share. */
#ifndef NJL_CATALOGUE_H
#define NJL_CATALOGUE_H

#include "njl.h"

#include "library/catalogue.h"

#define NJL_CATALOGUE "nightjar.Catalogue"

/* The catalogue at 1; raises when it is none, or was closed. */
nj_catalogue *njl_check_catalogue(lua_State *L);
/* Pushes true, or nil, message, code; returns how many. */
int njl_catalogue_done(lua_State *L, nj_status status);

/* ---- njl_catalogue_put.c: methods that write sounds ---- */
int njl_catalogue_put(lua_State *L);
int njl_catalogue_refile(lua_State *L);

/* The library's strings are char *; nothing is written to them. */
static inline char *njl_borrow(const char *text) {
  union {
    const char *in;
    char *out;
  } same = {text};
  return same.out;
}

#endif
