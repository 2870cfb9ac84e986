#!/usr/bin/env bash
# Makes the TypeScript of what app.API binds. Needs neither WebKit nor a display.
set -euo pipefail
cd "$(dirname "$0")/.."
out=frontend/src/lib/bridge/wailsjs
CGO_ENABLED=0 go run -tags bindings . >/dev/null
rm -r "$out/runtime" # the bridge uses the runtime that the app puts into the page
find "$out" -type f -exec chmod 644 {} +
