#!/bin/sh
# Cargo's wrapper of rustc in build-wasmtime.sh. Wasmtime swaps a thread-local pointer at every call into a guest; in a shared
# object the default model finds it by a call of the dynamic linker, the initial-exec one by a load. The choice is an unstable
# flag of rustc: only these crates are compiled with it.
case " $* " in
  *" --crate-name wasmtime "* | *" --crate-name wasmtime_c_api "*) RUSTC_BOOTSTRAP=1 exec "$@" -Ztls-model=initial-exec ;;
esac
exec "$@"
