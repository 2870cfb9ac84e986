# Slipway. `make help` lists what there is to make.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

ARCH      ?= $(shell go env GOARCH)
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
TAGS      := desktop,production,webkit2_41
LDFLAGS   := -s -w -X main.version=$(VERSION)
IMAGE     := guest-image/out/$(ARCH)
NPM       := npm --prefix frontend --no-fund --no-audit

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: setup image build ## set up, build and open Slipway (without a display: run it headless)
	build/run.sh

.PHONY: test
test: setup-test image build check ## everything that is tested, as CI does it
	build/test.sh

.PHONY: dev
dev: frontend/node_modules/.package-lock.json ## the window in a browser, on fake data, reloading as you edit
	$(NPM) run dev

.PHONY: check
check: frontend/dist/index.html ## formatting, vet, staticcheck, house rules, darwin and windows types, frontend types and lint
	build/check.sh

.PHONY: build
build: build/bin/slipway build/bin/slipway-desktop ## build/bin/slipway (command line) and build/bin/slipway-desktop (app)

.PHONY: image
image: ## the guest image in guest-image/out
	go run ./guest-image/recipe -arch $(ARCH) -out guest-image/out

.PHONY: bench
bench: bench-boot bench-idle bench-data ## all measurements; results go to build/bench

.PHONY: bench-boot
bench-boot: build/bin/slipway ## boot by phase, beside a bare boot of the same kernel
	go run ./build/bench/boot -append build/bench/boot.md

.PHONY: bench-idle
bench-idle: build ## the idle engine's processor time and memory, and the window's first paint
	build/bench/idle.sh | tee -a build/bench/idle.md

.PHONY: bench-data
bench-data: ## the data store and 9P, each figure beside its target
	go run ./build/bench/data -append build/bench/data.md

.PHONY: crash-data
ROUNDS ?= 300
crash-data: ## kill the data store at random moments, ROUNDS times, and look for lost commits
	go test ./backend/datakit -run TestCrash -count=1 -timeout 120m -v -args -rounds $(ROUNDS)

.PHONY: dist
dist: image build ## a tarball with app, command line and guest image in dist/
	build/dist.sh "$(VERSION)" "$(ARCH)"

.PHONY: generate
generate: ## after a change of Go types that the window sees: make their TypeScript
	go run ./build/tsgen
	build/bindings.sh

.PHONY: setup setup-test
setup: ## install what a fresh Debian lacks to build and run
	build/setup.sh run
setup-test:
	build/setup.sh run test

# Go decides itself what is stale, so these are always tried.
.PHONY: build/bin/slipway build/bin/slipway-desktop
build/bin/slipway:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./backend/cmd/slipway
build/bin/slipway-desktop: frontend/dist/index.html
	go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $@ .

frontend/node_modules/.package-lock.json: frontend/package.json frontend/package-lock.json
	$(NPM) ci
	@touch $@

frontend/dist/index.html: frontend/node_modules/.package-lock.json $(shell find frontend/src frontend/index.html frontend/vite.config.ts -type f 2>/dev/null)
	$(NPM) run build

.PHONY: clean
clean: ## remove what was built (the download cache stays)
	rm -rf build/bin dist guest-image/out frontend/dist/* frontend/node_modules
