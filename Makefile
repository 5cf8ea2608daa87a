# The verbs of this project; `make` prints them. Everything is built into .build; only missing system libraries are
# installed (scripts/install-dependencies).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

SWIFT ?= swift
BINARY := .build/release/pointgate
SOURCES := Package.swift Sources Tests
# Unit tests only: the integration tests run the built binary, which has no sanitizer.
UNIT_TESTS := --skip '^Integration\.'

.PHONY: help
help: ## print this list
	@echo 'usage: make VERB'
	@echo
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

.PHONY: run
run: build ## build, then start the demo and print a curl line that works when pasted
	@exec $(BINARY) run --demo

.PHONY: test
test: test-dependencies ## run every test; the last lines say how many ran
	@$(SWIFT) build --build-tests
	@$(SWIFT) test --skip-build --disable-xctest

.PHONY: build
build: dependencies ## build the release binary, .build/release/pointgate
	@$(SWIFT) build -c release --product pointgate --static-swift-stdlib

.PHONY: check
check: test-dependencies ## check the formatter's rules, the directions of modules, the house rules
	@$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)
	@scripts/check
	@$(SWIFT) build --explicit-target-dependency-import-check error

.PHONY: format
format: ## format the Swift files in place
	@$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

.PHONY: bench
bench: build ## measure Pointgate beside HAProxy and nginx, in two to three minutes (INSTALL=1 installs what is missing)
	@bench/run.py $(if $(INSTALL),--install)

.PHONY: fuzz
fuzz: dependencies ## fuzz the HTTP parsers for a minute (SECONDS=600 for longer)
	@scripts/fuzz $(or $(SECONDS),60)

# Without leak detection: event loops and their objects live as long as the process.
.PHONY: sanitize
sanitize: test-dependencies ## run the unit tests under ThreadSanitizer, then under AddressSanitizer
	@TSAN_OPTIONS=suppressions=$(CURDIR)/scripts/tsan-suppressions $(SWIFT) test --sanitize=thread --scratch-path .build-tsan --disable-xctest $(UNIT_TESTS)
	@ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --sanitize=address --scratch-path .build-asan --disable-xctest $(UNIT_TESTS)

.PHONY: clean
clean: ## remove everything that was built
	@rm -rf .build .build-*

.PHONY: dependencies
dependencies:
	@scripts/install-dependencies

# The tests also need PostgreSQL's server programs.
.PHONY: test-dependencies
test-dependencies:
	@scripts/install-dependencies test
