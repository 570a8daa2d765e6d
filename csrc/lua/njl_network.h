/* Networks as userdata of one class: what differs between kinds is how one is made from options and how
 * it is called. njl_network.c has what all of them do; njl_encoders.c and others make them:
 *
 *   static int call_thing(lua_State *L, njl_network *network) { … }
 *   static void free_thing(void *net) { nj_thing_free(net); }
 *   static const njl_network_kind thing_kind = {"thing", call_thing, free_thing, "encoder"};
 *
 *   njl_network *network = njl_new_network(L, &thing_kind);
 *   nj_thing *net = NULL;
 *   NJL_CALL(L, nj_thing_new(ctx, &options, rng, &net));
 *   network->net = net;
 *   network->params = &net->params;
 *   njl_describe_string(L, "kind", "thing"); …
 *   njl_account(L);
 *   return 1; */
#ifndef NJL_NETWORK_H
#define NJL_NETWORK_H

#include "njl.h"

#define NJL_NETWORK "nightjar.Encoder"

typedef struct njl_network njl_network;

typedef struct {
  const char *name;
  int (*call)(lua_State *L, njl_network *network); /* arguments from 2 */
  void (*free)(void *net);
  const char *noun; /* in tostring, behind the name: "encoder" */
} njl_network_kind;

struct njl_network {
  const njl_network_kind *kind;
  void *net; /* NULL until made, and after it was freed */
  nj_params *params;
  int training;
};

/* Pushes a network that is still to be made; its descriptor is empty. */
njl_network *njl_new_network(lua_State *L, const njl_network_kind *kind);
/* The network at an argument; raises when it was freed, or is none. */
njl_network *njl_check_network(lua_State *L, int index);
/* The network at an argument when it is of this kind, else raises. */
njl_network *njl_check_network_of(lua_State *L, int index, const njl_network_kind *kind);

/* Option 'dtype' of parameters: float32 when absent; float64 serves gradient checks. */
nj_dtype njl_opt_parameter_dtype(lua_State *L, int index, const char *function);

/* Entries of the descriptor of the network on top of the stack: the options in full, so that a file
 * can rebuild it. */
void njl_describe_integer(lua_State *L, const char *key, lua_Integer value);
void njl_describe_number(lua_State *L, const char *key, lua_Number value);
void njl_describe_string(lua_State *L, const char *key, const char *value);
void njl_describe_boolean(lua_State *L, const char *key, int value);
void njl_describe_list(lua_State *L, const char *key, int n, const int64_t *values);

/* Option 'rng' of the table at 1: what draws the weights, the state's default generator when absent;
 * NULL for false, which leaves drawn weights zero (they are about to be loaded). */
nj_rng *njl_weights_rng(lua_State *L, const char *function);

/* The table `name` of the module table on top of the stack, made when it is not there: rooms that
 * share a namespace each call it. Pushes the table. */
void njl_namespace(lua_State *L, const char *name);

#endif
