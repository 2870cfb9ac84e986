#!/usr/bin/env bash
# Installs what a fresh Debian 12 lacks. Groups: run (build and run the app),
# test (what the tests use besides). Installs nothing that is there already, so
# a machine that is ready needs neither the network nor root.
set -euo pipefail

declare -A packages=(
  [run]="pkg-config libgtk-3-dev libwebkit2gtk-4.1-dev qemu-system-x86 erofs-utils e2fsprogs xz-utils zstd debian-archive-keyring ca-certificates"
  [test]="qemu-utils tshark chromium xvfb xauth openbox wmctrl xdotool imagemagick x11-utils dbus dbus-x11 libglib2.0-bin at-spi2-core python3-pyatspi busybox-static docker.io jq curl fonts-dejavu-core iproute2 diod git fuse3 cpio"
)

for tool in go node npm gcc; do
  command -v "$tool" >/dev/null || { echo "setup: $tool is missing; Slipway builds with Go 1.26, Node 20 and a C compiler" >&2; exit 1; }
done

missing=()
for group in "$@"; do
  for p in ${packages[$group]}; do
    # The Docker client may have come from elsewhere; only the command matters.
    [ "$p" = docker.io ] && command -v docker >/dev/null && continue
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q ' installed$' || missing+=("$p")
  done
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "setup: installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
