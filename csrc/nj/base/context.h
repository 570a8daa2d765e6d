/* The context: one per embedding (per Lua state). It owns the allocator's accounts, the thread
 * pool, the interrupt poll, the log sink and the text of the last error. Nothing in the library is
 * global and mutable, so two contexts in two OS threads work at once.
 *
 * A context is used from one thread at a time (its "calling thread"); the pool's workers only run
 * blocks handed out by nj_parallel (parallel.h). nj_alloc, nj_free, retain and release are safe
 * from any thread. */
#ifndef NJ_BASE_CONTEXT_H
#define NJ_BASE_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* nj_ctx_options and what hosts call besides (nj_ctx_new, nj_ctx_release, nj_ctx_error) are in nightjar.h. */

/* Makes a context with one reference, over kernels chosen by the caller: nj_ctx_new of
 * kernels/kernels.h, which everybody else calls, gives the table that options->isa names. `kernels` and
 * options->isa must outlive the context. Errors: EARG (threads outside 0 to 256), ENOMEM. */
struct nj_kernels;
nj_status nj_ctx_new_with(const nj_ctx_options *options, const struct nj_kernels *kernels,
                          nj_ctx **out);
nj_ctx *nj_ctx_retain(nj_ctx *ctx);

/* Has `hook` called when the last reference goes, for what a higher room holds for the process on behalf of
 * contexts. 1: it was added; 0: it was there before; -1: there is no room for it. Safe from any
 * thread. */
#define NJ_CTX_HOOKS 4
int nj_ctx_on_release(nj_ctx *ctx, void (*hook)(void));

/* Detaches the host's callbacks (poll and log), for a host that closes before the last object. */
void nj_ctx_detach_host(nj_ctx *ctx);

/* Records the detail of an error and returns `status`, so that one can write
 *   return nj_fail(ctx, NJ_ESHAPE, "matmul: inner sizes differ: %s x %s", a, b);
 * Begin with the operation's name; say what was expected and what came. Safe from any thread. */
nj_status nj_fail(nj_ctx *ctx, nj_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void nj_report(nj_ctx *ctx, nj_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* NJ_EINTR (with its text set) when the host wants to stop, else NJ_OK. Calling thread only. */
nj_status nj_poll(nj_ctx *ctx);
/* The same as a function to call back: 1 when `ctx`, an nj_ctx, is to stop. */
int nj_poll_stop(void *ctx);

/* 1 while operations record the autograd graph; see tensor/autograd.h. */
int nj_grad_enabled(const nj_ctx *ctx);
void nj_set_grad_enabled(nj_ctx *ctx, int enabled);

/* 1, 2, 3 …: the order in which operations were recorded, and the number of each backward walk. */
uint64_t nj_ctx_next_sequence(nj_ctx *ctx);

/* The kernel table that the context was made with; see kernels/kernels.h. */
const struct nj_kernels *nj_ctx_kernels(const nj_ctx *ctx);

#endif
