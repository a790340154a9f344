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

echo "run"
mkdir "$work/bundle"
cd "$work/bundle"
runc spec
uid=$(awk -F: '$1 == "tine" { print $3 }' "$root/etc/passwd")
# A few keys of runc's own default spec; the state is on a tmpfs, as a volume would be.
sed -i -e "s,\"path\": \"rootfs\",\"path\": \"$root\"," \
  -e 's,"terminal": true,"terminal": false,' \
  -e 's,"readonly": true,"readonly": false,' \
  -e "0,/\"uid\": 0/s//\"uid\": $uid/" -e "0,/\"gid\": 0/s//\"gid\": $uid/" \
  -e 's,^\([[:space:]]*\)"sh"$,\1"tined"\, "--init",' \
  -e 's,"TERM=xterm","TINE_STATE_DIR=/var/lib/tine"\, "TINE_AUTOSTART=0",' config.json
runc --root "$work/runc" run "$name" >"$work/log" 2>&1 &
runner=$!
for _ in $(seq 100); do
  if inside tine ping >/dev/null 2>&1; then break; fi
  kill -0 "$runner" 2>/dev/null || { cat "$work/log"; fail "the container ended"; }
  sleep 0.1
done
inside tine ping >/dev/null || { cat "$work/log"; fail "no answer to ping"; }
inside cat /proc/1/cmdline | tr '\0' ' ' | grep -q '^tined --init' || fail "PID 1 is not tined --init"
[ "$(inside tine run -- id -un)" = tine ] || fail "the job's user"
code=0
inside tine run --shell 'exit 3' || code=$?
[ "$code" = 3 ] || fail "the job's exit code: $code"
id=$(inside tine submit --shell 'sleep 1; echo finished')

echo "stop"
runc --root "$work/runc" kill "$name" TERM
code=0
wait "$runner" || code=$?
[ "$code" = 0 ] || { cat "$work/log"; fail "the exit code after SIGTERM: $code"; }
echo "passed: built, ran job $id, drained, exit 0"
