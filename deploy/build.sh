#!/usr/bin/env bash
# usage: build.sh
#
# Installs what is missing and builds the programs into build/bin/. Takes seconds when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deploy/install_packages.sh build
if [[ -e build && ! -w build ]]; then
  echo "build.sh: $PWD/build belongs to another user; remove it, or run this as that user" >&2
  exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [[ ! -e build/build.ninja ]]; then
  cmake --preset cpu -DGANTRY_TESTS=OFF >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
# A compiler takes up to about 1 GB.
jobs=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 1000000))
((jobs < $(nproc))) || jobs=$(nproc)
((jobs > 0)) || jobs=1
targets=(coordinator worker generate bench)
if ! ninja -C build -n "${targets[@]}" 2>/dev/null | grep -q 'no work to do'; then
  echo "Building (minutes the first time)" >&2
fi
ninja -C build -j "$jobs" "${targets[@]}" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
