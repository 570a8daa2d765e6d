/* The token kernels for float32, once per instruction set. */
#include "kernels/token.h"

#include <stddef.h>

#include "kernels/vecmath.h"

#define T float
#define V nj_vf
#define LANES NJ_LANES
#define F(name) nj_v_##name
#define BLOCK nj_token_block
#define MEANS nj_token_means
extern const struct nj_token_kernels NJ_ISA_NAME(nj_token_kernels);
#define TABLE const struct nj_token_kernels NJ_ISA_NAME(nj_token_kernels)

#include "kernels/token_body.h"
