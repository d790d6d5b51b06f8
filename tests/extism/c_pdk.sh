#!/bin/bash
# Builds the tests and examples of the C PDK and calls them on Weir. The last line is that of our other suites.
#
#   tests/extism/c_pdk.sh CHECKOUT [WEIR]    CHECKOUT of extism/c-pdk; WEIR: build/bin/weir
#
# Needs clang-22, wasi-libc and libc++ for wasm32 (scripts/packages.txt). Nothing is written into the checkout.
set -uo pipefail
cd "$(dirname "$0")/../.."
checkout=$(realpath "${1:?usage: tests/extism/c_pdk.sh CHECKOUT [WEIR]}")
weir=$(realpath "${2:-build/bin/weir}")
[ -f "$checkout/extism-pdk.h" ] || { echo "$checkout: is no checkout of extism/c-pdk: it has no extism-pdk.h" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$checkout"/{extism-pdk.h,tests,examples} "$work"
passed=0 failed=0
result() { # result NAME GOOD [DETAIL]
  if [ "$2" = 1 ]; then passed=$((passed + 1)); echo "ok   $1"; else failed=$((failed + 1)); echo "FAIL $1: ${3:-}"; fi
}
alone() { clang-22 --target=wasm32-unknown-unknown -O0 -w -nostdlib -Wl,--no-entry -o "$work/plugin.wasm" "$@"; }
wasi() { clang-22 --target=wasm32-wasi -O1 -w -mexec-model=reactor -o "$work/plugin.wasm" "$@"; }
# check NAME CODE "PART OF WHAT IT SAYS" FUNCTION [FLAG…]: of what was built last
check() {
  local name=$1 code=$2 part=$3 said
  shift 3
  if [ ! -f "$work/plugin.wasm" ]; then result "$name" 0 "not built"; return; fi
  said=$("$weir" call "${module:-$work/plugin.wasm}" "$@" --wasi --cache "$work/cache" 2>&1)
  local got=$?
  result "$name" "$([ $got = "$code" ] && [[ $said == *"$part"* ]] && echo 1)" "exit code $got, $said"
  rm -f "$work/plugin.wasm"
}

cd "$work/tests"
for name in alloc alloc_buf_from_sz load_input_bounds_checks; do alone $name.c; check "$name" 0 "" run_test; done
alone hello.c; check hello 0 'Hello, world!' run_test
alone fail.c; check fail 1 'Some error message' run_test
for name in strlen use_libc; do wasi $name.c; check $name 0 "" run_test; done
clang++-22 --target=wasm32-wasi -O1 -w -c -o "$work/cplusplus.o" cplusplus.cpp && clang-22 --target=wasm32-wasi -O1 -w -c -o "$work/implementation.o" implementation.c &&
  wasi "$work"/{cplusplus,implementation}.o
check cplusplus 0 'Hello, world!' run_test

cd "$work/examples"
wasi count-vowels/count-vowels.c; check count-vowels 0 '"count": 4' count_vowels --input 'this is a test'
wasi globals/globals.c; check globals 0 '{"count": 6}' globals --count 7
wasi allocations/allocations.c; check allocations 0 "" allocations --count 3
# Its host function, as a module beside it.
echo '(module (func (export "hello_world") (param i64) (result i64) (local.get 0)))' > "$work/host.wat"
echo "{\"wasm\": [{\"path\": \"$work/host.wat\", \"name\": \"extism:host/user\"}, {\"path\": \"$work/plugin.wasm\", \"name\": \"main\"}]}" > "$work/manifest.json"
wasi host-functions/host-functions.c; module=$work/manifest.json check host-functions 0 '"count": 4' count_vowels --input 'this is a test'
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
