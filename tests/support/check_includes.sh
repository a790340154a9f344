#!/bin/sh
# Includes point one way: core <- ipc <- daemon, ipc <- cmd. check_includes.sh ROOT
cd "${1:?ROOT}" || exit 2
wrong=0
refuse() { # FOLDER PATTERN
  if grep -rnE --include='*.hpp' --include='*.cpp' --include='*.h' "^[[:space:]]*#[[:space:]]*include[[:space:]]+[\"<]($2)/" "$1"; then
    echo "$1 must not include $2"
    wrong=1
  fi
}
refuse core 'ipc|daemon|cmd|tests'
refuse ipc 'daemon|cmd|tests'
refuse daemon 'cmd|tests'
refuse cmd 'tests'
if grep -rnE --include='*.hpp' --include='*.cpp' '^#include "daemon/' cmd | grep -v '^cmd/tined'; then
  echo "tine must not include daemon: only cmd/tined* may"
  wrong=1
fi
exit $wrong
