/* Preloaded by tools/sanitize.sh: C modules stay loaded, so that reports can name their frames. */
int dlclose(void *handle);

int dlclose(void *handle) {
  (void)handle;
  return 0;
}
