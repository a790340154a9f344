#!/bin/sh
# Installs the development files of a build into a temporary folder, and builds and runs the example against them:
# by find_package, and by pkg-config. build_against_installed.sh BUILD CXX GENERATOR [FLAGS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?BUILD} cxx=${2:?CXX} generator=${3:?GENERATOR} flags=${4-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --prefix "$folder/installed" --component development >"$folder/log" || { cat "$folder/log"; exit 1; }
mv "$folder/installed" "$folder/moved"  # nothing in it may know where it was

check() { # PROGRAM
  said=$("$1")
  [ "$said" = "say hi 0
101" ] || { echo "$1 said: $said"; exit 1; }
}

cmake -G "$generator" -S "$here" -B "$folder/by_cmake" -DCMAKE_PREFIX_PATH="$folder/moved" \
  -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS="$flags" >"$folder/log" || { cat "$folder/log"; exit 1; }
cmake --build "$folder/by_cmake" >"$folder/log" || { cat "$folder/log"; exit 1; }
check "$folder/by_cmake/example"
TINE_STATE_DIR=$folder/state
export TINE_STATE_DIR
unset TINE_SOCKET TINE_CONFIG TINE_JOB_ID
"$build/tined" >"$folder/log" 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon; rm -rf "$folder"' EXIT
tries=0
until "$build/tine" ping >/dev/null 2>&1 || [ $tries = 200 ]; do tries=$((tries + 1)); sleep 0.05; done
said=$(timeout 20 "$folder/by_cmake/example_client") || true
[ "$said" = "hi
[1]" ] || { echo "example_client said: $said"; cat "$folder/log"; exit 1; }
[ "$(timeout 10 "$folder/by_cmake/example_coroutine")" = y ] || { echo "tine::coroutine does not give way"; exit 1; }

command -v pkg-config >/dev/null || { echo "SKIPPED: there is no pkg-config"; exit 77; }
PKG_CONFIG_PATH=$(dirname "$(find "$folder/moved" -name tine.pc)"):${PKG_CONFIG_PATH-}
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086  # lists of words
"$cxx" -std=c++20 $flags "$here/example.cpp" -o "$folder/example" $(pkg-config --cflags --libs tine)
check "$folder/example"
# shellcheck disable=SC2046,SC2086
"$cxx" -std=c++20 $flags "$here/example_coroutine.cpp" -o "$folder/example_coroutine" \
  $(pkg-config --cflags --libs tine-coroutine)
[ "$(timeout 10 "$folder/example_coroutine")" = y ] || { echo "tine-coroutine does not give way"; exit 1; }
# shellcheck disable=SC2046,SC2086
for package in tine-module tine; do
  "$cxx" -std=c++20 -shared -fPIC $flags "$here/example_module.cpp" -o "$folder/libfoo.so" \
    $(pkg-config --cflags --libs "$package")
done
