#!/bin/bash
# Builds the tests of a checkout of extism/cpp-sdk against build/extism, once with the shared library and once with the archive, and
# runs all of them but the one that loads a module from the internet.
# usage: tests/extism/cpp_sdk.sh CHECKOUT   (Debian: libjsoncpp-dev libgtest-dev)
set -euo pipefail
sdk=$(cd "${1:?usage: $0 CHECKOUT}" && pwd)
lib=$(cd "$(dirname "$0")/../../build/extism" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/run"
ln -s "$sdk/wasm" "$work/wasm"  # its tests look in ../wasm
build() { g++ -std=c++17 -I"$lib" -I/usr/include/jsoncpp "$sdk"/src/*.cpp "$sdk/test/test.cpp" -o "$work/run/$1" "${@:2}" -ljsoncpp -lgtest -lpthread -ldl -lm; }
build shared "$lib/libextism.so" "-Wl,-rpath,$lib"
build static "$lib/libextism.a"
cd "$work/run"
for how in shared static; do
  echo "== $how"
  "./$how" --gtest_filter=-Plugin.ManifestWasmUrl
done
