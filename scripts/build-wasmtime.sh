#!/bin/bash
# Builds Wasmtime's C API from crates.io and prints the folder it is in (include/, lib/). A folder once built is kept, under a
# key of its inputs, in $WEIR_BUILD_CACHE (default ~/.cache/weir/build); progress goes to standard error.
set -euo pipefail
cd "$(dirname "$0")/../cmake/wasmtime"
cache=${WEIR_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir/build}
# Debian's toolchain, so that the result does not depend on what else is installed.
export PATH=/usr/bin:/bin
unset RUSTUP_TOOLCHAIN RUSTFLAGS
export RUSTC_WRAPPER=$PWD/../../scripts/rustc-initial-exec.sh
key=$( (cat Cargo.toml Cargo.lock lib.rs ../../scripts/build-wasmtime.sh "$RUSTC_WRAPPER"; rustc -V; uname -m) | sha256sum | cut -c1-16)
root=$cache/wasmtime-$key
if [ ! -f "$root/lib/libweir_wasmtime.a" ]; then
  echo "Building Wasmtime (about ten minutes on two cores, once) …" >&2
  # Its own folder, since cargo does not see what the wrapper does.
  CARGO_TARGET_DIR=$cache/wasmtime-target-initial-exec cargo build --release --locked >&2
  part=$root.part.$$
  rm -rf "$part"; mkdir -p "$part/lib" "$part/include"
  cp "$cache/wasmtime-target-initial-exec/release/libweir_wasmtime.a" "$part/lib/"
  source=$(cargo metadata --format-version 1 --locked | python3 -c '
import json, sys
print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "wasmtime-c-api-impl"))')
  cp -r "$(dirname "$source")/include/." "$part/include/"
  # conf.h says which features the library has: those of Cargo.toml.
  features=$(sed -n '/features = \[/,/\]/p' Cargo.toml | grep -o '"[a-z0-9-]*"' | tr -d '"' | tr 'a-z-' 'A-Z_')
  script=
  for f in $features; do script+="s|#cmakedefine WASMTIME_FEATURE_$f\$|#define WASMTIME_FEATURE_$f|;"; done
  sed -e "$script" -e '/#cmakedefine/d' "$part/include/wasmtime/conf.h.in" > "$part/include/wasmtime/conf.h"
  rm -rf "$root"; mv "$part" "$root"
fi
echo "$root"
