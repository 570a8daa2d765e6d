#!/usr/bin/env bash
# usage: tools/sanitize.sh [SPEC...]
# AddressSanitizer, UBSan and LeakSanitizer over the C tests, the embedding host and the specs.
set -euo pipefail
build=build-asan
flags="-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all"
make --no-print-directory -s -j"${JOBS:-2}" BUILD=$build CC=gcc OPT=-O1 KEEP_OPT=1 EXTRA_CFLAGS="$flags" \
  EXTRA_LDFLAGS="-fsanitize=address,undefined" build $build/ctests $build/embed $build/njfault.so

# lua_close unloads C modules, after which a leak's frames have no names: keep them loaded.
gcc -shared -fPIC -O1 -o $build/keep_loaded.so tools/keep_loaded.c

# The interpreter is not built with ASan: its runtime has to come first. Programs that specs start
# (sh, rm) inherit the preload; leaks of theirs are suppressed by name in lsan.supp.
# intercept_tls_get_addr=0: LeakSanitizer takes some blocks of thread-local storage for glibc 2.19's by the
# last digits of their address, and then crashes reading what it believes to be their size.
# The lists in LD_PRELOAD and LSAN_OPTIONS cannot hold a space.
case $PWD in *\ *) here=. ;; *) here=$PWD ;; esac
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:allocator_may_return_null=1:detect_stack_use_after_return=0:intercept_tls_get_addr=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1"
export LSAN_OPTIONS="suppressions=$here/tools/lsan.supp:print_suppressions=0"
export NIGHTJAR_BUILD=$build
export LUA_CPATH_5_4="./$build/?.so;;" LUA_PATH_5_4="./lua/?.lua;./lua/?/init.lua;./?.lua;;"

$build/ctests
$build/embed lua examples/embed/work.lua
preload="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so) $here/$build/keep_loaded.so"
SPEC_PRELOAD="$preload" tools/specs.sh "$@"
