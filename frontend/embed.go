// Package frontend holds the built window: the files that Vite writes to dist.
//
// The folder itself is a Go package because go:embed cannot look upwards. dist
// holds only .gitkeep until `npm run build` has run, so that Go compiles from a
// fresh clone; an app built then has no window, which app tells at start.
package frontend

import "embed"

// Files is the tree below frontend/, with everything at "dist/…".
//
//go:embed all:dist
var Files embed.FS
