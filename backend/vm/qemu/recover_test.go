//go:build linux

package qemu

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
)

// orphan runs a fake QEMU as an engine would that is gone now.
func orphan(t *testing.T, play, dir string) *process {
	t.Helper()
	p, err := startProcess(fakeQEMU(t, play), []string{"-pidfile", filepath.Join(dir, pidFile)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	await(t, "QEMU's monitor", func() bool {
		conn, err := net.Dial("unix", filepath.Join(dir, qmpSocket))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return p
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: waited in vain", what)
		}
	}
}

func TestRecover(t *testing.T) {
	for play, kills := range map[string]bool{"": false, "deaf": true} {
		t.Run("orphan "+play, func(t *testing.T) {
			vmtest.NoLeak(t)
			dir := machineDir(t)
			p := orphan(t, play, dir)
			d := New(Options{})
			if kills {
				d.patience = 200 * time.Millisecond
			}
			r, err := d.Recover(t.Context(), dir)
			if err != nil || r.PID != p.cmd.Process.Pid || r.Killed != kills || len(r.Removed) == 0 {
				t.Errorf("got %+v, %v", r, err)
			}
			<-p.gone
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

func TestRecoverNothing(t *testing.T) {
	r, err := New(Options{}).Recover(t.Context(), machineDir(t))
	if err != nil || r.PID != 0 || r.Killed || len(r.Removed) != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestRecoverNeverTouchesAStranger(t *testing.T) {
	vmtest.NoLeak(t)
	other := machineDir(t)
	for name, p := range map[string]*process{
		"another program":     stranger(t),
		"another machine":     orphan(t, "deaf", other),
		"no process at all":   nil,
		"a pid beyond reason": nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir := machineDir(t)
			pid := "999999999999999999999"
			if p != nil {
				pid = strconv.Itoa(p.cmd.Process.Pid)
			} else if name == "no process at all" {
				pid = "-1"
			}
			if err := os.WriteFile(filepath.Join(dir, pidFile), []byte(pid), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := New(Options{}).Recover(t.Context(), dir)
			if err != nil || r.PID != 0 || r.Killed || len(r.Removed) != 1 {
				t.Errorf("got %+v, %v", r, err)
			}
			if p != nil {
				select {
				case <-p.gone:
					t.Error("the stranger is gone")
				default:
				}
			}
		})
	}
}

func stranger(t *testing.T) *process {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(sleep, []string{"60"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

func TestQEMUEndsWithAKilledEngine(t *testing.T) {
	vmtest.NoLeak(t)
	dir := machineDir(t)
	t.Setenv("SLIPWAY_TEST_QEMU", fakeQEMU(t, ""))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	engine := exec.Command(self)
	engine.Env = append(os.Environ(), engineVariable+"="+dir)
	out, err := engine.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		engine.Process.Kill()
		t.Fatalf("the engine said %q", line)
	}
	await(t, "the pid file", func() bool { return readPID(filepath.Join(dir, pidFile)) == pid })
	if !isMachine(pid, dir) {
		t.Error("the machine is not recognised")
	}
	if err := engine.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	engine.Wait()
	await(t, "the end of QEMU", func() bool { return !isMachine(pid, dir) })
}
