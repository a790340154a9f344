#!/bin/sh
# Shared state beside bare mutexes, LMDB and Python's multiprocessing; only the ratios mean something. A line
# NAME|RATIO|GATE for each figure to stdout. run_shared_bench.sh BUILD
set -eu
. "$(dirname "$0")/frame.sh"
needs_python "shared state is not compared"
# Copies, as an installation has: a file as the linker leaves it lies in the page cache in small pieces.
cp "$build/tine" "$bench/limit_submit" "$folder"
unset TINE_SOCKET TINE_CONFIG TINE_JOB_ID
export TINE_STATE_DIR="$folder/state"
"$folder/tine" dict set d key '"value"'
"$folder/limit_submit" serve "$folder/socket" "$folder/log" nosync &
pids=$!
wait_for test -S "$folder/socket"

round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  "$bench/shared_figures" >>"$folder/tine.ns"
  python3 "$here/shared_figures.py" >>"$folder/python.ns"
  "$bench/time_command" 300 "$folder/tine" dict get d key >>"$folder/get_process"
  "$bench/time_command" 300 "$folder/limit_submit" ask "$folder/socket" >>"$folder/ask_process"
done

# The field behind the name: 1 tine's ns, 2 what it is compared with.
field() { sed -n "s|^$2 *||p" "$folder/$1.ns" | tr -d 'ns' | awk -v n="$3" '{ print $n }' | middle; }
row() { echo "$1|$(divide "$2" "$3")|$4"; }
add=$(field tine 'array add / robust mutex' 1) set=$(field tine 'dict set / LMDB' 1) get=$(field tine 'dict get / LMDB' 1)
row "locked add in an array: time against a bare robust mutex" "$add" "$(field tine 'array add / robust mutex' 2)" "<= 2"
row "locked add in an array: speed against mp.Array" "$(field python 'mp.Array add' 1)" "$add" ">= 9"
row "RLock: time against a bare robust mutex" \
  "$(field tine 'rlock / robust mutex' 1)" "$(field tine 'rlock / robust mutex' 2)" "<= 2"
row "dict set: speed against bare LMDB" "$(field tine 'dict set / LMDB' 2)" "$set" ">= 0.8"
row "dict get: speed against bare LMDB" "$(field tine 'dict get / LMDB' 2)" "$get" ">= 0.8"
row "dict set: speed against Manager().dict" "$(field python 'Manager().dict set' 1)" "$set" ">= 50"
row "dict get: speed against Manager().dict" "$(field python 'Manager().dict get' 1)" "$get" ">= 50"
row "queue, 1 to 1: speed against mp.Queue" \
  "$(field python 'mp.Queue 1 to 1, an item' 1)" "$(field tine 'queue 1 to 1, an item' 1)" ">= 5"
row "tine dict get, a process: time against a static program that asks a socket" \
  "$(middle <"$folder/get_process")" "$(middle <"$folder/ask_process")" "<= 1.4"
