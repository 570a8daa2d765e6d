#!/usr/bin/env bash
# usage: tools/every_isa.sh CTESTS SPEC...
# Runs the C tests and the specs once per instruction set that this CPU has.
set -euo pipefail
ctests=$1
shift
for isa in portable avx2 avx512; do
  export NIGHTJAR_ISA=$isa
  if ! lua5.4 -e 'require "nightjar.core"' 2> /dev/null; then
    [ "$isa" != portable ] || { echo "isa: portable does not load" >&2; exit 1; }
    echo "isa: $isa: this CPU lacks it, skipped"
    continue
  fi
  echo "isa: $isa"
  "$ctests"
  [ $# -eq 0 ] || tools/specs.sh "$@"
done
