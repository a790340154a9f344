#!/bin/bash
# ./dev chaos [--seconds N] [--seed S]: random work and kills -9 against the real thing for about N seconds, then the
# books are checked. The seed is printed. The kernel's own timing is not part of the seed: the same one makes the same
# choices, not the same interleaving.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=20
seed=$RANDOM$RANDOM
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?"--seconds wants a number"} ;;
    --seed) seed=${2:?"--seed wants a number"} ;;
    *) echo "chaos: unknown option '$1'; allowed: --seconds N, --seed S" >&2; exit 2 ;;
  esac
  shift 2
done
launcher=
if command -v ccache >/dev/null; then launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake --preset dev $launcher >&2
cmake --build build/dev --parallel "$(nproc)" --target tine tined tine_job_chaos shared_chaos >&2
half=$(awk -v seconds="$seconds" 'BEGIN { print seconds / 2 }')
code=0
build/dev/tests/tine_job_chaos --seconds "$half" --seed "$seed" || code=1
build/dev/tests/shared_chaos "$half" "$seed" || code=1
exit "$code"
