/* The elementwise kernels for float64: map_body.h over single doubles. */
/* The expressions of map_list.h serve vectors of lanes as well, where only & will do. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wbitwise-instead-of-logical"
#endif

#include "kernels/map.h"

#include "kernels/scalar64.h"

#define T double
#define V double
#define LANES 1
#define F(name) nj_d_##name
#define TABLE const nj_map_kernels_double nj_map_double

#include "kernels/map_body.h"
