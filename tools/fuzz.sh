#!/usr/bin/env bash
# usage: tools/fuzz.sh SECONDS [TARGET...]
# Builds the libFuzzer targets of tools/fuzz (clang, AddressSanitizer, UBSan) and runs each for
# SECONDS. What is found lies in build-fuzz/found; build-fuzz/corpus/TARGET grows from run to run.
# Only the rooms that read what comes from outside, and the binding, are instrumented; the rest is the
# ordinary build. The targets `library` and `command` run Lua (tools/fuzz/*.lua).
set -euo pipefail
seconds=$1
shift
build=build-fuzz
ordinary=${BUILD:-build}
flags="-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all"
objects=$(find csrc/nj/base csrc/nj/store csrc/nj/text csrc/nj/audio csrc/nj/tensor csrc/nj/library csrc/lua -name '*.c' | sed "s|^|$build/|; s|c\$|o|")
make --no-print-directory -s -j"${JOBS:-2}" BUILD="$ordinary" "$ordinary/libnightjar.a"
# shellcheck disable=SC2086
make --no-print-directory -s -j"${JOBS:-2}" BUILD=$build CC=clang OPT=-O1 EXTRA_CFLAGS="$flags" $objects
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(archive pickle json tokenizer sound library command)

packages="openblas sndfile libutf8proc sqlite3 soxr libzip zlib"
lua=$(for name in lua5.4 lua-5.4 lua54; do pkg-config --exists $name && echo $name && break; done)
mkdir -p $build/found
export LUA_PATH_5_4="./lua/?.lua;./lua/?/init.lua;./?.lua;;" LUA_CPATH_5_4="./$ordinary/?.so;;"
make --no-print-directory -s BUILD="$ordinary" "$ordinary/nightjar/core.so" "$ordinary/njfault.so"
lua5.4 tools/fuzz/seeds.lua $build/corpus
status=0
for target in "${targets[@]}"; do
  # shellcheck disable=SC2046,SC2086
  clang -std=c11 -D_GNU_SOURCE -O1 -g -Iinclude -Icsrc/nj -Icsrc/lua -Itools/fuzz $(pkg-config --cflags $packages $lua) \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$build/fuzz_$target" \
    "tools/fuzz/$target.c" $objects "$ordinary/libnightjar.a" $(pkg-config --libs $packages $lua) -Wl,-E -lm -pthread
  more=()
  [ ! -d ../shared/golden/12_negative ] || [ "$target" != archive ] ||
    more=(../shared/golden/12_negative ../shared/golden/12_containers)
  dictionary=()
  [ ! -f "tools/fuzz/$target.dict" ] || dictionary=(-dict="tools/fuzz/$target.dict")
  echo "== $target, $seconds s"
  "$build/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=20 \
    -print_final_stats=1 "${dictionary[@]}" -artifact_prefix="$PWD/$build/found/$target-" \
    "$PWD/$build/corpus/$target" "${more[@]}" 2> "$build/found/$target.log" || status=1
  grep -E "stat::number_of_executed_units|stat::peak_rss_mb|ERROR|SUMMARY" "$build/found/$target.log" | sed 's/^/   /'
done
[ $status -eq 0 ] || echo "found something: see $build/found"
exit $status
