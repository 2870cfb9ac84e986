package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

// A session is one home with the programs to use it, as a person's shell would be.
type session struct {
	t    *testing.T
	root string // the repository
	home string // SLIPWAY_HOME
	user string // HOME: what the guest sees of the host
	env  []string
}

// newSession makes an empty home. When the test ends it kills what was left.
func newSession(t *testing.T) *session {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: boots machines, and -short was given")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, need := range []string{
		"build/bin/slipway", "guest-image/out/" + runtime.GOARCH + "/root.erofs",
	} {
		if _, err := os.Stat(filepath.Join(root, need)); err != nil {
			missing(t, need+" (make image build)")
		}
	}
	for _, tool := range []string{"docker", "tshark", "git", "qemu-system-x86_64", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" (build/setup.sh run test)")
		}
	}
	// A short path: sockets live below it.
	dir, err := os.MkdirTemp("", "slip")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, root: root, home: filepath.Join(dir, "h"), user: filepath.Join(dir, "u")}
	if err := os.Mkdir(s.user, 0o755); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(),
		"SLIPWAY_HOME="+s.home, "HOME="+s.user, "DOCKER_CONFIG="+filepath.Join(s.user, ".docker"),
		"SLIPWAY_IMAGE="+filepath.Join(root, "guest-image/out", runtime.GOARCH), "DOCKER_HOST=", "DOCKER_CONTEXT=")
	t.Cleanup(func() {
		if t.Failed() {
			s.report()
		}
		_, _ = s.try(20*time.Second, s.slipway(), "down")
		for _, pid := range s.processes() {
			t.Errorf("process %d of this session was left behind", pid)
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

// missing fails where everything is meant to be there, and skips elsewhere.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("SLIPWAY_E2E") != "" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("skipped: missing %s", what)
}

func (s *session) slipway() string { return filepath.Join(s.root, "build/bin/slipway") }

// try runs a program and returns both its outputs, joined.
func (s *session) try(limit time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = s.env, s.user
	cmd.WaitDelay = 2 * time.Second // a detached child may hold the pipe
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("not done after %v: %w", limit, err)
	}
	s.t.Logf("%5.1fs  %s %s", time.Since(began).Seconds(), filepath.Base(name), strings.Join(args, " "))
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return out.String(), err
}

// run is try for what must succeed.
func (s *session) run(name string, args ...string) string {
	s.t.Helper()
	out, err := s.try(90*time.Second, name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return out
}

// refuse is try for what must fail; it returns what was printed.
func (s *session) refuse(name string, args ...string) string {
	s.t.Helper()
	out, err := s.try(90*time.Second, name, args...)
	if err == nil {
		s.t.Fatalf("%s %s: succeeded, want a failure\n%s", filepath.Base(name), strings.Join(args, " "), out)
	}
	return out
}

func (s *session) docker(args ...string) string {
	s.t.Helper()
	return s.run("docker", append([]string{"--context", "slipway"}, args...)...)
}

func (s *session) cli(args ...string) string {
	s.t.Helper()
	return s.run(s.slipway(), args...)
}

func (s *session) status() control.Status {
	s.t.Helper()
	var status control.Status
	text := s.cli("status", "--json")
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		s.t.Fatalf("status --json: %v\n%s", err, text)
	}
	return status
}

// eventually repeats a check until it holds, for at most a limit.
func (s *session) eventually(what string, limit time.Duration, check func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(limit)
	for !check() {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// processes returns the live processes whose command line names this home.
func (s *session) processes() []int {
	var pids []int
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, dir := range entries {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if err == nil && pid != os.Getpid() && len(line) > 0 && bytes.Contains(line, []byte(s.home)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// machines are those of processes that are QEMU.
func (s *session) machines() []int {
	var pids []int
	for _, pid := range s.processes() {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && strings.HasPrefix(string(name), "qemu-system") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// report prints what helps to find out what went wrong.
func (s *session) report() {
	for _, file := range []string{"engine.log"} {
		text, err := os.ReadFile(filepath.Join(s.home, file))
		if err != nil {
			s.t.Logf("%s: %v", file, err)
			continue
		}
		if len(text) > 8<<10 {
			text = text[len(text)-8<<10:]
		}
		s.t.Logf("%s:\n%s", file, text)
	}
	if out, err := s.try(5*time.Second, s.slipway(), "logs", "--console"); err == nil {
		if len(out) > 8<<10 {
			out = out[len(out)-8<<10:]
		}
		s.t.Logf("console:\n%s", out)
	}
}

// freePort returns a TCP port that nobody listens on now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
