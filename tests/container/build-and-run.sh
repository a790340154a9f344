#!/bin/bash
# Builds the real Dockerfile without a Docker engine and runs the image: mmdebstrap makes the base, buildah builds
# (chroot isolation), runc runs. Exits 77 (skip) where these, or the right to use them, are missing.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)

for tool in mmdebstrap buildah runc; do
  command -v "$tool" >/dev/null || { echo "skip: no $tool"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skip: not root"; exit 77; }
unshare --mount true 2>/dev/null || { echo "skip: no mount namespaces"; exit 77; }

work=$(mktemp -d)
name=tine-test-$$
buildah() { command buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
inside() { runc --root "$work/runc" exec "$name" "$@"; }
clean_up() {
  runc --root "$work/runc" kill "$name" KILL 2>/dev/null || true
  runc --root "$work/runc" delete --force "$name" 2>/dev/null || true
  buildah umount --all >/dev/null 2>&1 || true
  buildah rm --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT

fail() { echo "FAILED: $*"; exit 1; }

echo "base"
sources=/etc/apt/sources.list
[ -s "$sources" ] || sources=/etc/apt/sources.list.d/debian.sources
mmdebstrap --quiet --variant=minbase --include=ca-certificates \
  --customize-hook='rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*' \
  --customize-hook="copy-in $sources $(dirname "$sources" | sed 's,^/etc/apt$,/etc/apt,')" \
  bookworm "$work/base.tar" "$sources"
base=$(buildah from scratch)
buildah add -q "$base" "$work/base.tar" / >/dev/null
buildah commit -q "$base" localhost/tine-base >/dev/null

echo "image"
buildah bud -q --isolation chroot --build-arg BASE=localhost/tine-base -t localhost/tine "$project" >/dev/null
image=$(buildah from localhost/tine)
root=$(buildah mount "$image")
buildah inspect --format '{{.OCIv1.Config.Entrypoint}}' "$image" | grep -qF '[tined --init]' || fail "the entry point"
buildah inspect --format '{{.OCIv1.Config.User}}' "$image" | grep -qx tine || fail "the user"

# start UID READONLY STATE: the image in a container of its own, with runc's default spec but for a few keys: 64 MiB of
# /dev/shm are in there. Its state is on a tmpfs, as a volume would be.
start() {
  uid=$1 readonly=$2 state=$3
  mkdir -p "$work/bundle"
  rm -f "$work/bundle/config.json"
  (cd "$work/bundle" && runc spec)
  sed -i -e "s,\"path\": \"rootfs\",\"path\": \"$root\"," \
    -e 's,"terminal": true,"terminal": false,' \
    -e "s,\"readonly\": true,\"readonly\": $readonly," \
    -e "0,/\"uid\": 0/s//\"uid\": $uid/" -e "0,/\"gid\": 0/s//\"gid\": $uid/" \
    -e 's,^\([[:space:]]*\)"sh"$,\1"tined"\, "--init"\, "--log-format"\, "json",' \
    -e "s,\"TERM=xterm\",\"TINE_STATE_DIR=$state\"\\, \"TINE_AUTOSTART=0\"," \
    -e "s,\"mounts\": \[,\"mounts\": [{\"destination\": \"/run\"\\, \"type\": \"tmpfs\"\\, \"source\": \"tmpfs\"\\, \"options\": [\"uid=$uid\"\\, \"mode=0700\"]}\\,," \
    "$work/bundle/config.json"
  runc --root "$work/runc" run --bundle "$work/bundle" "$name" >"$work/log" 2>&1 &
  runner=$!
  for _ in $(seq 100); do
    if inside tine ping >/dev/null 2>&1; then break; fi
    kill -0 "$runner" 2>/dev/null || { cat "$work/log"; fail "the container ended"; }
    sleep 0.1
  done
  inside tine ping >/dev/null || { cat "$work/log"; fail "no answer to ping"; }
}

# stop SECONDS: TERM, and it has ended well within them.
stop() {
  began=$(date +%s)
  runc --root "$work/runc" kill "$name" TERM
  code=0
  wait "$runner" || code=$?
  [ "$code" = 0 ] || { cat "$work/log"; fail "the exit code after SIGTERM: $code"; }
  [ $(($(date +%s) - began)) -le "$1" ] || fail "the end took over $1 s"
  runc --root "$work/runc" delete --force "$name" 2>/dev/null || true
}

echo "the README's words"
tine_uid=$(awk -F: '$1 == "tine" { print $3 }' "$root/etc/passwd")
# What docker would do, of what is there instead of it. The image is built already, of the same file.
docker() {
  case "$1 $2" in
  'build -t') [ "$*" = 'build -t tine .' ] ;;
  'run -d') [ "$*" = 'run -d --name jobs -v state:/var/lib/tine tine' ] && start "$tine_uid" false /var/lib/tine ;;
  'exec jobs') shift 2 && inside "$@" ;;
  'stop jobs') stop 10 ;;
  *) fail "docker $*" ;;
  esac
}
transcript() { awk -v what="$1" -v container=1 -f "$project/tests/readme/transcript.awk" "$project/README.md"; }
transcript commands >"$work/commands"
. "$work/commands" >"$work/said"
transcript output | diff "$work/said" - || fail "the README's container"

echo "run"
start "$tine_uid" false /var/lib/tine
inside cat /proc/1/cmdline | tr '\0' ' ' | grep -q '^tined --init' || fail "PID 1 is not tined --init"
[ "$(inside tine run -- id -un)" = tine ] || fail "the job's user"
code=0
inside tine run --shell 'exit 3' || code=$?
[ "$code" = 3 ] || fail "the job's exit code: $code"
inside tine submit --shell 'sleep 1; echo finished' >/dev/null
stop 10

echo "read-only root, a uid without a passwd entry"
start 54321 true /run/state
[ "$(inside tine run -- id -u)" = 54321 ] || fail "the job's uid"
code=0
inside touch /usr/local/bin/x 2>/dev/null || code=$?
[ "$code" != 0 ] || fail "the root is writable"
[ "$(inside tine array create numbers i --size 25000000 >/dev/null && inside tine array add numbers 7 5)" = 5 ] ||
  fail "100 MB of shared state beside 64 MiB of /dev/shm"
inside tine doctor >/dev/null || { inside tine doctor; fail "doctor"; }
id=$(inside tine submit --shell 'echo finished; exec sleep 600')
[ "$(inside tine metrics | grep -c '^tine_jobs{')" = 9 ] || fail "metrics"
stop 12  # drain_timeout, a second from TERM to KILL, and room
grep -q '^{"time":' "$work/log" || { cat "$work/log"; fail "the log is no JSON"; }
! grep -q finished "$work/log" || fail "a job's output is in the log"
echo "passed: built, ran, drained; read-only, another uid, cancelled job $id within the grace"
