#!/usr/bin/env bash
# C++ as clang-format 14 lays it out; shell scripts as shellcheck likes them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mapfile -t sources < <(find base proto model kernels plan worker coordinator client tests \
  -path tests/testdata -prune -o \( -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh' \) -print)
clang-format-14 --dry-run -Werror --ferror-limit=1 "${sources[@]}"
mapfile -t scripts < <(find coordinator deploy tests -name '*.sh')
shellcheck --external-sources .ci/run "${scripts[@]}"
echo "${#sources[@]} sources, ${#scripts[@]} scripts"
