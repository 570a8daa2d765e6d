/* Networks as userdata of one class. Options, parameters, descriptors and freeing are the library's
 * (nn/network.h); the binding adds how each kind is called:
 *
 *   static int call_thing(lua_State *L, nj_network *base) { … arguments from 2 … }
 *
 *   void njl_open_things(lua_State *L) {
 *     static const njl_network_class classes[] = {{&nj_thing_network, call_thing, "encoder"}, {0}};
 *     njl_networks(L, "things", classes);
 *   } */
#ifndef NJL_NETWORK_H
#define NJL_NETWORK_H

#include "njl.h"

#define NJL_NETWORK "nightjar.Encoder"

typedef struct {
  const nj_network_kind *kind;
  int (*call)(lua_State *L, nj_network *net);
  const char *noun; /* in tostring, after the kind's name: "encoder" */
} njl_network_class;

/* For each class (the last is zero) a function that makes such a network from a table of options, under
 * the kind's name in the table `space` of the module table on top of the stack. */
void njl_networks(lua_State *L, const char *space, const njl_network_class *classes);

/* The network at an argument; raises when it was freed, or is none. */
nj_network *njl_check_network(lua_State *L, int index);
/* The network at an argument when it is of this kind, else raises. */
void *njl_check_network_of(lua_State *L, int index, const nj_network_kind *kind);

/* The tensor at an argument, or NULL for nil. */
nj_tensor *njl_opt_tensor(lua_State *L, int index);
/* Option 'rng' of a call's options at `index`, which may have that option alone. */
nj_rng *njl_call_rng(lua_State *L, int index, const char *function);

/* Tensors from inside a network that a call gives when option 'hidden' is true. */
#define NJL_MOST_INNER 64
typedef struct {
  int n;
  nj_tensor **slots[NJL_MOST_INNER], *tensors[NJL_MOST_INNER];
} njl_inner;

/* Pushes a list for n of them, when the option is set in the options at `index`; else inner->n is 0 and
 * nothing is pushed. Gives where the library puts them: NULL when n is 0. */
nj_tensor **njl_inner_make(lua_State *L, int index, const char *function, int n, njl_inner *inner);
/* Gives the list what the library put there, also after a failure: before anything can throw. */
void njl_inner_keep(njl_inner *inner);

#endif
