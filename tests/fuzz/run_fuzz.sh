#!/bin/bash
# ./dev fuzz [--seconds N] [--seed S]: mutated input for everything that parses bytes from outside, under address and
# undefined sanitizers. The seed is printed; the input that a crash was found with is kept.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=20
seed=$RANDOM$RANDOM
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?"--seconds wants a number"} ;;
    --seed) seed=${2:?"--seed wants a number"} ;;
    *) echo "fuzz: unknown option '$1'; allowed: --seconds N, --seed S" >&2; exit 2 ;;
  esac
  shift 2
done
launcher=
if command -v ccache >/dev/null; then launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake --preset asan $launcher >&2
cmake --build build/asan --parallel "$(nproc)" --target tine_fuzz >&2
last=build/asan/fuzz-last-input
code=0
build/asan/tests/tine_fuzz tests/fuzz/corpus --seconds "$seconds" --seed "$seed" --last "$last" || code=$?
if [ "$code" != 0 ]; then
  echo "fuzz: failed with seed $seed; again: build/asan/tests/tine_fuzz tests/fuzz/corpus --replay $last" >&2
  exit 1
fi
rm -f "$last"
