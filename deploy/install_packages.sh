#!/usr/bin/env bash
# usage: install_packages.sh [build|tests]
#
# Installs the Debian 12 packages that are missing: those that build and run Gantry, and with "tests" also those of
# tests/run.sh. Needs no network when nothing is missing.
set -euo pipefail

packages=(
  cmake g++ ninja-build pkg-config
  libabsl-dev libboost1.74-dev libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libpcre2-dev libsentencepiece-dev libspdlog-dev libssl-dev libutf8proc-dev nlohmann-json3-dev prometheus-cpp-dev
)
case ${1:-build} in
  build) ;;
  tests)
    packages+=(chromium clang clang-format iproute2 libbenchmark-dev libclang-rt-14-dev libgmock-dev libgtest-dev lld openssl
      procps prometheus python3 shellcheck)
    # Others than Debian's come with npm within nodejs.
    command -v npm >/dev/null || packages+=(nodejs npm)
    ;;
  *)
    echo "install_packages.sh: expected build or tests, found $1" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "install_packages.sh: this is no Debian; install what Debian 12 calls ${packages[*]}" >&2
  exit 1
fi
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF "installed $package" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "install_packages.sh: packages are missing, and this is neither root nor has sudo. As root, run:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing ${missing[*]}" >&2
as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
"${as_root[@]}" update
"${as_root[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null
