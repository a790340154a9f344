#!/bin/sh
# tine's C++ Pool beside its limit and Python's, in interleaved rounds; only the ratios mean something. The times
# go to stderr, a line NAME|RATIO|GATE for each figure to stdout. run_pool_bench.sh BUILD
set -eu
. "$(dirname "$0")/frame.sh"
needs_python "the pool is not compared"

count() { # KIND
  case $1 in apply) echo 2000 ;; async) echo 20000 ;; map) echo 500000 ;; process) echo 200 ;; esac
}
median() { middle <"$folder/$1"; }
ratio() { divide "$(median "$1")" "$(median "$2")"; }

round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  for kind in apply async map process; do
    "$bench/limit_calls" "$kind" "$(count "$kind")" >>"$folder/limit_$kind"
    python3 "$here/pool_calls.py" "$kind" "$(count "$kind")" >>"$folder/python_$kind"
    "$bench/pool_calls" "$kind" "$(count "$kind")" >>"$folder/tine_$kind"
  done
  "$bench/limit_calls" sleep 2000 >>"$folder/limit_sleep"
done

printf '%-28s %10s %10s %10s   us, median of %s rounds\n' "" limit python tine "$rounds" >&2
for kind in apply async map process; do
  printf '%-28s %10s %10s %10s\n' "$kind" "$(median limit_$kind)" "$(median python_$kind)" "$(median tine_$kind)" >&2
done
printf '%-28s %10s\n' "apply, both sides sleeping" "$(median limit_sleep)" >&2
echo "C++ Pool.apply: p50 against Python's|$(ratio tine_apply python_apply)|<= 0.5"
echo "C++ Pool.apply_async with callback: rate against Python's|$(ratio python_async tine_async)|>= 5"
echo "C++ Pool.map of a no-op: rate against Python's, chunked|$(ratio python_map tine_map)|>= 1"
echo "C++ Pool.apply: time against a fresh Process|$(ratio tine_apply tine_process)|<= 0.1"
