#!/usr/bin/env bash
# usage: tools/deps.sh [run|dev]
# Installs what nightjar needs and this machine lacks. `run`: enough to build and to run; nothing:
# the tests as well; `dev`: the tools of lint, asan, valgrind, coverage and the rock as well.
set -euo pipefail

run="gcc make pkg-config libc6-dev lua5.4 liblua5.4-dev libopenblas-dev libsndfile1-dev libutf8proc-dev
  libsqlite3-dev libsoxr-dev libzip-dev zlib1g-dev lua-argparse lua-dkjson lua-filesystem"
test="lua-busted locales"
dev="luarocks unzip lua-check clang clang-format clang-tidy valgrind lcov"

want=$run
case "${1-}" in
  run) ;;
  "") want="$run $test" ;;
  dev) want="$run $test $dev" ;;
  *) echo "usage: tools/deps.sh [run|dev]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  missing=""
  for tool in gcc make pkg-config lua5.4; do
    command -v "$tool" > /dev/null || missing+=" $tool"
  done
  for library in lua5.4 openblas sndfile libutf8proc sqlite3 soxr libzip zlib; do
    pkg-config --exists "$library" 2> /dev/null || missing+=" $library(pkg-config)"
  done
  [ -z "$missing" ] && exit 0
  echo "deps: this is no Debian or Ubuntu; please install by hand:$missing" >&2
  exit 1
fi

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]; }

missing=()
for package in $want; do
  installed "$package" || dpkg-query -W -f='${Provides} ${db:Status-Status}\n' 2> /dev/null |
    grep -qE "(^|[ ,])$package([ ,(].*)? installed$" || missing+=("$package")
done
# Specs of writers run under a locale with a decimal comma; without it they are pending.
make_locale() {
  [ "${1-}" != run ] && command -v localedef > /dev/null || return 0
  locale -a 2> /dev/null | grep -qi '^de_DE\.utf-\?8$' && return 0
  $as_root localedef -i de_DE -f UTF-8 de_DE.UTF-8 ||
    echo "deps: the locale de_DE.UTF-8 could not be made; some specs will be pending" >&2
}

as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo -n"
if [ ${#missing[@]} -eq 0 ]; then
  make_locale "$@"
  exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "deps: missing, and neither root nor sudo: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root="sudo"
  [ -t 0 ] || as_root="sudo -n"
fi

echo "deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q < /dev/null ||
  echo "deps: apt-get update failed; trying with the package lists that are here" >&2
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" < /dev/null || {
  echo "deps: apt-get could not install: ${missing[*]}" >&2
  exit 1
}
make_locale "$@"
