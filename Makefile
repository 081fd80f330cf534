# `make` lists what there is to do. Each target installs what it needs first.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run run-shared test test-newest chaos corpus bench deb fmt lint screenshots clean \
	need-build need-test form licences ui-check ui-test rust-lint rust-test

SHELL := /bin/sh
CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(PATH):$(CARGO_HOME)/bin
target := $(or $(CARGO_TARGET_DIR),target)
say = @printf '\n== %s\n'

# One set of features for building, checking and testing, so that nothing is compiled twice.
# custom-protocol serves the window from ui/dist, built into the program, instead of from a development server.
everything := --workspace --locked --features stratavore-desktop/custom-protocol

# PostgreSQL and RabbitMQ, private and thrown away afterwards; tests that kill a server have one of their own.
servers = $(target)/debug/stratavore-test-servers --

# Tests start the real programs. They are built before, all at once, so that no test has to ask cargo for one.
real = STRATAVORE_TEST_BINARIES=$(abspath $(target))/debug

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

run: ## build and open the desktop app; without a display, run the headless host in the foreground
ifeq ($(DISPLAY)$(WAYLAND_DISPLAY),)
	@scripts/bootstrap.sh host
	@cargo build --locked --package stratavore-daemon --package stratavore-agent --package stratavore-cli
	@echo 'No display here (DISPLAY and WAYLAND_DISPLAY are empty): running stratavored; Ctrl-C ends it, runners go on.'
	@exec $(target)/debug/stratavored
else
run: need-build ui/dist/index.html
	@cargo build $(everything) --bins
	@exec $(target)/debug/stratavore-desktop
endif

run-shared: need-test ui/dist/index.html ## start PostgreSQL, RabbitMQ and two hosts on them privately, for a look
	@cargo build $(everything) --bins
	@$(servers) scripts/run-shared.sh $(abspath $(target))/debug

test: need-test form licences ui-test rust-lint rust-test ## run every check and every test
	$(say) 'All checks and tests passed.'

chaos: need-test ui/dist/index.html ## let everything fail around the outbox, for about ten minutes
	cargo build $(everything) --bins --tests
	$(real) STRATAVORE_CHAOS=long $(servers) cargo nextest run $(everything) --profile chaos \
		--filterset '(package(stratavore-supervisor) and binary(chaos)) or (package(stratavore-store) and binary(disk_full))'

corpus: need-test ## record real runs of the programs anew, against a stand-in for their providers; about ten minutes
	cargo run --locked --package stratavore-programs --example record-corpus

test-newest: need-test ui/dist/index.html ## run the tests with Claude Code against its newest version
	cargo build $(everything) --bins --tests
	$(real) STRATAVORE_CLAUDE_VERSION=$$(npm view @anthropic-ai/claude-code version) cargo nextest run $(everything) \
		--filterset 'binary(agents) or binary(claude)'

bench: need-test ui/dist/index.html ## measure, and print the table of figures
	cargo build $(everything) --release --bins
	@STRATAVORE_TEST_BINARIES=$(abspath $(target))/release $(target)/release/stratavore-bench
	$(say) 'The real window'
	@STRATAVORE_TEST_BINARIES=$(abspath $(target))/release cargo test $(everything) --quiet \
		--test window -- --ignored --nocapture --test-threads=1 figures

deb: need-build ui/node_modules/.package-lock.json ## build the Debian package
	rm -f $(target)/release/bundle/deb/*.deb
	ui/node_modules/.bin/tauri build --bundles deb -- --locked
	@packaging/deb/check.sh $(target)/release/bundle/deb/*.deb

fmt: ## format the sources
	cargo fmt --all

lint: need-test form licences ui-check rust-lint ## run the checks without the tests

screenshots: need-test ui/dist/index.html ## take the pictures in docs/screenshots anew
	cargo build $(everything) --bins --tests
	$(real) STRATAVORE_SCREENSHOTS=$(CURDIR)/docs/screenshots cargo nextest run $(everything) \
		--filterset 'package(stratavore-desktop)'

clean: ## remove what was built
	cargo clean
	rm -rf ui/dist ui/node_modules gen target/deb

need-build:
	@scripts/bootstrap.sh build

need-test:
	@scripts/bootstrap.sh test

form:
	$(say) 'Format, shell scripts'
	cargo fmt --all --check
	shellcheck scripts/*.sh .ci/run packaging/deb/postinst packaging/deb/check.sh

# The list of advisories lives on GitHub; where that cannot be reached the other checks still count.
licences: export GIT_TERMINAL_PROMPT = 0
licences:
	$(say) 'Licences, bans, sources, advisories'
	cargo deny --locked check bans licenses sources
	@if timeout 20 git ls-remote --quiet https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then \
		cargo deny --locked check advisories; \
	else \
		echo 'advisories not checked: github.com is not reachable'; \
	fi

ui/node_modules/.package-lock.json: ui/package.json ui/package-lock.json
	npm --prefix ui ci --no-audit --no-fund
	@touch $@

ui/dist/index.html: ui/node_modules/.package-lock.json ui/index.html ui/vite.config.ts $(shell find ui/src ui/public -type f 2>/dev/null)
	npm --prefix ui run build
	@touch $@

ui-check: ui/node_modules/.package-lock.json
	$(say) 'Window: types'
	npm --prefix ui run check

ui-test: ui-check ui/dist/index.html
	$(say) 'Window: tests'
	npm --prefix ui test

# The window's files are compiled into the desktop app, so they come before anything that reads it.
rust-lint: ui/dist/index.html
	$(say) 'Rust: lints, links in the documentation'
	cargo clippy $(everything) --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc $(everything) --no-deps --document-private-items

rust-test: ui/dist/index.html
	$(say) 'Rust: tests'
	cargo build $(everything) --bins --tests
	$(real) $(servers) cargo nextest run $(everything)
	cargo test $(everything) --doc --quiet
