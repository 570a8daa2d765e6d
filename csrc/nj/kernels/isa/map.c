/* The elementwise kernels for float32, once per instruction set. */
#include "kernels/map.h"

#include "kernels/vecmath.h"

#define T float
#define V nj_vf
#define LANES NJ_LANES
#define F(name) nj_v_##name
#define TABLE const nj_map_kernels NJ_ISA_NAME(nj_map_kernels)

#include "kernels/map_body.h"
