//go:build cgo

package vz

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

var imageDir = flag.String("image", "../../../guest-image/out/arm64", "directory with vmlinux and initrd")

func TestConforms(t *testing.T) {
	image, err := filepath.Abs(*imageDir)
	if err != nil {
		t.Fatal(err)
	}
	kernel, initrd := filepath.Join(image, "vmlinux"), filepath.Join(image, "initrd")
	for _, file := range []string{kernel, initrd} {
		if _, err := os.Stat(file); err != nil {
			t.Skipf("not run: there is no guest image (%v); build it with: make image", err)
		}
	}
	vmtest.Run(t, func(t *testing.T) vmtest.Subject {
		dir, err := os.MkdirTemp("/tmp", "vm") // a short path
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		return vmtest.Subject{Driver: New(Options{}), Config: vm.Config{
			Name: "test", Dir: dir, CPUs: 2, MemoryMiB: 512, Kernel: kernel, Initrd: initrd,
		}}
	})
}
