#!/usr/bin/env bash
# usage: tools/specs.sh [SPEC...]
# Runs specs in several processes side by side (JOBS of them; as many as there are processors, at most 4):
# one for each SPEC, or for each folder of spec/ and each spec beside them. A folder by itself has a
# young heap, so that specs that collect it whole are quick whatever ran before. One SPEC alone is busted
# as it is. BUSTED_ARGS are options of busted, SPEC_PRELOAD is its LD_PRELOAD (the sanitizers' runtime).
# The last line sums up; exit status 1 when a spec failed.
set -uo pipefail

# shellcheck disable=SC2086 # options are words
busted() { LD_PRELOAD="${SPEC_PRELOAD:-}" lua5.4 tools/busted.lua ${BUSTED_ARGS:-} "$@"; }

if [ $# -eq 1 ]; then
  busted "$1"
  exit
fi

jobs=${JOBS:-$(nproc)}
[ "$jobs" -le 4 ] || jobs=4
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# The slow ones first, so that none of them is left over at the end.
slow="spec/torture spec/ops spec/hostile spec/model spec/examples spec/encoders spec/cli"
if [ $# -eq 0 ]; then
  all=$(find spec -mindepth 1 -maxdepth 1 \( -type d ! -name c ! -name support -o -name '*_spec.lua' \) | sort)
  # shellcheck disable=SC2086,SC2046
  set -- $(printf '%s\n' $slow $all | awk '!seen[$0]++')
fi

one() {
  local log=$logs/${1//\//_} begin=$SECONDS status=0 sum
  BUSTED_ARGS="-o plainTerminal ${BUSTED_ARGS:-}" busted "$1" > "$log" 2>&1 || status=$?
  sum=$(grep -E '^[0-9]+ success' "$log" | tail -n 1)
  [ -z "$sum" ] || echo "$sum" >> "$logs/sums"
  { # one write, so that processes do not mix their lines
    if [ $status -eq 0 ]; then
      printf 'ok      %-24s %4d s  %d specs\n' "$1" $((SECONDS - begin)) "${sum%% *}"
      grep -A 2 '^Pending ->' "$log" | awk '/^Pending/ { n = 2; next } n-- == 2 { printf "        pending: %s", $0 }
        n == 0 { sub(/^[^ ]*: /, ""); print " (" $0 ")" }'
    else
      printf 'FAILED  %-24s %4d s\n' "$1" $((SECONDS - begin))
      grep -vE '^[0-9]+ success' "$log" | sed 's/^/    /'
    fi
  } > "$log.said"
  cat "$log.said"
  return $status
}
export -f one busted
export logs

printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -c 'one {}'
status=$?
awk -v wanted=$# '{ s += $1; f += $4; e += $7; p += $10 } END {
  printf "%d successes / %d failures / %d errors / %d pending", s, f, e, p
  if (NR < wanted) printf "; %d of %d did not end", wanted - NR, wanted
  print "" }' "$logs/sums" /dev/null
[ $status -eq 0 ]
