#!/usr/bin/env bash
# usage: run.sh [--quick]
#
# Installs what is missing, builds, and runs every test; then the tests of the libraries again with AddressSanitizer and
# UndefinedBehaviorSanitizer, and those of what runs threads with ThreadSanitizer. --quick leaves the sanitizers out.
# Where nvcc is found all that a GPU runs is compiled, too; what needs a GPU is skipped where there is none.
# The last line is "N passed, N failed"; the exit code is 1 if any failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=
case ${1-} in
  "") ;;
  --quick) quick=1 ;;
  *) echo "usage: run.sh [--quick]" >&2; exit 2 ;;
esac

passed=0
failed=0
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# check PRESET FOLDER...: builds these folders under tests/, or $targets if there are any, and runs the folders' tests, but
# for those that $without matches.
without='^$'
targets=()
check() {
  local preset=$1 folder build=build started=$SECONDS counts p f s
  shift
  local wanted=("${targets[@]}")
  ((${#wanted[@]})) || wanted=("${@/%//all}")
  [[ $preset == cpu ]] || build=build-$preset
  if ! deploy/build.sh "$preset" "${wanted[@]}"; then
    echo "FAILED to build $build"
    failed=$((failed + 1))
    return
  fi
  for folder in "$@"; do
    rm -f "$report"
    ctest --test-dir "$build/$folder" -E "$without" -j "$(nproc)" --timeout 300 --output-junit "$report" >/dev/null 2>&1 || true
    if ! counts=$(python3 tests/junit_summary.py "$report"); then
      echo "FAILED to run the tests of $build/$folder"
      failed=$((failed + 1))
      continue
    fi
    sed '$d' <<<"$counts"
    read -r p f s < <(tail -n 1 <<<"$counts")
    passed=$((passed + p))
    failed=$((failed + f))
    echo "$build/$folder: $p passed, $f failed, $s skipped"
  done
  echo "$build took $((SECONDS - started)) s"
}

deploy/install_packages.sh tests
if command -v nvcc /usr/local/cuda/bin/nvcc >/dev/null; then
  # For one GPU if there is none here: each takes minutes.
  nvidia-smi >/dev/null 2>&1 || export CUDAARCHS=${CUDAARCHS:-90a-real}
  # What differs from the build without: the worker, the tests and the benchmarks of GPUs.
  targets=(worker tests/kernels/cuda/all cuda_stage_test cuda_{attention,int8,products,step}_bench)
  without='_NOT_BUILT$|^quantize_program'
  check cuda tests/kernels/cuda tests/worker
  targets=()
  without='^$'
fi
check cpu tests
if [[ -z $quick ]]; then
  export UBSAN_OPTIONS=print_stacktrace=1
  # The program runs hundreds of times; its parts are tested one by one.
  without='^planner_program\.'
  check asan tests/{base,model,kernels,proto,plan,worker,coordinator,coordinator/http,fuzz}
  export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp"
  # These speak gRPC, and Debian's is built without ThreadSanitizer, which then takes its hand-overs for races.
  without='^(WorkerTest|StageHostTest)\.'
  check tsan tests/{kernels,worker,coordinator,coordinator/http}
fi
echo "$passed passed, $failed failed"
((failed == 0))
