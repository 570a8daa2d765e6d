#!/usr/bin/env bash
# usage: tools/torture.sh [SHARE]
# The suites of spec/torture at SHARE of their full length (1): faults of the system, losses of power,
# processes that work at once or are killed, damaged files, and that reading changes nothing. Damaged files
# come again under AddressSanitizer and UBSan, and so does a tenth of the faults; the fuzz targets of libraries
# and commands run for FUZZ_SECONDS (60) each; FUZZ_SECONDS=0 leaves them out. What was done is printed, a
# figure a line; docs/reliability.md quotes them. Exit status 1 when anything failed.
set -uo pipefail
share=${1:-1}
seconds=${FUZZ_SECONDS:-60}
build=build-asan
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
export NIGHTJAR_TORTURE=$share

# suite NAME LABEL: one spec; its figures, or the end of what it said
suite() {
  local begin=$SECONDS
  if BUSTED_ARGS="-o plainTerminal" tools/specs.sh "spec/torture/$1_spec.lua" > "$log" 2>&1; then
    grep -ao 'FIGURE .*' "$log" | sed "s/\$/$2/"
    printf '        %s%s: %d s\n' "$1" "$2" $((SECONDS - begin))
  else
    printf 'FAILED  %s%s\n' "$1" "$2"
    tail -n 60 "$log"
    status=1
  fi
}

echo "commit $(git rev-parse --short HEAD 2> /dev/null || echo unknown), SQLite $(lua5.4 -e 'io.write(require("njfault").version)')"
for name in faults power processes damage reading; do suite $name ""; done

flags="-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all"
make --no-print-directory -s -j"${JOBS:-2}" BUILD=$build CC=gcc OPT=-O1 KEEP_OPT=1 EXTRA_CFLAGS="$flags" \
  EXTRA_LDFLAGS="-fsanitize=address,undefined" build $build/njfault.so || status=1
gcc -shared -fPIC -O1 -o $build/keep_loaded.so tools/keep_loaded.c || status=1
for name in damage faults; do
  [ $name = damage ] || NIGHTJAR_TORTURE=$(awk "BEGIN { print $share / 10 }")
  # As in tools/sanitize.sh.
  ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:allocator_may_return_null=1:detect_stack_use_after_return=0:intercept_tls_get_addr=0" \
    UBSAN_OPTIONS="print_stacktrace=1" LSAN_OPTIONS="suppressions=tools/lsan.supp:print_suppressions=0" \
    NIGHTJAR_BUILD=$build LUA_CPATH_5_4="./$build/?.so;;" \
    SPEC_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so) ./$build/keep_loaded.so" \
    suite $name " (AddressSanitizer)"
done

if [ "$seconds" -gt 0 ]; then
  if command -v clang > /dev/null; then
    tools/fuzz.sh "$seconds" library command > "$log" 2>&1 || { status=1; cat "$log"; }
    awk '/^==/ { name = $2 } /executed_units/ { print "FIGURE fuzz target " name " " $2 " inputs in '"$seconds"' s" }' "$log" |
      sed 's/, / /; s/, \([0-9]\)/: \1/'
  else
    echo "fuzz targets left out: clang is not installed (make deps DEV=1)"
  fi
fi
exit $status
