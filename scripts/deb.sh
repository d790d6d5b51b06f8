#!/usr/bin/env bash
# Makes the Debian packages of what is built: weir_VERSION_ARCH.deb and weir-dev_VERSION_ARCH.deb in FOLDER (build/deb), after `make build`.
#
# usage: scripts/deb.sh [FOLDER]
#
# weir: the command, libweir.so, the modules for the nginx that is installed here (the package depends on its ABI), manual page and completion.
# weir-dev: headers of libweir, and libextism by Weir.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$PWD/build
out=$(realpath -m "${1:-build/deb}")
version=$(sed -n 's/^project(weir VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
arch=$(dpkg --print-architecture)
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
die() { echo "deb: $*" >&2; exit 1; }
[ -x "$build/bin/weir" ] || die "build/bin/weir is not there: make build"
abi=$(dpkg-query -W -f '${Provides}' nginx | grep -o 'nginx-abi-[0-9.-]*') || die "this nginx is not Debian's: its package provides no nginx-abi-…"

rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
put() { # put MODE FILE DESTINATION
  install -D -m "$1" "$2" "$root/$3"
}
program() { # a program or library, without debug information
  put "$1" "$2" "$3"
  strip --strip-unneeded --remove-section=.comment "$root/$3"
}
page() { mkdir -p "$(dirname "$root/$1")"; gzip -9n > "$root/$1"; }
control() { # control NAME SECTION "DEPENDS" "DESCRIPTION"
  mkdir -p "$root/DEBIAN"
  cat > "$root/DEBIAN/control" <<EOF
Package: $1
Version: $version
Architecture: $arch
Section: $2
Priority: optional
Maintainer: $(git log -1 --format='%an <%ae>')
Installed-Size: $(du -ks --exclude=DEBIAN "$root" | cut -f1)
Depends: $3
Description: $4
EOF
}
# Packages of the libraries that a program needs, as dpkg finds them. What is ours is none of them.
libraries() {
  mkdir -p "$work/debian"
  printf 'Source: weir\nPackage: weir\nArchitecture: any\n' > "$work/debian/control"
  (cd "$work" && dpkg-shlibdeps -O --ignore-missing-info -l"$root/usr/lib/$triplet" "$@" 2> /dev/null | sed -n 's/^shlibs:Depends=//p')
}
pack() { dpkg-deb --root-owner-group --build "$root" "$out/$1_${version}_$arch.deb" > /dev/null; echo "deb: ${out#"$PWD"/}/$1_${version}_$arch.deb"; }

root=$work/weir
modules=usr/lib/nginx/modules
program 755 "$build/bin/weir" usr/bin/weir
program 644 "$build/lib/libweir.so" "usr/lib/$triplet/libweir.so"
binaries=("$root/usr/bin/weir" "$root/usr/lib/$triplet/libweir.so")
for block in http stream; do
  program 644 "$build/lib/ngx_${block}_weir_module.so" "$modules/ngx_${block}_weir_module.so"
  binaries+=("$root/$modules/ngx_${block}_weir_module.so")
  mkdir -p "$root/usr/share/nginx/modules-available"
  echo "load_module modules/ngx_${block}_weir_module.so;" > "$root/usr/share/nginx/modules-available/mod-$block-weir.conf"
done
"$build/bin/weir" man | page usr/share/man/man1/weir.1.gz
for shell in bash/bash-completion/completions/weir zsh/zsh/vendor-completions/_weir fish/fish/vendor_completions.d/weir.fish; do
  mkdir -p "$(dirname "$root/usr/share/${shell#*/}")"
  "$build/bin/weir" completion "${shell%%/*}" > "$root/usr/share/${shell#*/}"
done
for text in README.md docs/*.md; do put 644 "$text" "usr/share/doc/weir/${text#docs/}"; done
control weir httpd "$(libraries "${binaries[@]}"), $abi" "WebAssembly plugins in NGINX
 Runs Proxy-Wasm filters, which were written for Envoy, inside stock NGINX, and tests, measures and debugs them without any proxy.
 The HTTP module is loaded; that for TCP is enabled by a link to /usr/share/nginx/modules-available/mod-stream-weir.conf in
 /etc/nginx/modules-enabled, under a name behind 50-mod-stream.conf."
# As Debian's own modules do: enabled when it is new, and when it comes back after a removal; what an administrator did stays.
link=/etc/nginx/modules-enabled/60-mod-http-weir.conf
cat > "$root/DEBIAN/postinst" <<EOF
#!/bin/sh
set -e
if [ "\$1" = configure ] && { [ -z "\$2" ] || [ -L $link.removed ]; }; then
  rm -f $link.removed
  ln -sf /usr/share/nginx/modules-available/mod-http-weir.conf $link
fi
if [ "\$1" = configure ]; then
  ldconfig
  dpkg-trigger --no-await nginx-reload || true
fi
EOF
cat > "$root/DEBIAN/prerm" <<EOF
#!/bin/sh
set -e
if { [ "\$1" = remove ] || [ "\$1" = deconfigure ]; } && [ -L $link ]; then mv $link $link.removed; fi
EOF
cat > "$root/DEBIAN/postrm" <<EOF
#!/bin/sh
set -e
if [ "\$1" = purge ]; then rm -f $link.removed; fi
if [ "\$1" = remove ]; then ldconfig; fi
EOF
chmod 755 "$root"/DEBIAN/p*
pack weir

root=$work/weir-dev
mkdir -p "$root/usr/include"
cp -r include/weir "$root/usr/include/weir"
extism=$build/extism
put 644 "$extism/extism.h" usr/include/extism.h
program 644 "$extism/libextism.so" "usr/lib/$triplet/libextism.so"
put 644 "$extism/libextism.a" "usr/lib/$triplet/libextism.a"
strip --strip-debug "$root/usr/lib/$triplet/libextism.a"
for file in "$extism"/extism*.pc build/package/weir.pc; do
  mkdir -p "$root/usr/lib/$triplet/pkgconfig"
  sed -e "s|^libdir=.*|libdir=/usr/lib/$triplet|; s|^includedir=.*|includedir=/usr/include|" "$file" > "$root/usr/lib/$triplet/pkgconfig/$(basename "$file")"
done
for file in "$extism"/extism-config*.cmake; do put 644 "$file" "usr/lib/$triplet/cmake/extism/$(basename "$file")"; done
for file in build/package/weir-config*.cmake; do put 644 "$file" "usr/lib/$triplet/cmake/weir/$(basename "$file")"; done
control weir-dev libdevel "weir (= $version), libstdc++-12-dev | libstdc++-dev" "headers of libweir, and libextism by Weir
 To embed Weir in a proxy or another program, in C++20; and a C library that stands in for libextism 1.41."
pack weir-dev
