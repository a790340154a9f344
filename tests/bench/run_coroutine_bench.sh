#!/bin/sh
# Coroutines beside Boost.Context, Asio, greenlet and gevent, in interleaved rounds; only the ratios mean something.
# run_coroutine_bench.sh BUILD. gevent's rows need the package python3-gevent.
set -eu
. "$(dirname "$0")/frame.sh"
bench=$bench/coroutine_bench
gevent=$here/gevent_bench.py
urls=${TINE_BENCH_URLS:-1000}
python=/usr/bin/python3
has_gevent=
if "$python" -c 'import gevent' 2>/dev/null; then has_gevent=1; fi

"$bench" serve >"$folder/port" &
pids=$!
wait_for test -s "$folder/port"
port=$(cat "$folder/port")

round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  "$bench" switch >>"$folder/switch"
  "$bench" tasks >>"$folder/tasks"
  "$bench" asio "$port" "$urls" >>"$folder/asio"
  "$bench" urls "$port" "$urls" >>"$folder/urls"
  if [ -n "$has_gevent" ]; then
    "$python" "$gevent" switch >>"$folder/gevent_switch"
    "$python" "$gevent" tasks >>"$folder/gevent_tasks"
    "$python" "$gevent" urls "$port" "$urls" >>"$folder/gevent_urls"
  fi
done

median() { awk -v c="$2" '{ print $c }' "$folder/$1" | middle; }
row() { # NAME A B GATE
  printf '%-66s %8s   %s\n' "$1" "$(divide "$2" "$3")" "$4"
}
bare=$(median switch 1)
row "fiber switch: time against bare Boost.Context" "$(median switch 2)" "$bare" "<= 2"
row "greenlet switch: time against bare Boost.Context" "$(median switch 3)" "$bare" "<= 2"
row "$urls URLs of 50 ms: time against Asio callbacks" "$(median urls 2)" "$(median asio 2)" "<= 1.25"
row "$urls URLs, the first in a process: time against Asio callbacks" "$(median urls 1)" "$(median asio 1)" ""
if [ -n "$has_gevent" ]; then
  row "fiber switch: speed against Python's greenlet" "$(median gevent_switch 1)" "$(median switch 2)" ">= 10"
  row "greenlet switch: speed against Python's greenlet" "$(median gevent_switch 1)" "$(median switch 3)" ">= 10"
  row "10,000 tasks that yield once: speed against gevent" "$(median gevent_tasks 2)" "$(median tasks 2)" ">= 10"
  row "10,000 tasks, the first time in a process: speed against gevent" "$(median gevent_tasks 1)" "$(median tasks 1)" ""
  row "$urls URLs of 50 ms: time against gevent" "$(median urls 2)" "$(median gevent_urls 2)" "<= 0.5"
  row "$urls URLs of 50 ms: memory against gevent" "$(median urls 3)" "$(median gevent_urls 3)" "<= 0.4"
fi
