#!/usr/bin/env bash
# usage: demo.sh [--chat | --serve]
#
# A small model split over three workers answers a question. With --chat it answers yours, until Ctrl-D, and with --serve
# yours on a page in the browser, until Ctrl-C.
set -euo pipefail
deploy=$(dirname "${BASH_SOURCE[0]}")
exec "$deploy/local.sh" --model "$deploy/demo/model" --workers 3 "$@"
