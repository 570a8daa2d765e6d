/* The row kernels for float64: the bodies of row_body.h over single doubles. */
#include "kernels/row.h"

#include <stddef.h>

#include "kernels/scalar64.h"

#define T double
#define V double
#define LANES 1
#define F(name) nj_d_##name
#define TABLE const nj_row_kernels_double nj_row_double

#include "kernels/row_body.h"
