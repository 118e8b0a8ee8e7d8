# Each target installs what it needs and this machine lacks (scripts/setup.sh says
# what and why), so that any of them works in a fresh clone.

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench nightly screenshots package fmt

help: ## this list
	@grep -E '^[a-z-]+: ## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+): ## /\1\t/' | \
		while IFS="$$(printf '\t')" read -r name what; do printf '  make %-11s  %s\n' "$$name" "$$what"; done

demo: ## the pool with a simulated OCEAN and five simulated Bitaxes, on this machine alone
	@scripts/setup.sh build
	@cargo run --locked -p demo

test: ## all tests, documentation examples first
	@scripts/setup.sh build test
	@scripts/test.sh

lint: ## formatting, clippy, which room may import what, licences and origins of dependencies
	@scripts/setup.sh build lint
	@scripts/lint.sh

fmt: ## format the code
	@scripts/setup.sh build
	@cargo fmt --all

bench: ## release build: the rooms' benchmarks, then 1,000 and 10,000 simulated miners
	@scripts/setup.sh build bench
	@scripts/bench.sh

screenshots: ## pictures of each page into docs/screenshots, from the demonstration
	@scripts/setup.sh build test
	@scripts/screenshots.sh

package: ## the Debian packages of the pool and of the wallet, in target/debian
	@scripts/setup.sh build package
	@scripts/package.sh

nightly: ## the long tests, the fuzzers, instruction counts, the big load
	@scripts/setup.sh build test fuzz bench
	@AXEPOOL_NIGHTLY=1 scripts/test.sh
	@scripts/fuzz.sh
	@scripts/instructions.sh
	@scripts/bench.sh --big
