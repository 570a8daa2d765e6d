/* The pooling kernels for float64: the bodies of pool_body.h over single doubles. */
#include "kernels/pool.h"
#include "kernels/scalar64.h"

#define T double
#define V double
#define LANES 1
#define F(name) nj_d_##name
#define ROW nj_pool_row_double
#define TABLE const nj_pool_kernels_double nj_pool_double

#include "kernels/pool_body.h"
