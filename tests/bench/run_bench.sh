#!/bin/sh
# tine beside its limit and its peers, in interleaved rounds on this machine; only the ratios mean something.
# run_bench.sh BUILD [--json FILE]
set -eu
. "$(dirname "$0")/frame.sh"
shift
json=
case ${1:-} in
  --json) json=${2:?"--json wants a file"} ;;
  '') ;;
  *) echo "run_bench.sh: '$1' is not known; allowed: --json FILE" >&2; exit 2 ;;
esac
tine=$build/tine
jobs=${TINE_BENCH_JOBS:-5000}
submits=${TINE_BENCH_SUBMITS:-300}
queued=${TINE_BENCH_QUEUED:-100000}

# Copies, as an installation has: a file as the linker leaves it lies in the page cache in small pieces, each of
# which costs a page fault at every start.
mkdir "$folder/bin"
cp "$tine" "$build/tined" "$bench/limit_submit" "$folder/bin"
tine=$folder/bin/tine
memory=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
unset TINE_JOB_ID
export TINE_AUTOSTART=0 TINE_CONFIG="$folder/tined.json"
place() { export TINE_STATE_DIR="$1/state" TINE_SOCKET="$1/state/tine.sock"; }
clean_up() {
  for one in "$folder" "$memory"; do
    place "$one"
    "$tine" shutdown --now 2>/dev/null || true
  done
  TS_SOCKET=$folder/tsp tsp -K >/dev/null 2>&1 || true
  rm -rf "$memory"
  stop
}
trap clean_up EXIT

start_tined() { # FOLDER
  place "$1"
  "$folder/bin/tined" >"$1/log" 2>&1 &
  wait_for "$tine" ping
}
seconds() { "$bench/time_command" "$@"; }
keep() { printf '%s\n' "$2" >>"$folder/$1.times"; }
median() { middle <"$folder/$1.times"; }
has() { command -v "$1" >/dev/null; }

results=
row() { # NAME VALUE GATE
  printf '%-62s %8s   %s\n' "$1" "$2" "$3"
  results="$results${results:+,}
  {\"name\": \"$1\", \"value\": $2, \"gate\": \"$3\"}"
}
ratio() { divide "$(median "$1")" "$(median "$2")"; }

printf '{"pools": [{"name": "default", "size": 2}, {"name": "line", "size": 1}], "keep_jobs": 1000000}\n' >"$folder/tined.json"
start_tined "$folder"
start_tined "$memory"
"$folder/bin/limit_submit" serve "$folder/sync" "$folder/sync.log" sync &
pids="$pids $!"
"$folder/bin/limit_submit" serve "$memory/nosync" "$memory/nosync.log" nosync &
pids="$pids $!"
wait_for test -S "$folder/sync"
wait_for test -S "$memory/nosync"
i=0
while [ "$i" -lt "$jobs" ]; do
  echo '{"command": ["/bin/true"]}'
  i=$((i + 1))
done >"$folder/batch"
yes word | head -n "$jobs" >"$folder/words"
export jobs folder tine

# A submit is measured alone: what it submits waits in line behind a job that does not end.
for one in "$folder" "$memory"; do
  place "$one"
  "$tine" submit -g line sleep 86400 >/dev/null
done

echo "rounds: $rounds, interleaved"
round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  place "$folder"
  keep limit_pool "$(seconds 1 "$bench/limit_pool" "$jobs" /bin/true)"
  keep tine_batch "$(seconds 1 "$tine" batch --wait "$folder/batch")"
  # shellcheck disable=SC2016
  keep xargs "$(seconds 1 sh -c 'exec xargs -P2 -n1 /bin/true <"$folder/words"')"
  keep limit_sync "$(seconds "$submits" "$folder/bin/limit_submit" ask "$folder/sync")"
  keep tine_sync "$(seconds "$submits" "$tine" submit -g line /bin/true)"
  place "$memory"
  keep limit_nosync "$(seconds "$submits" "$folder/bin/limit_submit" ask "$memory/nosync")"
  keep tine_memory "$(seconds "$submits" "$tine" submit -g line /bin/true)"
  if has tsp; then
    # A server a round: it takes no more than a thousand jobs.
    export TS_SOCKET="$folder/tsp"
    tsp -n sleep 86400 >/dev/null
    keep tsp "$(TMPDIR=$memory seconds "$submits" tsp -n /bin/true)"
    tsp -k  # -K alone leaves the task behind
    tsp -K
  fi
done

row "batch of $jobs /bin/true: speed against spawn+capture+wait" "$(ratio limit_pool tine_batch)" ">= 0.85"
row "batch of $jobs /bin/true: speed against xargs -P2 -n1" "$(ratio xargs tine_batch)" ">= 1.4"
row "one submit: time against connect+fdatasync+reply" "$(ratio tine_sync limit_sync)" "<= 1.25"
row "one submit, state in memory: time against the same, no sync" "$(ratio tine_memory limit_nosync)" "<= 1.6"
if has tsp; then row "one submit, state in memory: time against tsp -n" "$(ratio tine_memory tsp)" "<= 1"; fi

# What waits in line must cost little and slow nothing down.
place "$folder"
daemon_pid() { "$tine" ping --json | sed 's/.*"pid": *\([0-9]*\).*/\1/'; }
rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$(daemon_pid)/status"; }
"$tine" submit sleep 86400 >/dev/null
"$tine" submit sleep 86400 >/dev/null
keep submit_empty "$(seconds 100 "$tine" submit /bin/true)"
keep status_empty "$(seconds 100 "$tine" status)"
before=$(rss_kb)
yes '{"command": ["/bin/true"]}' | head -n "$queued" | "$tine" batch - >/dev/null
sleep 3  # what the request itself took has gone back to the system by then
after=$(rss_kb)
keep submit_full "$(seconds 100 "$tine" submit /bin/true)"
keep status_full "$(seconds 100 "$tine" status)"
row "$queued queued: KB of tined's memory each" \
  "$(awk -v a="$after" -v b="$before" -v n="$queued" 'BEGIN { printf "%.3f", (a - b) / n }')" "<= 1"
row "$queued queued: time of a submit against an empty queue" "$(ratio submit_full submit_empty)" "<= 2"
row "$queued queued: time of a status against an empty queue" "$(ratio status_full status_empty)" "<= 2"
kill -9 "$(daemon_pid)"
began=$(date +%s.%N)
start_tined "$folder"
row "$queued queued: seconds to restart" "$(awk -v a="$(date +%s.%N)" -v b="$began" 'BEGIN { printf "%.3f", a - b }')" "<= 2"

# The C++ Pool, calls, and shared state.
"$here/run_pool_bench.sh" "$build" >"$folder/pool"
"$here/run_call_bench.sh" "$build" >>"$folder/pool"
"$here/run_shared_bench.sh" "$build" >>"$folder/pool"
while IFS='|' read -r name value gate; do row "$name" "$value" "$gate"; done <"$folder/pool"

if [ -n "$json" ]; then printf '[%s\n]\n' "$results" >"$json"; fi
