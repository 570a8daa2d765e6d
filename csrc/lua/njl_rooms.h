/* The rooms of the binding, one a line, opened in this order: a room that adds methods to a class
 * comes after the room that registers it. Included several times, with NJL_ROOM defined. */
NJL_ROOM(context)
NJL_ROOM(rng)
NJL_ROOM(tensor)
NJL_ROOM(create)
NJL_ROOM(shape)
NJL_ROOM(autograd)
NJL_ROOM(store)
NJL_ROOM(catalogue)
NJL_ROOM(text)
NJL_ROOM(rank)
NJL_ROOM(system)
