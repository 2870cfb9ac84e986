// Slipway's desktop app: the window and the tray over the engine. Everything is in
// package app; this file is here because Wails compiles the package at the root.
//
// The command line is backend/cmd/slipway.
package main

import (
	"os"

	"github.com/slipway-desktop/slipway/app"
	"github.com/slipway-desktop/slipway/frontend"
)

// version is set by the linker.
var version = "devel"

func main() { os.Exit(app.Main(version, frontend.Files)) }
