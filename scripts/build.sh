#!/bin/bash
# Configures where that was not done, and builds. usage: scripts/build.sh PRESET [TARGET…]   (presets: CMakePresets.json)
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
folder=build
if [ "$preset" != release ]; then folder=build-$preset; fi
# Wasmtime is made while configuring; where its folder has gone since, configure again.
if [ ! -f "$folder/build.ninja" ] || ! ls $(sed -n 's/.* \(\/[^ ]*libweir_wasmtime\.a\).*/\1/p' "$folder/build.ninja" | head -1) > /dev/null 2>&1; then
  cmake --preset "$preset"
fi
# What ccache keeps of one clone serves the next one.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
exec ninja -C "$folder" "${@:2}"
