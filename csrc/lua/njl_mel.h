/* The front-end's class, for rooms that take one as an argument. */
#ifndef NJL_MEL_H
#define NJL_MEL_H

#include "njl.h"

#define NJL_MEL "nightjar.FrontEnd"
nj_mel *njl_check_mel(lua_State *L, int index);

#endif
