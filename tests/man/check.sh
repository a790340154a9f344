#!/bin/sh
# The man pages of a build: every verb and option that --help tells is in them, and groff, where it is, has no
# warning. check.sh BUILD
set -eu
build=${1:?BUILD}
tine=$build/tine
fail() { echo "FAILED: $*"; exit 1; }

plain() { sed 's/\\-/-/g; s/\\&//g' "$1"; }
plain "$build/man/tine.1" >"$build/man/tine.txt"
verbs=$("$tine" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ "$(echo "$verbs" | wc -l)" -gt 20 ] || fail "few verbs: $verbs"
for verb in $verbs; do
  grep -qx ".SS $verb" "$build/man/tine.txt" || fail "verb $verb"
  for option in $("$tine" "$verb" --help | grep -oE '^  (-[A-Za-z],? ?)?(--[a-z-]+)?' | tr , ' '); do
    sed -n "/^.SS $verb\$/,/^.S[SH] /p" "$build/man/tine.txt" | grep -qe "$option" || fail "$verb $option"
  done
done

plain "$build/man/tined.8" >"$build/man/tined.txt"
for option in $("$build/tined" --help | grep -o -e '--[a-z][a-z-]*' | sort -u); do
  grep -qe "$option" "$build/man/tined.txt" || fail "tined $option"
done
for key in pools modules shared_memory_bytes durability keep_jobs drain_timeout callback_timeout; do
  grep -q "\"$key\"" "$build/man/tined.json.5" || fail "key $key"
done

command -v groff >/dev/null || { echo "passed; no groff to ask"; exit 0; }
for page in tine.1 tined.8 tined.json.5; do
  warnings=$(groff -k -man -ww -b -Tutf8 "$build/man/$page" 2>&1 >/dev/null)
  [ -z "$warnings" ] || fail "$page: $warnings"
done
echo passed
