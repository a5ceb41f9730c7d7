#!/usr/bin/env bash
# usage: fetch.sh [--update]
#
# Fetches from npm the modules that manifest.txt names, and fails if a file's hash is not the one there. Only who changes a
# version needs it: the files are in the repository. With --update the hashes are written anew; read what has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

update=
case ${1-} in
  "") ;;
  --update) update=1 ;;
  *) echo "usage: fetch.sh [--update]" >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
while read -r hash package version file; do
  if [[ $hash == "#"* || -z $hash ]]; then
    echo "$hash $package $version $file" | sed 's/ *$//' >>"$work/manifest.txt"
    continue
  fi
  if [[ ! -d $work/$package ]]; then
    mkdir "$work/$package"
    # npm checks the package against the registry's own hash.
    npm pack --silent --pack-destination "$work/$package" "$package@$version" >/dev/null
    tar -xzf "$work/$package"/*.tgz -C "$work/$package"
  fi
  found=$(sha256sum "$work/$package/package/$file" | cut -d ' ' -f 1)
  if [[ -z $update && $found != "$hash" ]]; then
    echo "fetch.sh: $file of $package@$version has the hash $found, expected $hash; if that is meant, use --update" >&2
    failed=1
    continue
  fi
  mkdir -p "$package"
  cp "$work/$package/package/$file" "$package/"
  echo "$found $package $version $file" >>"$work/manifest.txt"
done <manifest.txt
((failed)) && exit 1
cp "$work/manifest.txt" manifest.txt
