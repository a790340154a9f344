#!/bin/sh
# cookbook.sh FOLDER_OF_TINE: runs the README's cookbook word for word, with a daemon of its own, and compares what is said.
set -u
here=$(cd "$(dirname "$0")" && pwd)
parts=$(mktemp -d /tmp/tine-cookbook-XXXXXX) || exit 1
trap 'rm -rf "$parts"' EXIT
for what in commands output; do awk -v what=$what -f "$here/transcript.awk" "$here/../../README.md" >"$parts/$what"; done
[ -s "$parts/output" ] || { echo "no cookbook"; exit 1; }
"$here/../seeds/with_daemon.sh" "$1" "$parts/commands" "$parts/output"
