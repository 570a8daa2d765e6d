/* The channel kernels for float32, once per instruction set. */
#include "kernels/channel.h"

#include "kernels/vecmath.h"

#define T float
#define V nj_vf
#define LANES NJ_LANES
#define F(name) nj_v_##name
/* The bits of v where v >= 0 or v is NaN. */
#define CLAMP(v) ((nj_vf)((nj_vi)(v) & ~(nj_vi)((v) < (nj_vf){0})))
extern const struct nj_channel_kernels NJ_ISA_NAME(nj_channel_kernels);
#define TABLE const struct nj_channel_kernels NJ_ISA_NAME(nj_channel_kernels)

#include "kernels/channel_body.h"
