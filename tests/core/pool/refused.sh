#!/bin/sh
# What must not compile does not, and each for a reason of its own. refused.sh CXX INCLUDE_FOLDER
set -eu
source=$(cd "$(dirname "$0")" && pwd)/refused.cpp
errors=$("${1:?CXX}" -std=c++20 -fsyntax-only -I"${2:?INCLUDE_FOLDER}" "$source" 2>&1) && { echo "it compiles"; exit 1; }
wrong=0
for line in $(grep -n '// refused$' "$source" | cut -d: -f1); do
  printf '%s\n' "$errors" | grep -q "refused.cpp:$line:" || { echo "line $line compiles"; wrong=1; }
done
fine=$(grep -n 'are fine' "$source" | cut -d: -f1)
if printf '%s\n' "$errors" | grep -q "refused.cpp:$fine:"; then echo "line $fine does not compile"; wrong=1; fi
exit $wrong
