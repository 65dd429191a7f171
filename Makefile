# Aviary: `make run` for a cluster to try, `make test` for all tests.

.DEFAULT_GOAL := help
.PHONY: help run test setup build format lint protos sweep score clean

# Everything but generated code.
SWIFT_SOURCES := Package.swift $(filter-out Sources/AviaryProtos,$(wildcard Sources/*)) Tests SimTests
SEEDS ?= 1..1000
# A tenth faster than with the shared library of the language.
RELEASE := -c release --static-swift-stdlib

help: ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

run: ## build, start a cluster on loopback, show it at work, stop it with Ctrl-C
	@scripts/run.sh

test: ## build and run all tests
	@scripts/test.sh

setup: ## install what is missing (Debian packages)
	@scripts/setup.sh tests

build: setup ## build the release binary
	swift build -c release --product aviary

format: ## format the sources
	swift format format --in-place --recursive --parallel $(SWIFT_SOURCES)

lint: ## check the format of the sources
	swift format lint --strict --recursive --parallel $(SWIFT_SOURCES)

protos: ## generate Sources/AviaryProtos and the reflection descriptors from proto/
	@scripts/generate-protos.sh

sweep: ## simulate many seeds: make sweep SEEDS=1..100000
	swift build $(RELEASE) --product sim
	"$$(swift build $(RELEASE) --show-bin-path)/sim" sweep --seeds $(SEEDS)

score: ## plant each known mistake into a copy of the sources, and count seeds until the simulator sees it
	swift build $(RELEASE) --product sim
	"$$(swift build $(RELEASE) --show-bin-path)/sim" score

clean: ## remove what was built and the logs of earlier runs
	rm -rf .build .run
