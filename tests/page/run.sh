#!/usr/bin/env bash
# usage: run.sh FOLDER FILE...
#
# Runs tests of the page with the npm modules of package-lock.json, which it installs in FOLDER where they are not there yet.
# Ends with 77, for skipped, where there is no npm or no Chromium.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
shift

export GANTRY_CHROMIUM=${GANTRY_CHROMIUM:-/usr/bin/chromium}
for program in node npm "$GANTRY_CHROMIUM"; do
  command -v "$program" >/dev/null && continue
  echo "skipped: there is no $program; deploy/install_packages.sh tests installs it"
  exit 77
done

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$folder/"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund 9>&-)
  cp "$here/package-lock.json" "$folder/installed.json"
fi
exec 9>&-

export GANTRY_NODE_MODULES=$folder
cd "$here"
exec node --test "$@"
