/* The token kernels for float64: the bodies of token_body.h over single doubles. */
#include "kernels/token.h"

#include <stddef.h>

#include "kernels/scalar64.h"

#define T double
#define V double
#define LANES 1
#define F(name) nj_d_##name
#define BLOCK nj_token_block_double
#define MEANS nj_token_means_double
#define TABLE const nj_token_kernels_double nj_token_double

#include "kernels/token_body.h"
