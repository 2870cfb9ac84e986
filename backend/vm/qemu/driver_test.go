package qemu

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

func TestStartExplainsItself(t *testing.T) {
	for _, c := range []struct {
		name, play string
		spoil      func(*Options, *vm.Config)
		code       vm.Code
		says       string
	}{
		{"QEMU is missing", "", func(o *Options, _ *vm.Config) { o.Binary = "/nowhere/qemu-system-x86_64" }, vm.CodeMissing, "not installed"},
		{"QEMU is too old", "old", nil, vm.CodeMissing, "6.2.0 is too old"},
		{"QEMU ends at once", "die", nil, vm.CodeNoMemory, "memory"},
		{"the directory's path is too long", "", func(_ *Options, c *vm.Config) {
			c.Dir = filepath.Join(c.Dir, strings.Repeat("d", 80))
			os.Mkdir(c.Dir, 0o700)
		}, vm.CodePathTooLong, "console.sock"},
		{"another system's accelerator", "", func(_ *Options, c *vm.Config) { c.Accelerator = vm.VZ }, vm.CodeAccelerator, "vz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			vmtest.NoLeak(t)
			o, config := Options{Binary: fakeQEMU(t, c.play)}, fakeConfig(t)
			if c.spoil != nil {
				c.spoil(&o, &config)
			}
			m, err := New(o).Start(t.Context(), config)
			if err == nil {
				m.Kill()
			}
			if f := wantCode(t, err, c.code); !strings.Contains(f.Message, c.says) || f.Hint == "" {
				t.Errorf("it says %q, hint %q", f.Message, f.Hint)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	vmtest.NoLeak(t)
	d, c := New(Options{Binary: fakeQEMU(t, "hang")}), fakeConfig(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := d.Start(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start of a QEMU that hangs: %v", err)
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestEndIsExplained(t *testing.T) {
	for play, code := range map[string]vm.Code{"reset": vm.CodeReset, "abort": vm.CodeDied} {
		t.Run(play, func(t *testing.T) {
			vmtest.NoLeak(t)
			m, err := New(Options{Binary: fakeQEMU(t, play)}).Start(t.Context(), fakeConfig(t))
			if err != nil {
				t.Fatal(err) // the monitor was connected before the end
			}
			if text, err := io.ReadAll(m.Console()); err != nil || string(text) != "hello\n" {
				t.Errorf("console: %q, %v", text, err)
			}
			<-m.Done()
			f := wantCode(t, m.Err(), code)
			if code == vm.CodeDied && !strings.Contains(f.Detail, "assertion failed") {
				t.Errorf("detail: %q", f.Detail)
			}
		})
	}
}

func TestStop(t *testing.T) {
	vmtest.NoLeak(t)
	m, err := New(Options{Binary: fakeQEMU(t, "")}).Start(t.Context(), fakeConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-m.Done()
	if err := m.Err(); err != nil {
		t.Error(err)
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]string{
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright": "7.2.22",
		"QEMU emulator version 10.0.0":                                              "10.0.0",
		"QEMU emulator version 7.1.0":                                               "",
		"QEMU emulator version 99999999999999999999.9":                              "99999999999999999999.9",
		"something else": "",
	} {
		got, err := parseVersion("qemu", text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestExplain(t *testing.T) {
	exit := errors.New("exit status 1")
	for words, code := range map[string]vm.Code{
		`qemu: -drive file=d: Failed to get "write" lock` + "\nIs another process using the image?": vm.CodeInUse,
		"qemu: -drive file=d: qcow2: Image is corrupt; cannot be opened read/write":                 vm.CodeDiskCorrupt,
		"Could not access KVM kernel module: Permission denied\nfailed to initialize kvm":           vm.CodeAccelerator,
		"qemu: cannot create PID file: Cannot lock pid file: Resource temporarily unavailable":      vm.CodeInUse,
		"": vm.CodeDied, "Segmentation fault": vm.CodeDied,
	} {
		f := explain(words, exit)
		if f.Code != code || f.Detail != words || f.Message == "" || f.Hint == "" {
			t.Errorf("%q: got %+v", words, f)
		}
	}
}

func TestTailIsBounded(t *testing.T) {
	var tail tail
	for range 100 {
		tail.Write([]byte(strings.Repeat("x", 1000)))
	}
	tail.Write([]byte("\xffend\n"))
	if s := tail.String(); len(s) > maxTail || !strings.HasSuffix(s, "x?end") {
		t.Errorf("%d bytes, ending in %q", len(s), s[len(s)-10:])
	}
	tail.Write([]byte(strings.Repeat("y", 3*maxTail)))
	if s := tail.String(); s != strings.Repeat("y", maxTail) {
		t.Errorf("%d bytes after a large write", len(s))
	}
}

// A host disk that is full stops the guest, not the machine, and the guest
// goes on when there is room.
func TestFullDisk(t *testing.T) {
	vmtest.NoLeak(t)
	resumed := make(chan struct{})
	path := serveQMP(t, greeting, func(command string, id uint64) []string {
		if command == "cont" {
			close(resumed)
			return []string{ok(id), `{"event": "RESUME"}`}
		}
		return []string{ok(id)}
	})
	dir := t.TempDir()
	m := &instance{
		log: New(Options{}).log, proc: &process{gone: make(chan struct{})}, notices: make(chan vm.Notice, 4),
		config: vm.Config{Disks: []vm.Disk{{ID: "data", Path: filepath.Join(dir, "data")}}},
	}
	var err error
	if m.monitor, err = dialQMP(t.Context(), path, m.onEvent); err != nil {
		t.Fatal(err)
	}
	m.onEvent("BLOCK_IO_ERROR", []byte(`{"action": "report", "nospace": true}`)) // not stopped
	m.onEvent("STOP", nil)
	if n := <-m.notices; n.Fault != nil || !n.Paused {
		t.Errorf("an ordinary stop: %+v", n)
	}
	m.onEvent("BLOCK_IO_ERROR", []byte(`{"action": "stop", "nospace": true}`))
	m.onEvent("STOP", nil)
	if n := <-m.notices; n.Fault == nil || n.Fault.Code != vm.CodeNoSpace || !strings.Contains(n.Fault.Hint, dir) {
		t.Errorf("a stop for want of room: %+v", n)
	}
	<-resumed
	if n := <-m.notices; n.Paused || n.Fault != nil {
		t.Errorf("after the resume: %+v", n)
	}
	m.monitor.close()
	close(m.proc.gone)
	m.wg.Wait()
}
