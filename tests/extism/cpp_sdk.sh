#!/bin/bash
# Runs the tests of the C++ SDK on our libextism: all but the one that downloads a module. The last line is that of our other suites.
#
#   tests/extism/cpp_sdk.sh CHECKOUT [FOLDER]    CHECKOUT of extism/cpp-sdk; FOLDER with libextism.so, libextism.a, extism.h (build/extism)
#
# Needs make build, and the packages libgtest-dev and libjsoncpp-dev. Nothing is written into the checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=$(realpath "${1:?usage: tests/extism/cpp_sdk.sh CHECKOUT [FOLDER]}")
folder=$(realpath "${2:-build/extism}")
for file in "$folder"/{libextism.so,libextism.a,extism.h}; do
  if [ ! -f "$file" ]; then echo "$file is not there: make build" >&2; exit 1; fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$checkout"/{CMakeLists.txt,cmake,src,test,wasm,example.cpp} "$work"
cp "$checkout"/*.in "$checkout"/*.cmake "$work" 2> /dev/null || true

# Its way to find libextism is pkg-config or CMake's package: both lead to the folder.
export PKG_CONFIG_PATH=$folder
cmake -G Ninja -S "$work" -B "$work/build" -Dextism_DIR="$folder" -DEXTISM_CPP_WITH_CMAKE_PACKAGE=OFF -DCMAKE_BUILD_TYPE=Release -DFETCHCONTENT_FULLY_DISCONNECTED=ON > "$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
ninja -C "$work/build" extism-test example example-static > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
if ! ldd "$work/build/extism-test" | grep -q "libextism.so => $folder/libextism.so"; then
  echo "extism-test runs on another libextism:" >&2
  ldd "$work/build/extism-test" >&2
  exit 1
fi
cd "$work/build"  # the tests read ../wasm
code=0
./extism-test --gtest_filter=-Plugin.ManifestWasmUrl --gtest_output="xml:$work/result.xml" || code=$?
python3 - "$work/result.xml" <<'PYTHON' || code=1
import sys
import xml.etree.ElementTree as xml
cases = [c for c in xml.parse(sys.argv[1]).getroot().iter("testcase") if c.get("status") == "run"]
failed = sum(c.find("failure") is not None for c in cases)
print(f"{len(cases) - failed} passed, {failed} failed, 1 skipped")
sys.exit(not cases)
PYTHON
exit $code
