#!/bin/bash
# cookbook.sh FOLDER_OF_TINE: runs the README's cookbook word for word, with a daemon of its own, and compares what is said.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d /tmp/tine-cookbook-XXXXXX) || exit 1
export PATH=$1:$PATH HOME=$dir TINE_STATE_DIR=$dir/state TINE_CONFIG=$dir/tined.json
unset TINE_SOCKET TINE_JOB_ID TINE_ATTEMPT TINE_AUTOSTART
echo '{}' >"$TINE_CONFIG"
cd "$dir" || exit 1
for what in commands output; do awk -v what=$what -f "$here/transcript.awk" "$here/../../README.md" >"expected.$what"; done
timeout 240 bash expected.commands >said 2>&1
diff said expected.output
same=$?
[ -s expected.output ] || { echo "no cookbook"; same=1; }
tine shutdown --now
cd / && rm -rf "$dir"
exit $same
