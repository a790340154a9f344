#!/bin/sh
# with_daemon.sh FOLDER_OF_TINE SCRIPT EXPECTED [MODULE]: runs the script with tine on PATH and a daemon of its own, in a folder
# of its own, and compares what it prints with the file (a file.awk is asked instead).
set -u
PATH=$1:$PATH
dir=$(mktemp -d /tmp/tine-seed-XXXXXX) || exit 1
HOME=$dir TINE_STATE_DIR=$dir/state TINE_CONFIG=$dir/tined.json
export PATH HOME TINE_STATE_DIR TINE_CONFIG
unset TINE_SOCKET TINE_JOB_ID TINE_ATTEMPT TINE_AUTOSTART TINE_LOCK_OWNERS
pools='[{"name": "default", "size": 20}, {"name": "io", "kind": "coroutine"}]'
echo "{\"pools\": $pools, \"modules\": [${4:+\"$4\"}]}" >"$TINE_CONFIG"
seeds=$(dirname "$2")
export seeds
cd "$dir" || exit 1
timeout 240 sh "$2" >output
code=$?
tine shutdown --now >/dev/null
case $3 in
*.awk) awk -f "$3" output ;;
*) diff output "$3" ;;
esac
same=$?
cd / && rm -rf "$dir"
[ $code = 0 ] || { echo "$2: exit $code"; exit 1; }
exit $same
