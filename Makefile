# What to type. Everything is built by CMake and Ninja in build/; this only names the ways in.
PORT ?= 8080
PLUGIN ?=
CONFIG ?=

weir := build/bin/weir
serve := python3 scripts/serve.py --weir $(weir) --port $(PORT)

.PHONY: help build plugins run waf test bench deb clean
.DEFAULT_GOAL := help

help:
	@echo 'make build     install what is missing, build build/bin/weir and build/lib/…'
	@echo '               (the first time about ten minutes on two cores: it builds Wasmtime)'
	@echo 'make run       NGINX with an example plugin and a small upstream, on http://127.0.0.1:8080'
	@echo '               PORT=8081   PLUGIN=path.wasm   CONFIG=file   change what it serves'
	@echo 'make waf       the same with Coraza, a web application firewall'
	@echo 'make plugins   the example plugins and those of the tests, into build/plugins'
	@echo 'make test      build and test everything'
	@echo 'make bench     measure: calls, requests, starts'
	@echo 'make deb       Debian packages of it, for the NGINX that is installed, into build/deb'
	@echo 'make clean     remove what was built here (Wasmtime and plugins stay in ~/.cache/weir)'

build:
	@scripts/setup.sh
	@scripts/build.sh release product

plugins:
	@scripts/setup.sh
	@plugins/build.sh

run: build
ifeq ($(PLUGIN),)
	@plugins/build.sh rust
	@$(serve) --example headers -- --plugin build/plugins/rust-headers.wasm --config $(or $(CONFIG),plugins/rust/headers/headers.json)
else
	@$(serve) -- --plugin '$(PLUGIN)' $(if $(CONFIG),--config '$(CONFIG)')
endif

waf: build
	@plugins/build.sh coraza
	@$(serve) --example waf -- --plugin build/plugins/coraza.wasm --config $(or $(CONFIG),plugins/coraza/coraza.json) --memory 512m --timeout 2s --on-error closed

test:
	@scripts/setup.sh
	@python3 scripts/test.py

bench: build
	@plugins/build.sh c rust coraza
	@scripts/bench.sh

deb: build
	@scripts/deb.sh

clean:
	rm -rf build build-asan build-dev build-tsan
