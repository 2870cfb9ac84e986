package vz

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// linkSocket is the name, in the machine's directory, of our end of the link.
const linkSocket = "link.sock"

// plan is what can be decided about a machine without the framework.
type plan struct {
	cmdline string
	link    string // path of our end of the link; empty without one
	mtu     int
}

// newPlan refuses what the framework cannot do, with a *vm.Fault.
func newPlan(c vm.Config) (plan, error) {
	switch c.Accelerator {
	case "", vm.Auto, vm.VZ:
	default:
		return plan{}, &vm.Fault{Code: vm.CodeAccelerator, Message: fmt.Sprintf("There is no accelerator %s with Virtualization.framework.", c.Accelerator),
			Hint: "Set the accelerator to auto."}
	}
	for _, d := range c.Disks {
		if d.Format != vm.Raw {
			return plan{}, &vm.Fault{Code: vm.CodeUnsupported, Message: fmt.Sprintf("The disk %s is a %s image; Virtualization.framework uses raw ones.", d.Path, d.Format),
				Hint: "Convert it: qemu-img convert -O raw FROM TO"}
		}
	}
	p := plan{cmdline: strings.Join(append([]string{"console=hvc0"}, c.Cmdline...), " ")}
	if c.Link.Socket == "" {
		return p, nil
	}
	p.link = filepath.Join(c.Dir, linkSocket)
	if err := vm.CheckSocketPath(p.link); err != nil {
		return plan{}, err
	}
	p.mtu = max(c.Link.MTU, 1500) // the framework's least
	return p, nil
}
