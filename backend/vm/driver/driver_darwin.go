//go:build cgo

package driver

import (
	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vz"
)

// Default is the driver of this system.
func Default(o Options) vm.Driver { return vz.New(vz.Options{Log: o.Log}) }
