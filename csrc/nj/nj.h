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
#include "tensor/autograd.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"
#include "tensor/flow.h"
#include "tensor/iter.h"
#include "tensor/print.h"
#include "tensor/tensor.h"
#include "ops/arrange.h"
#include "ops/attention.h"
#include "ops/broadcast.h"
#include "ops/columns.h"
#include "ops/compare.h"
#include "ops/conv.h"
#include "ops/cross_entropy.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/inplace.h"
#include "ops/join.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/optim.h"
#include "ops/pool.h"
#include "ops/product.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/resize.h"
#include "ops/rows.h"
#include "ops/scan.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "ops/sort.h"
#include "text/bpe_files.h"
#include "text/normalize.h"
#include "text/tokenizer.h"
#include "text/train_wordpiece.h"
#include "store/archive.h"
#include "store/safetensors.h"
#include "search/catalogue.h"

#endif
