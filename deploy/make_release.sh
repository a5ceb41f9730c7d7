#!/usr/bin/env bash
# usage: make_release.sh [--build DIR] [--output DIR]
#
# Makes gantry-VERSION-linux-ARCH.tar.gz, which runs without installing anything, and SHA256SUMS, in DIR (the current folder).
# Builds in build-release, with GPU workers where nvcc is found; or takes what --build was configured for, such as
# build-cuda, whose bundle has the tests for a machine with GPUs. Without GPU workers the name ends in -cpu.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() { echo "make_release.sh: $1" >&2; exit "${2:-1}"; }

build=
output=.
while (($#)); do
  case $1 in
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    --build | --output)
      (($# > 1)) || fail "$1 needs a value" 2
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    -h | --help) sed -n '2,/^set/s/^# \?//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "unknown option $1; see --help" 2 ;;
  esac
  shift
done
if [[ -z $build ]]; then
  build=$root/build-release
  "$root/deploy/install_packages.sh"
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGANTRY_TESTS=OFF
fi
[[ -e $build/CMakeCache.txt ]] || fail "$build is no build folder"
cmake --build "$build" --target bundle

version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
gpu_workers=$(sed -n 's/^GANTRY_GPU_WORKERS:INTERNAL=//p' "$build/CMakeCache.txt")
name=gantry-$version-linux-$(uname -m)
[[ $gpu_workers ]] || name+=-cpu
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cp -a "$build/bundle" "$temp/$name"

# Under which licences the libraries are that travel along.
licences=$temp/$name/share/doc/gantry
mkdir -p "$licences"
for library in "$temp/$name"/lib/*; do
  [[ ! -L $library ]] || continue
  package=$(dpkg-query -S "/*lib/*-linux-gnu/$(basename "$library")" | sed -n '1s/:.*//p') ||
    fail "no package has $(basename "$library")"
  cp "/usr/share/doc/$package/copyright" "$licences/$package.copyright"
done

# The same content gives the same bytes.
: "${SOURCE_DATE_EPOCH:=$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}"
mkdir -p "$output"
tar -C "$temp" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
  gzip -9n >"$output/$name.tar.gz"
cd "$output"
sha256sum "$name.tar.gz" >SHA256SUMS
ls -l "$name.tar.gz"
if [[ $gpu_workers ]]; then
  echo "with GPU workers, for the architectures $gpu_workers"
else
  echo "without GPU workers: nvcc was not found, or $build leaves them out"
fi
