#!/usr/bin/env bash
# usage: tools/lint.sh build/nightjar/core.so
# Reports every finding, then fails if there was one.
set -uo pipefail
core=$1
bad=0
finding() { echo "lint: $1" >&2; [ -z "${2-}" ] || printf '%s\n' "$2" >&2; bad=1; }
need() { command -v "$1" > /dev/null || { finding "$1 is not installed (make deps DEV=1)"; return 1; }; }

if need luacheck; then
  out=$(luacheck --quiet . 2>&1) || finding "luacheck" "$out"
fi

if need clang-format; then
  out=$(find include csrc spec/c examples bench tools \( -name '*.c' -o -name '*.h' \) -print0 |
    xargs -0 -r clang-format --dry-run -Werror 2>&1) ||
    finding "clang-format (repair with: clang-format -i FILE)" "$(printf '%s\n' "$out" | grep -E 'error|warning' | head -40)"
fi

# Kernels of isa/ need their own flags. The checks are those of .clang-tidy.
if need clang-tidy; then
  flags="-std=c11 -D_GNU_SOURCE -Iinclude -Icsrc/nj -Icsrc/lua \
    $(pkg-config --cflags openblas sndfile libutf8proc sqlite3 soxr libzip zlib lua5.4 2> /dev/null)"
  out=$(find csrc -name '*.c' -not -path 'csrc/nj/kernels/isa/*' -print0 |
    xargs -0 -r -P2 -n12 sh -c 'clang-tidy --quiet "$@" -- $0' "$flags" 2> /dev/null) ||
    finding "clang-tidy" "$(printf '%s\n' "$out" | grep -E 'warning:|error:' | head -40)"
fi

# The laws of the house.
# Lines outside of comments that match.
hits() { grep -rnE "$@" | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/\*|\*|//|--)'; }
out=$(hits '#[[:space:]]*include[[:space:]]*[<"](lua|lauxlib|lualib|njl)[._a-z]*h?[>"]' csrc/nj) &&
  finding "Lua inside the C library" "$out"
out=$(hits '(^|[^A-Za-z0-9_])(printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|perror|exit|_exit|abort|assert)[[:space:]]*\(' csrc/nj) &&
  finding "the C library prints, exits or aborts" "$out"
out=$(hits '(^|[^A-Za-z0-9_])(malloc|calloc|realloc|free|strdup|aligned_alloc|posix_memalign)[[:space:]]*\(' csrc/nj --include='*.[ch]' |
  grep -vE '^csrc/nj/base/(alloc|context|parallel)\.c:') &&
  finding "memory that the context does not account" "$out"
out=$(hits '#[[:space:]]*include[[:space:]]*<cblas\.h>' csrc | grep -v '^csrc/nj/kernels/gemm[a-z_]*\.c:') &&
  finding "OpenBLAS is called from outside kernels/gemm" "$out"
out=$(hits '^#!.*(env +lua$|/lua$)' bin examples lua spec bench tools docs 2> /dev/null) &&
  finding "an interpreter that may be Lua 5.1" "$out"
out=$(hits 'require *\(? *["'"'"']lfs["'"'"']' lua | grep -v '^lua/nightjar/lfs\.lua:') &&
  finding "lfs sets a global: require nightjar.lfs" "$out"
out=$(hits '(^|[^.A-Za-z0-9_])tonumber[[:space:]]*[("]' lua/nightjar/data lua/nightjar/features lua/nightjar/plot | grep -v '/esc50_grammar/') &&
  finding "numbers of files are read by plain.number, in every locale the same" "$out"
out=$(find csrc lua spec bin bench examples 2> /dev/null | grep -E '/(util|utils|misc|common|helpers?)(\.|/|$)') &&
  finding "a room called after nothing" "$out"
out=$(git ls-files 2> /dev/null | xargs -r -d '\n' grep -nIE '[[:space:]]+$' -- 2> /dev/null | grep -vE '^(models|docs/reference)/' | head -20)
[ -z "$out" ] || finding "spaces at the end of a line" "$out"

out=$(nm -D --defined-only "$core" | awk '{print $3}' | grep -v '^luaopen_')
[ -z "$out" ] || finding "$core exports more than luaopen_*" "$out"

out=$(lua5.4 tools/floors.lua . "$(basename "$(dirname "$(dirname "$core")")")") ||
  finding "the floors of docs/architecture.md" "$out"

# Variables of static storage in the C library may be constants only: sections .data and .bss. The
# exception is in gemm.c, which counts the contexts that set OpenBLAS's process-wide thread count.
objects=$(find "$(dirname "$core")/../csrc/nj" -name '*.o' 2> /dev/null)
out=$(for object in $objects; do
  objdump -t "$object" | awk -v file="$object" '$0 ~ / O / && ($0 ~ /[ \t]\.(data|bss)(\.[a-z]*\.?[0-9]*)?[ \t]/) && $0 !~ /\.data\.rel\.ro/ {print file ": " $NF}'
done | grep -v '/kernels/gemm.o: ')
[ -z "$out" ] || finding "mutable variables of static storage in the C library" "$out"

[ $bad -eq 0 ] && echo "lint: clean"
exit $bad
