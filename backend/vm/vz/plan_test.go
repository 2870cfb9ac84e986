package vz

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-desktop/slipway/backend/vm"
)

func TestPlan(t *testing.T) {
	c := vm.Config{
		Dir: "/run/slipway", Cmdline: []string{"quiet"}, Accelerator: vm.Auto,
		Disks: []vm.Disk{{ID: "data", Path: "/data.raw", Format: vm.Raw}},
		Link:  vm.Link{Socket: "/run/slipway/net.sock", MTU: 576},
	}
	p, err := newPlan(c)
	if err != nil || p != (plan{"console=hvc0 quiet", "/run/slipway/link.sock", 1500}) {
		t.Errorf("got %+v, %v", p, err)
	}
	for name, bad := range map[string]struct {
		spoil func(*vm.Config)
		code  vm.Code
	}{
		"qcow2":       {func(c *vm.Config) { c.Disks = []vm.Disk{{Format: vm.Qcow2}} }, vm.CodeUnsupported},
		"accelerator": {func(c *vm.Config) { c.Accelerator = vm.TCG }, vm.CodeAccelerator},
		"long path":   {func(c *vm.Config) { c.Dir = "/" + strings.Repeat("x", 100) }, vm.CodePathTooLong},
	} {
		c := c
		bad.spoil(&c)
		_, err := newPlan(c)
		var f *vm.Fault
		if !errors.As(err, &f) || f.Code != bad.code || f.Hint == "" {
			t.Errorf("%s: got %v, want code %s", name, err, bad.code)
		}
	}
}
