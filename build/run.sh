#!/usr/bin/env bash
# Opens the app, or, where there is no display, says so and runs the engine in
# this terminal.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  exec build/bin/slipway-desktop "$@"
fi
echo "No display here (neither DISPLAY nor WAYLAND_DISPLAY is set): running without a window. Ctrl-C stops it."
exec build/bin/slipway up "$@"
