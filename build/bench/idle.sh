#!/usr/bin/env bash
# Measures what Slipway takes while nothing happens, and how soon its window shows
# something. Prints markdown; `make bench-idle` keeps it in idle.md.
#
# Engine: processor time in per cent of one core over 30 s, and resident memory,
# of the engine's own process: QEMU is another. First alone, then with the window
# following. Window: the same of the app with the web view's processes; of memory
# that processes share, each counts its part (PSS).
# First paint: from the making of the process (before exec) to WebKit's first
# contentful paint, which the app logs; five starts each, with an engine that
# runs already, and as a double click does it, with the machine booting meanwhile.
set -euo pipefail
cd "$(dirname "$0")/../.."

span=${SPAN:-30} settle=10 starts=5
image=${SLIPWAY_IMAGE:-$PWD/guest-image/out/$(go env GOARCH)}
work=$(mktemp -d /tmp/idleXXXXXX)
export SLIPWAY_HOME=$work/h HOME=$work/u XDG_RUNTIME_DIR=$work/r DOCKER_CONFIG=$work/u/.docker
export SLIPWAY_IMAGE=$image GDK_BACKEND=x11 LANG=C.UTF-8
unset LC_ALL WAYLAND_DISPLAY DOCKER_HOST DOCKER_CONTEXT
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR"

started=()
cleanup() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "idle: $*" >&2
  exit 1
}

# ticks PID...: the processor time they took, in 1/100 s.
ticks() {
  local sum=0 pid
  for pid in "$@"; do
    read -ra f <<<"$(sed 's/.*) //' "/proc/$pid/stat")"
    sum=$((sum + f[11] + f[12]))
  done
  echo $sum
}

# percent PID...: of one core, over the span.
percent() {
  local before after
  before=$(ticks "$@")
  sleep "$span"
  after=$(ticks "$@")
  awk -v t=$((after - before)) -v s="$span" 'BEGIN { printf "%.2f", t / s }'
}

resident() { awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }

proportional() {
  local pid
  for pid in "$@"; do cat "/proc/$pid/smaps_rollup"; done | awk '/^Pss:/ { sum += $2 } END { printf "%.0f", sum / 1024 }'
}

descendants() {
  local pid
  echo "$1"
  for pid in $(cat "/proc/$1/task/"*/children 2>/dev/null); do descendants "$pid"; done
}

# await SECONDS COMMAND...: until it succeeds.
await() {
  local limit=$(($(date +%s) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$limit" ] || fail "not in time: $*"
    sleep 0.1
  done
}

painted() { grep -q 'msg="first paint"' "$work/app.log"; }

open_window() {
  build/bin/slipway-desktop >"$work/app.log" 2>&1 &
  app=$!
  await 60 painted
}

close_window() {
  kill "$app"
  wait "$app" || true
}

# first_paints: the milliseconds of each start, in order of size, as "median (least to most)".
first_paints() {
  local all=() i
  for ((i = 0; i < starts; i++)); do
    open_window
    all+=("$(sed -n 's/.*msg="first paint" afterStart=\([0-9.]*\)\(m\{0,1\}s\).*/\1 \2/p' "$work/app.log" | head -n 1)")
    close_window
  done
  printf '%s\n' "${all[@]}" | awk '{ print ($2 == "ms") ? $1 : $1 * 1000 }' | sort -n |
    awk '{ v[NR] = $1 } END { printf "%d ms (%d to %d)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

exec 3< <(exec Xvfb -displayfd 1 -screen 0 1280x900x24 -nolisten tcp 2>/dev/null)
started+=($!)
read -r display <&3
export DISPLAY=:$display
export DBUS_SESSION_BUS_ADDRESS=unix:path=$XDG_RUNTIME_DIR/bus
dbus-daemon --session --nofork --address="$DBUS_SESSION_BUS_ADDRESS" >/dev/null 2>&1 &
started+=($!)
await 10 test -S "$XDG_RUNTIME_DIR/bus"

load=$(cut -d' ' -f1 /proc/loadavg)
cold=$(first_paints)

build/bin/slipway up >"$work/up.log" 2>&1 &
engine=$!
started+=("$engine")
await 180 grep -q 'Docker answers' "$work/up.log"
sleep "$settle"
alone=$(percent "$engine") alone_memory=$(resident "$engine")
warm=$(first_paints)
open_window
sleep "$settle"
mapfile -t parts < <(descendants "$app")
followed=$(percent "$engine" & percent "${parts[@]}" >"$work/window" & wait)
followed_memory=$(resident "$engine")
window=$(cat "$work/window") window_memory=$(proportional "${parts[@]}")
close_window

cat <<END

## $(date -u +%Y-%m-%d) · $(git describe --always --dirty 2>/dev/null || echo unknown) · $(nproc) processors, load $load before

| idle for $span s | % of a core | memory, MiB | target |
|---|---|---|---|
| engine alone | $alone | $alone_memory | under 3 %, 120 MiB |
| engine, the window follows | $followed | $followed_memory | |
| window, with its web view | $window | $window_memory | |

| first paint, median of $starts | | target |
|---|---|---|
| an engine runs | $warm | 1500 ms |
| the app brings its own, the machine boots | $cold | 1500 ms |
END
