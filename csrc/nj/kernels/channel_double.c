/* The channel kernels for float64: the bodies of channel_body.h over single doubles. */
#include "kernels/channel.h"
#include "kernels/scalar64.h"

#define T double
#define V double
#define LANES 1
#define F(name) nj_d_##name
#define CLAMP(v) ((v) < 0 ? 0 : (v))
#define TABLE const nj_channel_kernels_double nj_channel_double

#include "kernels/channel_body.h"
