/* The pooling kernels for float32, once per instruction set. */
#include "kernels/pool.h"

#include "kernels/vecmath.h"

#define T float
#define V nj_vf
#define LANES NJ_LANES
#define F(name) nj_v_##name
#define ROW nj_pool_row
extern const struct nj_pool_kernels NJ_ISA_NAME(nj_pool_kernels);
#define TABLE const struct nj_pool_kernels NJ_ISA_NAME(nj_pool_kernels)

#include "kernels/pool_body.h"
