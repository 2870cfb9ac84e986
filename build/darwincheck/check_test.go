package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const driver = "../../backend/vm/vz"

func TestDriverIsSound(t *testing.T) {
	r, err := check(t.Context(), target{dir: driver, arch: "arm64", patterns: []string{"."}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.problems {
		t.Error(p)
	}
	// Without the framework's binding nothing would have been checked.
	if r.checked < 2 || r.loaded < 100 {
		t.Errorf("%d packages were checked and %d loaded: that cannot be all", r.checked, r.loaded)
	}
}

// A check that never fails is worth nothing: each error planted in the real
// driver must be found, in its file.
func TestPlantedErrorsAreFound(t *testing.T) {
	planted := []struct{ name, file, right, wrong, says string }{
		{"a function that the binding does not have", "driver_darwin.go",
			"vz.NewVirtioEntropyDeviceConfiguration()", "vz.NewEntropyDevice()", "undefined: vz.NewEntropyDevice"},
		{"an argument of another type", "driver_darwin.go",
			"uint(m.config.CPUs), uint64(m.config.MemoryMiB)<<20", "m.config.CPUs, uint64(m.config.MemoryMiB)<<20", "cannot use m.config.CPUs"},
		{"a constant that the binding does not have", "machine_darwin.go",
			"case vz.VirtualMachineStatePaused:", "case vz.VirtualMachineStateAsleep:", "undefined: vz.VirtualMachineStateAsleep"},
		{"a method of the contract missing", "machine_darwin.go",
			"func (m *machine) Done()", "func (m *machine) Ended()", "missing method Done"},
		{"a wrong field in the tests", "driver_darwin_test.go",
			"MemoryMiB: 512", "Memory: 512", "unknown field Memory"},
	}
	overlay := map[string][]byte{}
	for _, p := range planted {
		path, err := filepath.Abs(filepath.Join(driver, p.file))
		if err != nil {
			t.Fatal(err)
		}
		text := overlay[path]
		if text == nil {
			if text, err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Count(string(text), p.right) != 1 {
			t.Fatalf("%s has not exactly one %q: choose another place to plant the error", p.file, p.right)
		}
		overlay[path] = []byte(strings.Replace(string(text), p.right, p.wrong, 1))
	}
	r, err := check(t.Context(), target{dir: driver, arch: "arm64", patterns: []string{"."}, overlay: overlay})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range planted {
		if !slices.ContainsFunc(r.problems, func(found string) bool {
			return strings.Contains(found, p.file+":") && strings.Contains(found, p.says)
		}) {
			t.Errorf("%s: want %q in %s, got:\n%s", p.name, p.says, p.file, strings.Join(r.problems, "\n"))
		}
	}
}

func TestMissingPackageIsAProblem(t *testing.T) {
	r, err := check(t.Context(), target{dir: driver, arch: "arm64", patterns: []string{"./nowhere"}})
	if err == nil && len(r.problems) == 0 {
		t.Error("nothing was found")
	}
}
