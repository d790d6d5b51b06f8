#!/bin/bash
# Runs fuzzers, one after the other, on what fuzz/seeds.py makes and what earlier runs found.
#
# usage: fuzz/run.sh [--seconds N] [NAME…]     NAME: capi cclb decoders hostile join kernel manifest (all); N: for each (60)
#
# First: cmake --preset fuzz && ninja -C build-fuzz fuzz. What is found is in build-fuzz/found/NAME-…: `build-fuzz/bin/fuzz_NAME FILE` repeats it.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=60
if [ "${1:-}" = --seconds ]; then seconds=$2; shift 2; fi
names=("$@")
if [ ${#names[@]} -eq 0 ]; then names=(capi cclb decoders hostile join kernel manifest); fi
corpus=build-fuzz/corpus found=build-fuzz/found
mkdir -p $found
python3 fuzz/seeds.py build-fuzz/seeds > /dev/null || exit 1
failed=0
for name in "${names[@]}"; do
  mkdir -p $corpus/$name
  if build-fuzz/bin/fuzz_$name -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix=$found/$name- \
      $corpus/$name build-fuzz/seeds/$name > $found/$name.log 2>&1; then
    echo "ok   $name: $(sed -n 's/^stat::number_of_executed_units: //p' $found/$name.log) inputs, $(grep -o 'cov: [0-9]*' $found/$name.log | tail -1)"
  else
    echo "FAIL $name: $(grep -m1 -E 'SUMMARY|not so|ERROR' $found/$name.log); $found/$name.log"
    failed=1
  fi
done
exit $failed
