/* nightjar's C library. Include this one; link libnightjar.a and what pkg-config says of openblas,
 * sndfile, samplerate or soxr, libutf8proc and sqlite3.
 *
 * Floors, each knowing only those above it in this list (docs/architecture.md has the plan of the house):
 *   base/ kernels/ · tensor/ ops/ · audio/ text/ store/ · encoders/ · search/ */
#ifndef NJ_H
#define NJ_H

#define NJ_VERSION "0.1.0"

#include "base/alloc.h"
#include "base/array.h"
#include "base/context.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/utf8.h"
#include "ops/arrange.h"
#include "ops/index.h"
#include "ops/join.h"
#include "ops/shape.h"
#include "tensor/autograd.h"
#include "tensor/dtype.h"
#include "tensor/print.h"
#include "tensor/tensor.h"

#endif
