# The verbs of this project; `make` prints them. Everything is built into .build, nothing is installed but missing
# system libraries (scripts/install-dependencies).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

SWIFT ?= swift
BINARY := .build/release/pointgate
SOURCES := Package.swift Sources Tests
# Unit tests; the integration tests run the built binary from outside and have nothing to gain from a sanitizer.
UNIT_TESTS := --skip '^Integration\.'

.PHONY: help
help: ## this list
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
build: dependencies ## the release binary, .build/release/pointgate
	@$(SWIFT) build -c release --product pointgate --static-swift-stdlib

.PHONY: check
check: test-dependencies ## the formatter's rules, the modules' directions, the house rules
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

# Leaks are not looked for: event loops and what lives on them are meant to last as long as the process.
.PHONY: sanitize
sanitize: test-dependencies ## the unit tests under ThreadSanitizer, then under AddressSanitizer
	@TSAN_OPTIONS=suppressions=$(CURDIR)/scripts/tsan-suppressions $(SWIFT) test --sanitize=thread --scratch-path .build-tsan --disable-xctest $(UNIT_TESTS)
	@ASAN_OPTIONS=detect_leaks=0 $(SWIFT) test --sanitize=address --scratch-path .build-asan --disable-xctest $(UNIT_TESTS)

.PHONY: clean
clean: ## remove everything that was built
	@rm -rf .build .build-*

.PHONY: dependencies
dependencies:
	@scripts/install-dependencies

# What the tests need beyond that: a PostgreSQL to start.
.PHONY: test-dependencies
test-dependencies:
	@scripts/install-dependencies test
