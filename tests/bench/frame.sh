# What each benchmark begins with; sourced, BUILD being the first argument. Sets here, build, bench, rounds, and folder,
# which goes at the end together with the processes of `pids`.
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?BUILD}" && pwd)
bench=$build/tests/bench
rounds=${TINE_BENCH_ROUNDS:-5}
folder=$(mktemp -d)
pids=
stop() {
  for pid in $pids; do { kill "$pid" && wait "$pid"; } 2>/dev/null || true; done
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

needs_python() { # WHAT IS NOT DONE WITHOUT IT
  command -v python3 >/dev/null || { echo "$(basename "$0"): no python3: $1" >&2; exit 0; }
}
wait_for() { # COMMAND...
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 400 ] || { echo "$(basename "$0"): no answer from $*" >&2; exit 69; }
    sleep 0.05
  done
}
middle() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; } # the median of the lines of stdin
divide() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
