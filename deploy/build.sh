#!/usr/bin/env bash
# usage: build.sh [--gpu | PRESET TARGET...]
#
# Installs what is missing and builds: without arguments the programs, into build/bin/; with --gpu the programs with GPU
# workers, into build-cuda/bin/; else targets of a preset of CMakePresets.json, with its tests. Takes seconds when nothing
# has changed.
#
# A new build-cuda is for the GPUs of this machine, or, where nvidia-smi finds none, for all that Gantry knows. CUDAARCHS,
# as CMake takes it, says otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=
targets=(coordinator worker generate bench planner quantize)
case ${1-} in
  "") preset=cpu ;;
  --gpu) preset=cuda ;;
  *) preset=$1 tests=tests targets=("${@:2}") ;;
esac
deploy/install_packages.sh "${tests:-build}"
folder=build
[[ $preset == cpu ]] || folder=build-$preset
if [[ -e $folder && ! -w $folder ]]; then
  echo "build.sh: $PWD/$folder belongs to another user; remove it, or run this as that user" >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
logged() { "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }

# Of the GPUs of this machine, as CMake names them.
architectures() {
  nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null |
    awk '/^[0-9]+[.][0-9]$/ && $1 >= 7.5 { sub(/[.]/, ""); print $1 ($1 == 90 ? "a" : "") "-real" }' | sort -u | paste -sd ';'
}
if [[ $preset == cuda && -z ${CUDAARCHS-} ]]; then
  CUDAARCHS=$(architectures || true)
  export CUDAARCHS
fi
without_nvcc() { grep -q '^GANTRY_NVCC:.*NOTFOUND' "$folder/CMakeCache.txt"; }
if [[ $tests ]]; then
  logged cmake --preset "$preset" -DGANTRY_TESTS=ON
elif [[ ! -e $folder/build.ninja ]] || without_nvcc; then
  logged cmake --preset "$preset" -DGANTRY_TESTS=OFF
fi
if [[ ${1-} == --gpu ]] && without_nvcc; then
  echo "build.sh: nothing can be built for cuda:0 without nvcc, and it is neither in PATH nor where CUDACXX, CUDA_HOME and" \
    "/usr/local/cuda lead; install NVIDIA's CUDA Toolkit, 12.0 or later" >&2
  exit 1
fi
# One compiler may take 1 GB.
jobs=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 1000000))
((jobs < $(nproc))) || jobs=$(nproc)
((jobs > 0)) || jobs=1
if ! ninja -C "$folder" -n "${targets[@]}" 2>/dev/null | grep -q 'no work to do'; then
  echo "Building $folder (minutes the first time)" >&2
fi
logged ninja -C "$folder" -j "$jobs" "${targets[@]}"
