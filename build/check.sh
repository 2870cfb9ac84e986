#!/usr/bin/env bash
# What can be said about the code without running it.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf -- '--- %s\n' "$*"; }

step gofmt
unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || { echo "run gofmt -w on:"; echo "$unformatted"; exit 1; }

step go vet
go vet ./...
go vet -tags desktop,production,webkit2_41 . ./app/...

step staticcheck
go tool staticcheck ./...

step other systems
GOOS=windows go vet ./backend/...
GOOS=darwin CGO_ENABLED=0 go build ./backend/...
go run ./build/darwincheck ./backend/...
go run ./build/darwincheck -tags desktop,production . ./app/...
GOOS=windows go vet . ./app/...
GOARCH=arm64 go vet ./guest-image/agent/... ./backend/cmd/slipway

step generated files
go run ./build/tsgen -check

step shell
for f in .ci/run build/*.sh build/bench/*.sh build/examples/*.sh; do
  [ -e "$f" ] && bash -n "$f"
done

step frontend
npm --prefix frontend run --silent check
