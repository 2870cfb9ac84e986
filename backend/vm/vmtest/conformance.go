package vmtest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// patience bounds each wait of the suite.
const patience = 20 * time.Second

// Subject is a driver and a machine that it can start, whose guest prints lines
// and goes on running. Its directory is new.
type Subject struct {
	Driver vm.Driver
	Config vm.Config
}

// Run holds a driver against the contract in package vm. newSubject is called
// for each part.
func Run(t *testing.T, newSubject func(t *testing.T) Subject) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, s Subject)
	}{
		{"stop ends the machine and its console", testStop},
		{"kill ends the machine, and all calls work after the end", testKill},
		{"a directory can be used again", testAgain},
		{"a directory holds one machine", testOccupied},
		{"a cancelled start leaves nothing", testCancelled},
		{"the context of the start does not end the machine", testContext},
		{"the agent's channel can be taken over", testAgent},
		{"stop and kill may meet", testTogether},
		{"pausing is noticed", testPause},
		{"bad configurations are explained", testBad},
	} {
		t.Run(part.name, func(t *testing.T) {
			NoLeak(t)
			part.run(t, newSubject(t))
		})
	}
}

// started is a machine whose console is read.
type started struct {
	vm.Instance
	t     *testing.T
	lines chan string // the first line
	ended chan error  // of the console
}

func start(t *testing.T, ctx context.Context, s Subject) *started {
	t.Helper()
	m, err := s.Driver.Start(ctx, s.Config)
	if err != nil {
		t.Fatalf("Start: %v", describe(err))
	}
	r := &started{m, t, make(chan string, 1), make(chan error, 1)}
	go func() {
		console := bufio.NewReader(m.Console())
		line := ""
		for strings.TrimSpace(line) == "" {
			var err error
			if line, err = console.ReadString('\n'); err != nil {
				r.ended <- err
				return
			}
		}
		r.lines <- line
		_, err := io.Copy(io.Discard, console)
		if err == nil {
			err = io.EOF
		}
		r.ended <- err
	}()
	t.Cleanup(func() {
		m.Kill()
		r.wait()
	})
	return r
}

func (r *started) firstLine() {
	r.t.Helper()
	select {
	case <-r.lines:
	case err := <-r.ended:
		r.t.Fatalf("the console ended (%v) before its first line; machine: %v", err, describe(r.Err()))
	case <-time.After(patience):
		r.t.Fatal("no console line")
	}
}

// wait waits for the machine's end.
func (r *started) wait() {
	r.t.Helper()
	select {
	case <-r.Done():
	case <-time.After(patience):
		r.t.Fatal("the machine did not end")
	}
}

func describe(err error) string {
	var f *vm.Fault
	if errors.As(err, &f) {
		return string(f.Code) + ": " + f.Error() + "\n" + f.Detail
	}
	if err == nil {
		return "<nil>"
	}
	return err.Error()
}

func testStop(t *testing.T, s Subject) {
	r := start(t, t.Context(), s)
	info := r.Info()
	if info.CPUs < 1 || info.CPUs > s.Config.CPUs || info.MemoryMiB != s.Config.MemoryMiB || info.Accelerator.Name == "" {
		t.Errorf("Info is %+v for %d CPUs and %d MiB", info, s.Config.CPUs, s.Config.MemoryMiB)
	}
	r.firstLine()
	if err := r.Err(); err != nil {
		t.Errorf("Err before the end: %v", err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	r.wait()
	if err := r.Err(); err != nil {
		t.Errorf("Err after Stop: %v", describe(err))
	}
	select {
	case err := <-r.ended:
		if err != io.EOF {
			t.Errorf("the console ended with %v, not io.EOF", err)
		}
	case <-time.After(patience):
		t.Error("the console did not end")
	}
	noSockets(t, s.Config.Dir)
}

func testKill(t *testing.T, s Subject) {
	r := start(t, t.Context(), s)
	r.firstLine()
	if err := r.Kill(); err != nil {
		t.Fatalf("Kill: %v", err)
	}
	r.wait()
	if err := errors.Join(r.Err(), r.Kill(), r.Stop(t.Context())); err != nil {
		t.Errorf("Err, Kill and Stop after Kill: %v", describe(err))
	}
	if conn, err := r.Agent(t.Context()); err == nil {
		conn.Close()
		t.Error("Agent connects to a machine that is gone")
	}
	noSockets(t, s.Config.Dir)
}

func testAgain(t *testing.T, s Subject) {
	for range 2 {
		r := start(t, t.Context(), s)
		r.firstLine()
		r.Kill()
		r.wait()
	}
}

func testOccupied(t *testing.T, s Subject) {
	r := start(t, t.Context(), s)
	second, err := s.Driver.Start(t.Context(), s.Config)
	if err == nil {
		second.Kill()
	}
	wantCode(t, err, vm.CodeInUse)
	r.firstLine() // the first one is not disturbed
}

func testCancelled(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, err := s.Driver.Start(ctx, s.Config)
	if err == nil {
		m.Kill()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Start with an ended context: %v", describe(err))
	}
	noSockets(t, s.Config.Dir)
}

func testContext(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	r := start(t, ctx, s)
	cancel()
	r.firstLine()
	select {
	case <-r.Done():
		t.Error("the machine ended")
	default:
	}
}

func testAgent(t *testing.T, s Subject) {
	r := start(t, t.Context(), s)
	first, err := r.Agent(t.Context())
	if err != nil {
		t.Fatalf("Agent: %v", err)
	}
	second, err := r.Agent(t.Context())
	if err != nil {
		t.Fatalf("Agent, again: %v", err)
	}
	defer second.Close()
	if _, err := first.Write([]byte{0}); err == nil {
		t.Error("the first connection can still be used")
	}
}

func testTogether(t *testing.T, s Subject) {
	r := start(t, t.Context(), s)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { r.Stop(t.Context()) })
		wg.Go(func() { r.Kill() })
	}
	wg.Wait()
	r.wait()
	if err := r.Err(); err != nil {
		t.Errorf("Err: %v", describe(err))
	}
}

func testPause(t *testing.T, s Subject) {
	if !s.Driver.Capabilities().Pause {
		t.Skip("not run: this driver's machines cannot pause")
	}
	r := start(t, t.Context(), s)
	r.firstLine()
	p, n := r.Instance.(vm.Pauser), r.Instance.(vm.Noticer)
	for _, step := range []struct {
		do     func(context.Context) error
		paused bool
	}{{p.Pause, true}, {p.Resume, false}} {
		if err := step.do(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case got, ok := <-n.Notices():
			if !ok || got != (vm.Notice{Paused: step.paused}) {
				t.Errorf("notice %+v, want Paused: %v", got, step.paused)
			}
		case <-time.After(patience):
			t.Fatal("no notice")
		}
	}
	r.Kill()
	r.wait()
	if _, ok := <-n.Notices(); ok {
		t.Error("the notices are not closed at the end")
	}
}

func testBad(t *testing.T, s Subject) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, []byte("not a disk"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for _, bad := range []struct {
		name  string
		code  vm.Code
		spoil func(*vm.Config)
	}{
		{"no CPU", vm.CodeConfig, func(c *vm.Config) { c.CPUs = 0 }},
		{"no directory", vm.CodeFileMissing, func(c *vm.Config) { c.Dir = missing }},
		{"no kernel", vm.CodeFileMissing, func(c *vm.Config) { c.Kernel = missing }},
		{"no initramfs", vm.CodeFileMissing, func(c *vm.Config) { c.Initrd = missing }},
		{"no disk", vm.CodeFileMissing, func(c *vm.Config) {
			c.Disks = []vm.Disk{{ID: "data", Path: missing, Format: vm.Raw}}
		}},
		{"a damaged disk", vm.CodeDiskCorrupt, func(c *vm.Config) {
			c.Disks = []vm.Disk{{ID: "data", Path: damaged, Format: vm.Qcow2}}
		}},
		{"no shared folder", vm.CodeShareMissing, func(c *vm.Config) {
			c.Shares = []vm.Share{{Tag: "home", Path: missing}}
		}},
		{"no network socket", vm.CodeFileMissing, func(c *vm.Config) { c.Link.Socket = missing }},
		{"a long network socket", vm.CodePathTooLong, func(c *vm.Config) {
			c.Link.Socket = "/" + strings.Repeat("x", vm.MaxSocketPath)
		}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			c := s.Config
			bad.spoil(&c)
			m, err := s.Driver.Start(t.Context(), c)
			if err == nil {
				m.Kill()
			}
			wantCode(t, err, bad.code)
		})
	}
}

func wantCode(t *testing.T, err error, code vm.Code) {
	t.Helper()
	var f *vm.Fault
	if !errors.As(err, &f) || f.Code != code {
		t.Fatalf("got %v, want a fault of code %s", describe(err), code)
	}
	if f.Message == "" || f.Hint == "" {
		t.Errorf("the fault says too little: %+v", f)
	}
}

func noSockets(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type()&fs.ModeSocket != 0 || strings.HasSuffix(e.Name(), ".pid") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}
