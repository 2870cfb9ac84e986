#!/usr/bin/env bash
# Packs app, command line and guest image as they are installed: bin/ and share/.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 arch=$2
name=slipway-$version-linux-$arch
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
install -Dm755 -t "$stage/$name/bin" build/bin/slipway build/bin/slipway-desktop
install -Dm644 -t "$stage/$name/share/slipway/$arch" guest-image/out/"$arch"/{vmlinux,initrd,root.erofs,manifest.json}
install -Dm644 build/linux/slipway.desktop "$stage/$name/share/applications/slipway.desktop"
install -Dm644 build/appicon.png "$stage/$name/share/pixmaps/slipway.png"
install -Dm644 -t "$stage/$name" LICENSE README.md CHANGELOG.md
mkdir -p dist
# The same inputs give the same archive.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" \
  -C "$stage" -c "$name" | zstd -q -10 -f -o "dist/$name.tar.zst"
ls -l "dist/$name.tar.zst"
