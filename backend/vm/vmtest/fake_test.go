package vmtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/slipway-desktop/slipway/backend/vm"
)

func TestFakeConforms(t *testing.T) {
	Run(t, func(t *testing.T) Subject {
		dir := t.TempDir()
		kernel := filepath.Join(dir, "kernel")
		if err := os.WriteFile(kernel, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return Subject{&Fake{}, vm.Config{Name: "test", Dir: dir, CPUs: 1, MemoryMiB: 256, Kernel: kernel}}
	})
}
