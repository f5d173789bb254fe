# The front door. `make` alone says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The steps of one target follow each other.
.NOTPARALLEL:

# Where rustup puts cargo, for shells that do not have it on their path.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

VENV := tests/clients/.venv
NODE_MODULES := tests/browser/node_modules/.installed tests/clients/node_modules/.installed

.PHONY: help demo run release generated deb test lint unit clients firefox verify bench bench-door bench-load counts baseline config deps packages

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "make %-11s %s\n", $$1, $$2 }'

demo: ## builds the server, starts it with a picture of its own, and says which page to open
	@scripts/require.sh rust
	cargo run --release --locked -- demo

run: ## builds and starts the server; the environment configures it (README.md)
	@scripts/require.sh rust
	cargo run --release --locked -- serve

# What `rillcast --version` says of where it came from.
release: export RILLCAST_COMMIT = $(shell git rev-parse --short HEAD 2>/dev/null)
release: ## the binary for others, target/release/rillcast: it knows its commit
	@scripts/require.sh rust
	cargo build --release --locked --bin rillcast

generated: release ## man pages and shell completions, in target/generated
	target/release/rillcast generate target/generated

deb: generated ## a Debian package, in target/debian; needs cargo-deb (cargo install cargo-deb)
	cargo deb --no-build --strip

test: deps lint unit counts clients ## everything that guards a change; installs what it needs

lint: ## format, clippy; cargo-deny where it is installed
	@scripts/require.sh rust
	cargo fmt --all -- --check
	cargo clippy --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check bans licenses sources; \
	else echo "cargo-deny is not installed: licences and sources were not checked"; fi

unit: ## the tests in Rust: modules, tidiness, whole sessions on loopback
	@scripts/require.sh rust
	@if command -v cargo-nextest >/dev/null; then set -x; cargo nextest run --locked; cargo test --benches --locked; \
	else set -x; cargo test --all-targets --locked; fi
	cargo test --doc --locked

# The binary that the tests in Rust use, too: by `cargo build` tokio and what needs it would be built once more, without
# what tests want of it.
BINARY := cargo test --locked --no-run --test e2e

clients: deps ## real clients against a server of their own: Chromium, aiortc, GStreamer, libdatachannel
	$(BINARY)
	npm --prefix tests/browser test
	npm --prefix tests/clients test

firefox: deps tests/firefox/node_modules/.installed ## Firefox against a server of its own; installs it
	@scripts/require.sh firefox
	$(BINARY)
	npm --prefix tests/firefox test

verify: test firefox bench-door ## `make test`, Firefox, attacks, the admin page under load, many more simulated rooms; figures go into docs/verified.md
	npm --prefix tests/browser run verify
	cargo clippy --all-targets --all-features --locked -- -D warnings
	cargo test --locked --features traces --test traces
	RILLCAST_SIM_SEEDS=1000 cargo test --locked --test sim -- --nocapture

BENCHMARKS := datagram egress fanout inspect library negotiate tokens

bench: ## what a packet and a session cost: one table per benchmark, CPU time, some three minutes
	@scripts/require.sh rust
	cargo bench --locked --quiet $(BENCHMARKS:%=--bench %)

bench-door: ## a release server under floods, slow and idle connections, giant heads, six minutes; fails where others notice
	@scripts/require.sh rust
	cargo bench --locked --quiet --bench door

bench-load: ## the whole server under load, half an hour; writes the table of docs/performance.md
	@scripts/require.sh rust
	cargo build --release --locked
	node scripts/bench-load.mjs

counts: deps ## counts the instructions of the hot paths and compares them with those accepted before
	cargo bench --locked --quiet --profile counted --bench instructions

baseline: deps ## accepts the instructions that the hot paths take now; the commit says why
	cargo bench --locked --quiet --profile counted --bench instructions -- --accept

config: ## writes config.example.toml and docs/configuration.md from the table of keys
	cargo run --locked --quiet -- check --example > config.example.toml
	cargo run --locked --quiet -- check --reference > docs/configuration.md

deps: packages $(NODE_MODULES) $(VENV)/.installed ## what the tests need: Debian packages (as root), npm and Python packages

packages:
	@scripts/require.sh rust tests

%/node_modules/.installed: %/package-lock.json | packages
	npm --prefix $* ci --no-audit --no-fund
	@touch $@

# Debian's own Python, because python3-venv and python3-gi are made for it.
$(VENV)/.installed: tests/clients/requirements.txt | packages
	/usr/bin/python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@
