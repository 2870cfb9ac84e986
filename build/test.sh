#!/usr/bin/env bash
# Runs every test. Machines boot in it, so what it needs must be built: see the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."
export SLIPWAY_E2E=1 LANG=C.UTF-8

step() { printf -- '--- %s\n' "$*"; }

step "unit tests, with the race detector"
go test -race -timeout 600s $(go list ./... | grep -v /build/e2e)

step "frontend: logic"
npm --prefix frontend run --silent test

step "frontend: flows in Chromium"
npm --prefix frontend run --silent e2e

step "end to end: the machine, Docker, the window"
go test -v -count=1 -timeout 900s ./build/e2e
