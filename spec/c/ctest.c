#include "ctest.h"

#include <stdlib.h>

static ctest *first;
static const char *running;
static int failed_checks;

void ctest_register(ctest *test) {
  ctest **place = &first;
  while (*place && strcmp((*place)->name, test->name) < 0)
    place = &(*place)->next;
  test->next = *place;
  *place = test;
}

void ctest_fail(const char *file, int line, const char *what) {
  failed_checks++;
  fprintf(stderr, "%s:%d: %s: %s\n", file, line, running, what);
}

/* usage: ctests [part of a name] */
int main(int argc, char **argv) {
  int passed = 0, failed = 0;
  for (ctest *test = first; test; test = test->next) {
    if (argc > 1 && !strstr(test->name, argv[1]))
      continue;
    int before = failed_checks;
    running = test->name;
    test->run();
    if (failed_checks == before)
      passed++;
    else
      failed++;
  }
  printf("ctests: %d passed, %d failed\n", passed, failed);
  return failed || !passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
