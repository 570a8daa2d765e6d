/* The row kernels for float32, once per instruction set. */
#include "kernels/row.h"

#include <stddef.h>

#include "kernels/vecmath.h"

#define T float
#define V nj_vf
#define LANES NJ_LANES
#define F(name) nj_v_##name
#define TABLE const nj_row_kernels NJ_ISA_NAME(nj_row_kernels)

#include "kernels/row_body.h"
