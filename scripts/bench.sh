#!/bin/bash
# Measures what is built (make bench): a stream in memory, requests through NGINX, and the start with a large plugin.
# Arguments go to bench/nginx_bench.py. Run it on a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "── A whole HTTP stream in memory, beside a bare Wasmtime embedding of the same plugin"
build/bin/weir_bench_stream
echo
echo "── Through NGINX"
exec python3 bench/nginx_bench.py "$@"
