#!/usr/bin/env bash
# usage: tools/coverage.sh [SPEC...]
# Lines that the C tests and the specs reach: C by gcov and lcov, Lua by a line hook.
set -euo pipefail
build=build-coverage
make --no-print-directory -s -j"${JOBS:-2}" BUILD=$build CC=gcc OPT=-O1 KEEP_OPT=1 EXTRA_CFLAGS=--coverage EXTRA_LDFLAGS=--coverage \
  build $build/ctests $build/njfault.so
find $build -name '*.gcda' -delete
export NIGHTJAR_BUILD=$build
export LUA_CPATH_5_4="./$build/?.so;;" LUA_PATH_5_4="./lua/?.lua;./lua/?/init.lua;./?.lua;;"
$build/ctests
NIGHTJAR_COVERAGE=$build/lua-coverage.txt lua5.4 tools/busted.lua -o plainTerminal \
  --helper=spec/support/coverage.lua "$@"

if command -v lcov > /dev/null; then
  lcov --quiet --capture --directory $build --output-file $build/all.info --rc lcov_branch_coverage=0
  lcov --quiet --extract $build/all.info "*/csrc/*" --output-file $build/c.info
  echo "C coverage, by file:"
  lcov --list $build/c.info | sed -n '4,$p'
else
  echo "coverage: lcov is not installed (make deps DEV=1); figures of C left out" >&2
fi
echo "Lua coverage, by file:"
cat $build/lua-coverage.txt
