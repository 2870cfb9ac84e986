package qemu

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

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

// content is an engine that is content with a first line.
type content struct{}

func (content) Boot(context.Context, vm.Instance, func(string)) error { return nil }
func (content) Shutdown(context.Context) error                        { return errors.New("there is no agent") }

// supervise runs a supervisor of real machines until the test ends.
func supervise(t *testing.T) *vm.Supervisor {
	t.Helper()
	vmtest.NoLeak(t)
	s := vm.NewSupervisor(vm.Options{Driver: New(Options{}), Guest: content{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// becomes waits for a state that is not the given one.
func becomes(t *testing.T, s *vm.Supervisor, not vm.State) vm.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for st := range s.Watch(ctx) {
		if st.State != not {
			return st
		}
	}
	t.Fatalf("still %s", not)
	return vm.Status{}
}

func TestRealMachineStartsAndStops(t *testing.T) {
	c := realConfig(t, vm.TCG)
	s := supervise(t)
	if err := s.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	st := s.Status()
	if st.State != vm.Running || st.PID == 0 || st.CPUs != 1 || st.Accelerator.Name != vm.TCG || st.Accelerator.Warning == "" {
		t.Errorf("status is %+v", st)
	}
	if text, _ := s.Console(); !bytes.Contains(text, []byte("Linux version")) {
		t.Errorf("console is %q", text)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.State != vm.Stopped || st.PID != 0 {
		t.Errorf("status is %+v", st)
	}
}

func TestRealPanic(t *testing.T) {
	c := realConfig(t, vm.TCG)
	c.Initrd = "" // so there is no root
	s := supervise(t)
	if err := s.Start(t.Context(), c); err != nil {
		wantCode(t, err, vm.CodePanic) // it was quicker than Boot
	}
	st := becomes(t, s, vm.Running)
	if st.State != vm.Failed || st.Code != vm.CodePanic || !strings.Contains(st.Detail, "Kernel panic") {
		t.Errorf("status is %+v", st)
	}
}

func TestRealQEMUIsKilled(t *testing.T) {
	s := supervise(t)
	if err := s.Start(t.Context(), realConfig(t, vm.TCG)); err != nil {
		t.Fatal(err)
	}
	qemu, err := os.FindProcess(s.Status().PID)
	if err == nil {
		err = qemu.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	if st := becomes(t, s, vm.Running); st.State != vm.Failed || st.Code != vm.CodeDied || st.Hint == "" {
		t.Errorf("status is %+v", st)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Errorf("after that: %v", err)
	}
}
