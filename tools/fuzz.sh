#!/usr/bin/env bash
# usage: tools/fuzz.sh SECONDS [TARGET...]
# Builds the libFuzzer targets of tools/fuzz (clang, AddressSanitizer, UBSan) and runs each for
# SECONDS. What is found lies in build-fuzz/found; build-fuzz/corpus/TARGET grows from run to run.
# Only the rooms that read what comes from outside are instrumented; the rest is the ordinary build.
set -euo pipefail
seconds=$1
shift
build=build-fuzz
ordinary=${BUILD:-build}
flags="-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all"
objects=$(find csrc/nj/base csrc/nj/store csrc/nj/text csrc/nj/audio csrc/nj/tensor -name '*.c' | sed "s|^|$build/|; s|c\$|o|")
make --no-print-directory -s -j"${JOBS:-2}" BUILD="$ordinary" "$ordinary/libnightjar.a"
# shellcheck disable=SC2086
make --no-print-directory -s -j"${JOBS:-2}" BUILD=$build CC=clang OPT=-O1 EXTRA_CFLAGS="$flags" $objects
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(archive pickle json tokenizer sound)

packages="openblas sndfile libutf8proc sqlite3 soxr libzip zlib"
mkdir -p $build/found
lua5.4 tools/fuzz/seeds.lua $build/corpus
status=0
for target in "${targets[@]}"; do
  # shellcheck disable=SC2046,SC2086
  clang -std=c11 -D_GNU_SOURCE -O1 -g -Icsrc/nj -Itools/fuzz $(pkg-config --cflags $packages) \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$build/fuzz_$target" \
    "tools/fuzz/$target.c" $objects "$ordinary/libnightjar.a" $(pkg-config --libs $packages) -lm -pthread
  more=()
  [ ! -d ../shared/golden/12_negative ] || [ "$target" != archive ] ||
    more=(../shared/golden/12_negative ../shared/golden/12_containers)
  dictionary=()
  [ ! -f "tools/fuzz/$target.dict" ] || dictionary=(-dict="tools/fuzz/$target.dict")
  echo "== $target, $seconds s"
  "$build/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=20 \
    -print_final_stats=1 "${dictionary[@]}" -artifact_prefix="$build/found/$target-" \
    "$build/corpus/$target" "${more[@]}" 2> "$build/found/$target.log" || status=1
  grep -E "stat::number_of_executed_units|stat::peak_rss_mb|ERROR|SUMMARY" "$build/found/$target.log" | sed 's/^/   /'
done
[ $status -eq 0 ] || echo "found something: see $build/found"
exit $status
