#!/bin/bash
# All measurements, as Markdown: whole HTTP streams in memory beside a bare Wasmtime embedding, shared data and metrics from a
# guest, then CPU per request in NGINX and Coraza's start.
# docs/benchmarks.md keeps such a run.
set -euo pipefail
cd "$(dirname "$0")/.."
ninja -C build weir_bench_stream weir_bench_shared >&2
build/bin/weir_bench_stream
build/bin/weir_bench_shared
echo
exec python3 bench/nginx_bench.py "$@"
