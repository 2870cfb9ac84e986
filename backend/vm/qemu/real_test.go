package qemu

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

var imageDir = flag.String("image", "", "directory with vmlinux and initrd (default: what make image built)")

// realImage is where a kernel and an initramfs are. Without them, or without
// QEMU, it skips the test and prints why.
func realImage(t *testing.T) string {
	t.Helper()
	if _, err := findBinary(""); err != nil {
		t.Skipf("not run: %v", err)
	}
	dir := *imageDir
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "guest-image", "out", runtime.GOARCH)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vmlinux", "initrd"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Skipf("not run: there is no guest image (%v); build it with: make image", err)
		}
	}
	return dir
}

// machineDir is short enough for sockets, unlike t.TempDir.
func machineDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func realConfig(t *testing.T, accelerator string) vm.Config {
	image := realImage(t)
	return vm.Config{
		Name: "test", Dir: machineDir(t), CPUs: 2, MemoryMiB: 256,
		Kernel: filepath.Join(image, "vmlinux"), Initrd: filepath.Join(image, "initrd"),
		Accelerator: accelerator,
	}
}

func TestQEMUConforms(t *testing.T) {
	realImage(t)
	vmtest.Run(t, func(t *testing.T) vmtest.Subject {
		return vmtest.Subject{Driver: New(Options{}), Config: realConfig(t, vm.TCG)}
	})
}
