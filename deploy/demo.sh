#!/usr/bin/env bash
# usage: demo.sh [--chat]
#
# A small model split over three workers answers a question. With --chat it answers yours, until Ctrl-D.
set -euo pipefail
deploy=$(dirname "${BASH_SOURCE[0]}")
exec "$deploy/local.sh" --model "$deploy/demo/model" --workers 3 "$@"
