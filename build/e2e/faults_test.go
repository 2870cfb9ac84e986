package e2e

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaults: what can be wrong before a machine is there ends with a sentence and
// a way out, soon, and leaves nothing behind.
func TestFaults(t *testing.T) {
	s := newSession(t)
	for _, c := range []struct {
		name  string
		env   string
		args  []string
		exit  int
		words []string
	}{
		{"no engine", "", []string{"status"}, 3, []string{"not running", "slipway up"}},
		{"no engine to stop", "", []string{"ports"}, 3, []string{"slipway up"}},
		{"no image", "SLIPWAY_IMAGE=/nowhere", []string{"up", "-d"}, 1, []string{"/nowhere", "make image"}},
		{"a home too deep for sockets", "SLIPWAY_HOME=/tmp/" + strings.Repeat("x", 120), []string{"up", "-d"}, 1, []string{"too long", "SLIPWAY_HOME"}},
		{"an unknown command", "", []string{"fly"}, 2, []string{"fly"}},
		{"an unknown flag", "", []string{"up", "--fast"}, 2, []string{"--fast"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := *s
			inner.t = t
			if c.env != "" {
				inner.env = append(append([]string{}, s.env...), c.env)
			}
			out, err := inner.try(20*time.Second, s.slipway(), c.args...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != c.exit {
				t.Errorf("%v, want exit code %d\n%s", err, c.exit, out)
			}
			for _, w := range c.words {
				if !strings.Contains(out, w) {
					t.Errorf("nothing of %q in:\n%s", w, out)
				}
			}
		})
	}
	t.Run("no QEMU", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("skipped: hiding QEMU from a process needs root")
		}
		inner := *s
		inner.t = t
		out, err := inner.try(20*time.Second, "unshare", "-m", "sh", "-c",
			`mount --bind /dev/null "$(command -v qemu-system-x86_64)" && exec "$0" up -d`, s.slipway())
		if err == nil || !strings.Contains(out, "QEMU") || !strings.Contains(strings.ToLower(out), "install") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	s.cli("down") // an engine without a machine is left by the last one
	if left := s.processes(); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// TestStaleFiles: the lock, the sockets and the pid file of an engine that was
// killed do not stop the next one, and a stranger's process that has the recorded
// pid is left alone.
func TestStaleFiles(t *testing.T) {
	s := newSession(t)
	run := filepath.Join(s.home, "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"control.sock", "docker.sock", "net.sock", "agent.sock", "qmp.sock"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(run, name)})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}
	stranger := exec.Command("sleep", "300")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait() // killed
	}()
	pid := []byte(strconv.Itoa(stranger.Process.Pid) + "\n")
	for _, name := range []string{filepath.Join(run, "qemu.pid"), filepath.Join(s.home, "lock")} {
		if err := os.WriteFile(name, pid, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.cli("up", "-d")
	if state := s.status().Machine.State; state != "running" {
		t.Errorf("the machine is %s", state)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger is gone: %v", err)
	}
}
