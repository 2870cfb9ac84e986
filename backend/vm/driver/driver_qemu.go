//go:build !darwin || !cgo

package driver

import (
	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/qemu"
)

// Default is the driver of this system.
func Default(o Options) vm.Driver {
	return qemu.New(qemu.Options{Binary: o.QEMU, CacheDir: o.CacheDir, Log: o.Log})
}
