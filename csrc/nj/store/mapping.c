#include "store/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

struct nj_mapping {
  atomic_int refs;
  nj_ctx *ctx;
  unsigned char *data;
  uint64_t size;
  void (*release)(void *owner); /* memory of others: no file is mapped */
  void *owner;
  int borrowed;
};

static nj_status fail_errno(nj_ctx *ctx, const char *path) {
  int missing = errno == ENOENT || errno == ENOTDIR;
  return nj_fail(ctx, missing ? NJ_ENOTFOUND : NJ_EIO, "%s: %s", path, strerror(errno));
}

static nj_status map_descriptor(nj_ctx *ctx, const char *path, int fd, nj_mapping *mapping) {
  struct stat info;
  if (fstat(fd, &info) != 0)
    return fail_errno(ctx, path);
  if (!S_ISREG(info.st_mode))
    return nj_fail(ctx, NJ_EIO, "%s: not a regular file", path);
  mapping->size = (uint64_t)info.st_size;
  if (mapping->size == 0)
    return NJ_OK; /* an empty file cannot be mapped; there is nothing to see */
  void *data = mmap(NULL, (size_t)mapping->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED)
    return fail_errno(ctx, path);
  mapping->data = data;
  return NJ_OK;
}

nj_status nj_mapping_open(nj_ctx *ctx, const char *path, nj_mapping **out) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
  if (fd < 0)
    return fail_errno(ctx, path);
  nj_mapping *mapping = nj_calloc(ctx, 1, sizeof *mapping);
  nj_status st = mapping ? map_descriptor(ctx, path, fd, mapping) : NJ_ENOMEM;
  close(fd);
  if (st) {
    nj_free(ctx, mapping);
    return st;
  }
  atomic_init(&mapping->refs, 1);
  mapping->ctx = nj_ctx_retain(ctx);
  *out = mapping;
  return NJ_OK;
}

nj_status nj_mapping_from_memory(nj_ctx *ctx, void *data, uint64_t size,
                                 void (*release)(void *owner), void *owner, nj_mapping **out) {
  nj_mapping *mapping = nj_calloc(ctx, 1, sizeof *mapping);
  if (!mapping) {
    if (release)
      release(owner);
    return NJ_ENOMEM;
  }
  atomic_init(&mapping->refs, 1);
  mapping->ctx = nj_ctx_retain(ctx);
  mapping->data = data;
  mapping->size = size;
  mapping->release = release;
  mapping->owner = owner;
  mapping->borrowed = 1;
  *out = mapping;
  return NJ_OK;
}

nj_mapping *nj_mapping_retain(nj_mapping *mapping) {
  atomic_fetch_add_explicit(&mapping->refs, 1, memory_order_relaxed);
  return mapping;
}

void nj_mapping_release(void *shared) {
  nj_mapping *mapping = shared;
  if (!mapping || atomic_fetch_sub_explicit(&mapping->refs, 1, memory_order_acq_rel) != 1)
    return;
  nj_ctx *ctx = mapping->ctx;
  if (mapping->release)
    mapping->release(mapping->owner);
  if (mapping->data && !mapping->borrowed)
    munmap(mapping->data, (size_t)mapping->size);
  nj_free(ctx, mapping);
  nj_ctx_release(ctx);
}

unsigned char *nj_mapping_data(nj_mapping *mapping) { return mapping->data; }
uint64_t nj_mapping_size(const nj_mapping *mapping) { return mapping->size; }
