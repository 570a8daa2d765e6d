/* The optimiser kernels for float64. */
#include "kernels/optim.h"

#include <stddef.h>

#include "kernels/scalar64.h"

#define T double
#define V double
#define LANES 1
#define F(name) nj_d_##name
#define TABLE const nj_optim_kernels_double nj_optim_double

#include "kernels/optim_body.h"
