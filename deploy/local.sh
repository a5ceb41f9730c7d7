#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'END'
usage: local.sh --model DIR_or_NAME [--workers N] [--gpu] [--ask TEXT | --chat | --serve] [coordinator's flags]

Builds Gantry if need be, starts a coordinator and N workers (2 unless said) on this machine's CPU and loopback
addresses, shows which worker holds what, and asks the model a question; then stops all it has started.

  --gpu        start a worker on GPU 0 too, built by NVIDIA's nvcc; layers go there first, and --workers=0 leaves the
               CPU out
  --ask TEXT   the question; "How many bytes are in one gigabyte?" unless said
  --chat       ask questions on the terminal, until Ctrl-D
  --serve      ask nothing, and serve other programs and a browser until Ctrl-C; --http HOST:PORT says at which port

Flags that are not these go to the coordinator; build/bin/coordinator --help lists them.
END
}

fail() {
  echo "local.sh: $1" >&2
  exit "${2:-1}"
}

model=
workers=2
gpu=
mode=ask
question="How many bytes are in one gigabyte?"
coordinator_flags=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --model | --workers | --ask)
      (($# > 1)) || fail "$1 needs a value" 2
      set -- "$1=$2" "${@:3}"
      continue
      ;;
    --model=*) model=${1#*=} ;;
    --workers=*) workers=${1#*=} ;;
    --ask=*) mode=ask question=${1#*=} ;;
    --gpu) gpu=1 ;;
    --chat) mode=chat ;;
    --serve) mode=serve ;;
    *) coordinator_flags+=("$1") ;;
  esac
  shift
done
if [[ -z $model ]]; then
  usage >&2
  exit 2
fi
[[ $workers =~ ^[1-9][0-9]{0,2}$ || $gpu$workers == 10 ]] || fail "--workers: expected a number from 1 to 999, found '$workers'" 2

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/deploy/build.sh" ${gpu:+--gpu}
bin=$root/build${gpu:+-cuda}/bin

# At a free port, unless one is said.
if [[ $mode == serve && " ${coordinator_flags[*]}" != *" --http"[\ =]* ]]; then
  coordinator_flags+=(--http 127.0.0.1:0)
fi

pids=()
folder=$(mktemp -d)
stop() {
  local status=$? i
  trap '' INT TERM
  kill -TERM "${pids[@]}" 2>/dev/null || true
  for ((i = 0; i < 100; ++i)); do
    kill -0 "${pids[@]}" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$folder"
  exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start NAME COMMAND...: in a session of its own, so that Ctrl-C reaches this script and not the program; the program
# ends when this script does, even by kill -9.
start() {
  setsid setpriv --pdeathsig TERM "${@:2}" >"$folder/$1.log" 2>&1 &
  pids+=($!)
  names+=("$1")
}

# Ends the script with what the first program that has ended said.
give_up_if_any_ended() {
  local i code
  for i in "${!pids[@]}"; do
    if ! kill -0 "${pids[i]}" 2>/dev/null; then
      code=0
      wait "${pids[i]}" || code=$?
      cat "$folder/${names[i]}.log" >&2
      fail "the ${names[i]} has ended" "$((code ? code : 1))"
    fi
  done
}

names=()
start coordinator "$bin/coordinator" --model "$model" --listen 127.0.0.1:0 --min_workers "$((workers + (gpu ? 1 : 0)))" \
  --device_map balanced \
  "${coordinator_flags[@]}"
until address=$(grep -som 1 'listening on .*' "$folder/coordinator.log"); do
  give_up_if_any_ended
  sleep 0.05
done
address=${address#listening on }

if [[ $gpu ]]; then
  start worker-gpu "$bin/worker" --coordinator "$address" --name gpu-0 --device cuda:0 --listen 127.0.0.1:0
fi
share=$((workers > 0 ? workers : 1))
memory=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) * 9 / 10 / share))
threads=$(($(nproc) / share))
((threads > 0)) || threads=1
for ((i = 0; i < workers; ++i)); do
  start "worker-$i" "$bin/worker" --coordinator "$address" --name "cpu-$i" --device cpu --memory "${memory}KiB" \
    --threads "$threads" --listen 127.0.0.1:0
done

generate() { "$bin/generate" --server "$address" "$@"; }
until generate --status --wait 1s >"$folder/status" 2>"$folder/not_ready"; do give_up_if_any_ended; done
cat "$folder/status"
echo

case $mode in
  ask)
    echo "> $question"
    generate --chat "$question"
    [[ -t 1 ]] || echo  # generate ends the line on a terminal only
    ;;
  chat)
    trap : INT  # generate stops an answer at Ctrl-C
    generate --interactive
    ;;
  serve)
    echo "Serving at $address; for example:"
    echo "  $bin/generate --server $address --chat \"$question\""
    if page=$(grep -som 1 'HTTP at .*' "$folder/coordinator.log"); then
      echo "A page to ask it and to look at it, and OpenAI's API, at ${page#HTTP at }/"
    fi
    wait -n "${pids[@]}" || true
    give_up_if_any_ended
    ;;
esac
