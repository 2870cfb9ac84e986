// Package driver chooses the machine driver of the system it is built for:
// Virtualization.framework on macOS (when built with cgo, which it needs), QEMU
// elsewhere. It is the only package of the kit that imports drivers, so that
// package vm and its users compile and are tested without them.
package driver

import "log/slog"

// Options of the chosen driver; those that it does not have are not used.
type Options struct {
	QEMU     string       // QEMU's program; empty means the one found
	CacheDir string       // for answers worth keeping; empty means each machine's directory
	Log      *slog.Logger // nil discards
}
