#!/bin/sh
# Calls through the daemon beside their limit and Python's Pool, in interleaved rounds; only the ratios mean something.
# The times go to stderr, a line NAME|RATIO|GATE for each figure to stdout. run_call_bench.sh BUILD
set -eu
. "$(dirname "$0")/frame.sh"
needs_python "calls are not compared"
unset TINE_SOCKET TINE_STATE_DIR TINE_CONFIG TINE_JOB_ID

start() { # NAME CONFIG [COMMAND THAT RUNS IT]
  name=$1
  printf '%s' "$2" >"$folder/$name.json"
  shift 2
  "$@" "$build/tined" --config "$folder/$name.json" --state-dir "$folder/$name" --log-level error \
    >"$folder/$name.log" 2>&1 &
  pids="$pids $!"
  wait_for "$build/tine" --state-dir "$folder/$name" ping
}
module='"modules": ["'$bench/libpreload_module.so'"]'
start one '{"pools": [{"name": "default", "size": 1}]}' taskset -c 0
start two '{"pools": [{"name": "default", "size": 2}]}'
start light '{"pools": [{"name": "default", "size": 1}], '"$module"'}'
TINE_PRELOAD_MB=500 start heavy '{"pools": [{"name": "default", "size": 1}], '"$module"'}'

ms() { echo $(($(date +%s%N) / 1000)); }
stream() { # COUNT: microseconds of one call of a map
  from=$(ms)
  seq "$1" | TINE_STATE_DIR=$folder/two "$build/tine" map --fn echo >/dev/null
  awk -v us=$(($(ms) - from)) -v n="$1" 'BEGIN { print us / n }'
}
replace() { # NAME COUNT: microseconds of a worker that dies and is replaced
  from=$(ms)
  seq "$2" | TINE_STATE_DIR=$folder/$1 "$build/tine" map --fn crash >/dev/null 2>&1 || true
  awk -v us=$(($(ms) - from)) -v n="$2" 'BEGIN { print us / n }'
}
median() { middle <"$folder/$1"; }
ratio() { divide "$(median "$1")" "$(median "$2")"; }

round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  "$bench/limit_relay" 5000 >>"$folder/relay.us"
  TINE_STATE_DIR=$folder/two "$bench/client_calls" 5000 >>"$folder/call.us"
  # Three processes that wake each other: whether the kernel has them on one CPU or on two decides more than what
  # they do, and it decides anew in each round. So one place is given, the same to both.
  taskset -c 0 "$bench/limit_relay" 5000 >>"$folder/relay_one.us"
  TINE_STATE_DIR=$folder/one taskset -c 0 "$bench/client_calls" 5000 >>"$folder/call_one.us"
  python3 "$here/pool_calls.py" apply 2000 >>"$folder/apply.us"
  stream 200000 >>"$folder/stream.us"
  python3 "$here/pool_calls.py" async 20000 >>"$folder/async.us"
  python3 "$here/pool_calls.py" imap 20000 >>"$folder/imap.us"
  replace light 200 >>"$folder/light.us"
  replace heavy 200 >>"$folder/heavy.us"
done

printf '%-28s %10s %10s %10s   us, median of %s rounds\n' "" limit python tine "$rounds" >&2
printf '%-28s %10s %10s %10s\n' "one call" "$(median relay.us)" "$(median apply.us)" "$(median call.us)" \
  "the same on one CPU" "$(median relay_one.us)" "" "$(median call_one.us)" \
  "a call of a map" "" "$(median async.us)" "$(median stream.us)" "against imap, chunk 1" "" "$(median imap.us)" "" \
  "worker replaced, 500 MB" "$(median light.us)" "" "$(median heavy.us)" >&2
echo "one call through the daemon: p50 against a bare relay|$(ratio call.us relay.us)|<= 1.4"
echo "one call through the daemon, all on one CPU: p50 against a bare relay|$(ratio call_one.us relay_one.us)|<= 1.4"
echo "one call through the daemon: p50 against Pool.apply|$(ratio call.us apply.us)|<= 0.5"
echo "tine map of a no-op: rate against Pool.apply_async with callback|$(ratio async.us stream.us)|>= 5"
echo "tine map of a no-op: rate against Pool.imap, chunk 1|$(ratio imap.us stream.us)|>= 3"
echo "a worker replaced with 500 MB preloaded: time against none|$(ratio heavy.us light.us)|<= 1.2"
