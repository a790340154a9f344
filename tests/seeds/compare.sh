#!/bin/sh
# compare.sh PROGRAM EXPECTED: what it prints is the file; a file.awk is asked instead.
set -u
output=$("$1") || { echo "$1: exit $?"; exit 1; }
case $2 in
*.awk) printf '%s\n' "$output" | awk -f "$2" ;;
*) printf '%s\n' "$output" | diff - "$2" ;;
esac
