#!/usr/bin/env bash
# usage: build.sh [PRESET TARGET...]
#
# Installs what is missing and builds: without arguments the programs, into build/bin/; else targets of a preset of
# CMakePresets.json, with its tests. Takes seconds when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if (($#)); then
  preset=$1
  targets=("${@:2}")
  deploy/install_packages.sh tests
else
  preset=cpu
  targets=(coordinator worker generate bench)
  deploy/install_packages.sh build
fi
folder=build
[[ $preset == cpu ]] || folder=build-$preset
if [[ -e $folder && ! -w $folder ]]; then
  echo "build.sh: $PWD/$folder belongs to another user; remove it, or run this as that user" >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
logged() { "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }

if (($#)); then
  logged cmake --preset "$preset" -DGANTRY_TESTS=ON
elif [[ ! -e $folder/build.ninja ]]; then
  logged cmake --preset "$preset" -DGANTRY_TESTS=OFF
fi
# One compiler may take 1 GB.
jobs=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 1000000))
((jobs < $(nproc))) || jobs=$(nproc)
((jobs > 0)) || jobs=1
if ! ninja -C "$folder" -n "${targets[@]}" 2>/dev/null | grep -q 'no work to do'; then
  echo "Building $folder (minutes the first time)" >&2
fi
logged ninja -C "$folder" -j "$jobs" "${targets[@]}"
