#!/usr/bin/env bash
# usage: run_gpu.sh [options]
#
# On a machine with a GPU: runs every test that needs one, then compute-sanitizer on the kernels, whole clusters against
# the reference, and the benchmarks. Prints one table at the end; the exit code is 1 if anything in it failed. Needs a
# bundle (deploy/build.sh cuda bundle), Python 3 and cuBLAS; no compiler and no network. Without compute-sanitizer, which is
# in the CUDA Toolkit, its part is skipped, unless --only names it.
#
#   --only A,B        of tests, sanitizer, e2e and bench
#   --models A,B      of tests/bench/models, for bench
#   --quick           fewer schemes, tests under compute-sanitizer, and requests
#   --minutes N       ends what is not done by then; 25
#   --device cpu      e2e and bench on this machine's CPU, to try the script itself
#   --gpus N          as many, if not as many as there are
#   --bundle DIR      if not the one that this script is in, or build-cuda/bundle
#   --output DIR      keeps the log and the table there
#   --sanitizer_filter PATTERN   of tests, as --gtest_filter takes it
#
# cuBLAS is looked for in LD_LIBRARY_PATH, in /usr/local/cuda/lib64, and in the folder nvidia/ of `python3`'s packages, where
# PyTorch keeps it; compute-sanitizer in PATH and in bin/ of $CUDA_HOME, or else of /usr/local/cuda.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
gpu=$root/tests/gpu

usage() { sed -n '2,/^set/s/^# \?//p' "${BASH_SOURCE[0]}"; }
fail() { echo "run_gpu.sh: $1" >&2; exit "${2:-1}"; }

only=
models=
quick=()
minutes=25
device=cuda
gpus=
bundle=
output=
filter='*'
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --quick) quick=(--quick) ;;
    --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}"; continue ;;
    --only | --models | --minutes | --device | --gpus | --bundle | --output | --sanitizer_filter)
      (($# > 1)) || fail "$1 needs a value" 2
      case $1 in
        --sanitizer_filter) filter=$2 ;;
        *) printf -v "${1#--}" %s "$2" ;;
      esac
      shift
      ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || fail "--minutes: expected a number from 1 to 9999, found '$minutes'" 2
[[ $gpus =~ ^[0-9]{0,2}$ ]] || fail "--gpus: expected a number, found '$gpus'" 2
asked=$only
case $device in
  cuda) : "${only:=tests,sanitizer,e2e,bench}" ;;
  cpu) : "${only:=e2e,bench}" ;;
  *) fail "--device: expected cuda or cpu, found '$device'" 2 ;;
esac
for section in ${only//,/ }; do
  [[ " tests sanitizer e2e bench " == *" $section "* ]] ||
    fail "--only: expected some of tests,sanitizer,e2e,bench, found '$section'" 2
done
for model in ${models//,/ }; do
  [[ -e $root/tests/bench/models/$model/config.json ]] || fail "--models: there is no tests/bench/models/$model" 2
done
command -v python3 >/dev/null || fail "python3 is needed"

if [[ -z $bundle ]]; then
  bundle=$root/build-cuda/bundle
  [[ ! -e $root/../../bin/worker ]] || bundle=$(cd "$root/../.." && pwd)
fi
[[ -x $bundle/bin/worker ]] || fail "no $bundle/bin/worker; run deploy/build.sh cuda bundle"

temp=$(mktemp -d)
if [[ -z $output ]]; then
  output=$temp
else
  mkdir -p "$output"
fi
log=$output/log
export GANTRY_BIN=$bundle/bin GANTRY_ROOT=$root GANTRY_ROWS=$output/rows.tsv TMPDIR=$temp
export GANTRY_DEADLINE=$((EPOCHSECONDS + 60 * minutes)) PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
: >"$log"
: >"$GANTRY_ROWS"

child=
stop() {
  local status=$?
  trap '' INT TERM HUP
  if [[ -n $child ]]; then
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" || true
  fi
  rm -rf "$temp"
  exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# bounded SECONDS COMMAND...: runs it in a process group of its own, which ends with it or when its time or that of the
# whole is up. What it prints goes to $temp/last and to the log.
bounded() {
  local limit=$1 left=$((GANTRY_DEADLINE - EPOCHSECONDS)) status=0
  shift
  ((limit < left)) || limit=$left
  : >"$temp/last"
  ((limit > 0)) || return 124
  timeout --kill-after=20 "$limit" "$@" >"$temp/last" 2>&1 </dev/null &
  child=$!
  wait "$child" || status=$?
  child=
  { echo "--- $* ($status)"; cat "$temp/last"; } >>"$log"
  return "$status"
}

# row SECTION WHAT RESULT TARGET SHARE NOTE
row() {
  (IFS=$'\t'; echo "$*") >>"$GANTRY_ROWS"
  echo "$1: $2: $3 ${6-}"
}

how_it_ended() {
  case $1 in
    124 | 137) echo "out of time" ;;
    *) echo "ended with $1" ;;
  esac
}

# gtest SECTION WHAT SECONDS COMMAND...
gtest() {
  local section=$1 what=$2 seconds=$3 status=0 counts note=
  shift 3
  bounded "$seconds" "$@" || status=$?
  counts=$(sed -nE 's/^\[ +(PASSED|FAILED|SKIPPED) +\] ([0-9]+) test.*/\2 \L\1/p' "$temp/last" | paste -sd, | sed 's/,/, /g')
  if ((status)); then
    note=FAILED
    counts="$(how_it_ended "$status")${counts:+: $counts}"
    tail -n 40 "$temp/last"
  fi
  row "$section" "$what" "${counts:-no tests}" "" "" "$note"
}

# python SECTION SECONDS FILE FLAGS...: the script adds rows for its cases; here is one for its own end if that is bad.
python() {
  local section=$1 seconds=$2 file=$3 status=0
  shift 3
  bounded "$seconds" python3 "$gpu/$file" --device "$device" --gpus "$gpus" "${quick[@]}" "$@" || status=$?
  if ((status)); then
    tail -n 40 "$temp/last"
    row "$section" "$file" "$(how_it_ended "$status")" "" "" FAILED
  fi
}

find_cublas() {
  local folders
  folders=$(python3 -c 'import glob, nvidia; print(":".join(f for p in nvidia.__path__ for f in glob.glob(p + "/*/lib")))' \
    2>/dev/null || true)
  [[ -z $folders ]] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders
}

run_tests() {
  local program programs=("$bundle"/bin/*cuda*_test)
  ((${#programs[@]})) || row tests "bin/*cuda*_test" "the bundle has none: it was built without nvcc or without tests" "" "" FAILED
  for program in "${programs[@]}"; do
    gtest tests "$(basename "$program")" 300 env GANTRY_REQUIRE_GPU=1 "$program"
  done
}

run_sanitizer() {
  # This one does on purpose what compute-sanitizer looks for.
  local without='*.ALostDevice*'
  if [[ $filter == *-* ]]; then without=$filter:$without; else without=$filter-$without; fi
  local tool program seconds=240 part=() cuda=${CUDA_HOME:-/usr/local/cuda}/bin
  PATH=$PATH:$cuda
  if ! command -v compute-sanitizer >/dev/null; then
    # It is of the toolkit, which a machine that only runs models has no need of.
    row sanitizer compute-sanitizer "not found in PATH or $cuda" "" "" "$([[ $asked ]] && echo FAILED || echo skipped)"
    return
  fi
  for tool in memcheck racecheck initcheck; do
    # The other two take many times as long: every eighth test.
    if [[ $tool != memcheck || ${#quick[@]} -gt 0 ]]; then
      seconds=120
      part=(GTEST_TOTAL_SHARDS=8 GTEST_SHARD_INDEX=0)
    fi
    for program in "$bundle"/bin/*cuda*_test; do
      # It launches nothing, which compute-sanitizer takes for a failure.
      [[ $program != *_cublas_test ]] || continue
      # The kernels of whole models are those of the other programs, many times over.
      [[ $program != *_stage_test || $tool == memcheck ]] || continue
      gtest sanitizer "$tool $(basename "$program")" "$seconds" env GANTRY_REQUIRE_GPU=1 "${part[@]}" \
        compute-sanitizer --tool "$tool" --error-exitcode 9 "$program" --gtest_filter="$without"
    done
  done
}

run_benchmarks() {
  local program
  if [[ $device == cuda ]]; then
    for program in "$bundle"/bin/*cuda*_bench; do
      python bench 300 kernels.py --program "$program"
    done
  fi
  python bench 1800 speed.py --models "$models"
}

shopt -s nullglob
if [[ -z $gpus ]]; then
  cards=(/dev/nvidia[0-9]*)
  gpus=${#cards[@]}
fi
[[ $device == cpu ]] || find_cublas
for section in ${only//,/ }; do
  case $section in
    tests) run_tests ;;
    sanitizer) run_sanitizer ;;
    e2e) python e2e 900 clusters.py ;;
    bench) run_benchmarks ;;
  esac
done
echo
python3 "$gpu/rows.py" | tee "$output/table"
