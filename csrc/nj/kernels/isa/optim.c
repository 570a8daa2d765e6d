/* The optimiser kernels for float32, once per instruction set. */
#include "kernels/optim.h"

#include <stddef.h>

#include "kernels/vecmath.h"

#define T float
#define V nj_vf
#define LANES NJ_LANES
#define F(name) nj_v_##name
#define TABLE const nj_optim_kernels NJ_ISA_NAME(nj_optim_kernels)

#include "kernels/optim_body.h"
