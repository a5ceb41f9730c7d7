#!/usr/bin/env bash
# usage: run.sh [--quick]
#
# Installs what is missing, builds, and runs every test; then the tests of the libraries again with AddressSanitizer and
# UndefinedBehaviorSanitizer, and those of what runs threads with ThreadSanitizer. --quick leaves the sanitizers out.
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

# check PRESET FOLDER...: builds these folders under tests/ and runs their tests, but for those that $without matches.
without='^$'
check() {
  local preset=$1 folder build=build started=$SECONDS counts p f s
  shift
  [[ $preset == cpu ]] || build=build-$preset
  if ! deploy/build.sh "$preset" "${@/%//all}"; then
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
check cpu tests
if command -v nvcc /usr/local/cuda/bin/nvcc >/dev/null; then
  # Compiled for one GPU; the tests are skipped where there is none. run_gpu.sh is for where there is.
  check cuda tests/kernels/cuda
fi
if [[ -z $quick ]]; then
  export UBSAN_OPTIONS=print_stacktrace=1
  # The program runs hundreds of times; its parts are tested one by one.
  without='^planner_program\.'
  check asan tests/{base,model,kernels,proto,plan,worker,coordinator,client,fuzz}
  export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp"
  # These speak gRPC, and Debian's is built without ThreadSanitizer, which then takes its hand-overs for races.
  without='^(WorkerTest|StageHostTest)\.'
  check tsan tests/{kernels,worker,coordinator}
fi
echo "$passed passed, $failed failed"
((failed == 0))
