#include "base/alloc.h"
#include "base/file.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctest.h"
#include "kernels/kernels.h"

/* A forked child has its parent's new file too, and may end in the usual way before the parent goes on. */
TEST(file_of_a_parent_is_not_its_childs_to_remove) {
  char folder[] = "/tmp/nightjar-XXXXXX", path[64], temporary[96];
  nj_ctx *ctx = NULL;
  nj_new_file *file = NULL;
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/x", folder);
  snprintf(temporary, sizeof temporary, "%s.nightjar-0.part", path);
  CHECK_OK(nj_ctx_new(NULL, &ctx));
  CHECK_OK(nj_file_create(ctx, "test", path, &file));
  CHECK_OK(nj_file_append(file, "text", 4));
  pid_t child = fork();
  if (child == 0) {
    nj_file_abandon(file);
    _exit(0);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
  CHECK(access(temporary, F_OK) == 0);
  CHECK_OK(nj_file_commit(file));
  CHECK(access(temporary, F_OK) != 0);
  char *data = NULL;
  size_t length = 0;
  CHECK_OK(nj_file_read(ctx, "test", path, 100, &data, &length));
  CHECK_INT(length, 4);
  nj_free(ctx, data);
  unlink(path);
  rmdir(folder);
  nj_ctx_release(ctx);
}
