package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
)

// TestDocker is the product in one story. Its parts build on one another, because
// a machine takes seconds to boot.
func TestDocker(t *testing.T) {
	s := newSession(t)
	port := freePort(t)
	began := time.Now()
	s.cli("up", "-d")
	t.Logf("up -d: Docker answers after %.1f s", time.Since(began).Seconds())

	for _, part := range []struct {
		name string
		run  func(*session, int)
	}{
		{"status", testStatus},
		{"first containers", testContainers},
		{"published port", testPublished},
		{"flows and packets by name", testTraffic},
		{"taken port", testTaken},
		{"own forwards", testForwards},
		{"bind mounts", testBinds},
		{"names inside", testNames},
		{"logs, exec, stop", testLifecycle},
		{"settings", testSettings},
		{"second engine", testSecondEngine},
		{"killed engine", testKilledEngine},
		{"clean stop", testCleanStop},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			inner := *s
			inner.t = t
			part.run(&inner, port)
		}) {
			return
		}
	}
}

func testStatus(s *session, _ int) {
	status := s.status()
	if status.Machine.State != "running" || status.Docker.State != "ready" {
		s.t.Errorf("machine %q, docker %q", status.Machine.State, status.Docker.State)
	}
	if status.Machine.Accelerator.Name == "" {
		s.t.Error("no accelerator is named")
	}
	if status.Machine.Accelerator.Name == "tcg" && status.Machine.Accelerator.Warning == "" {
		s.t.Error("software emulation without a warning")
	}
	for _, p := range status.Machine.Phases {
		if p.State != "done" || p.EndMS < p.StartMS {
			s.t.Errorf("phase %+v", p)
		}
		s.t.Logf("phase %-10s %6.0f ms to %6.0f ms", p.Name, p.StartMS, p.EndMS)
	}
	if !strings.HasPrefix(status.Docker.Host, "unix://"+s.home) || status.Docker.Context != "slipway" {
		s.t.Errorf("docker %+v", status.Docker)
	}
	if !strings.HasPrefix(status.Guest.Address, "192.168.65.3") || status.Versions.Guest["docker"] == "" {
		s.t.Errorf("guest %+v, versions %+v", status.Guest, status.Versions)
	}
	info, err := os.Stat(strings.TrimPrefix(status.Docker.Host, "unix://"))
	if err != nil || info.Mode().Perm() != 0o600 {
		s.t.Errorf("docker socket: %v %v", info, err)
	}
}

func testContainers(s *session, _ int) {
	if out := s.docker("version"); !strings.Contains(out, "Server") {
		s.t.Errorf("docker version:\n%s", out)
	}
	s.docker("load", "-i", busyboxImage(s.t, s.user))
	if out := s.docker("run", "--rm", imageTag, "echo", "it works"); out != "it works\n" {
		s.t.Errorf("run printed %q", out)
	}
}

func testPublished(s *session, port int) {
	s.docker("run", "-d", "--name", "web", "-p", fmt.Sprintf("%d:80", port), imageTag, "httpd", "-f", "-p", "80", "-h", "/www")
	if body := get(s.t, port); body != "hello from the container\n" {
		s.t.Errorf("the port answered %q", body)
	}
	s.eventually("the port is listed with its container", 10*time.Second, func() bool {
		var ports []control.Port
		s.json(&ports, "ports", "ls", "--json")
		return slices.ContainsFunc(ports, func(p control.Port) bool {
			return p.HostPort == port && p.Target == "web" && p.State == "open" && p.Origin == "docker"
		})
	})
	// What was asked for every address must not be open to the network.
	out, err := exec.Command("ss", "-Hltn", fmt.Sprintf("sport = :%d", port)).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 3 && !strings.HasPrefix(f[3], "127.0.0.1:") && !strings.HasPrefix(f[3], "[::1]:") {
			s.t.Errorf("listens on %s", f[3])
		}
	}
}

func testTraffic(s *session, port int) {
	var flow capture.Flow
	s.eventually("a flow of container web with HTTP", 5*time.Second, func() bool {
		var flows []capture.Flow
		s.json(&flows, "flows", "--json")
		for _, f := range flows {
			if f.Container == "web" && f.DstPort == 80 && f.App == "HTTP" {
				flow = f
				return true
			}
		}
		return false
	})
	if flow.BytesIn == 0 || flow.BytesOut == 0 || flow.PacketsIn == 0 || flow.PacketsOut == 0 {
		s.t.Errorf("flow without traffic both ways: %+v", flow)
	}
	file := filepath.Join(s.user, "web.pcapng")
	s.cli("capture", "-w", file)
	cmd := exec.Command("tshark", "-r", file, "-Y", "http.request or http.response", "-T", "fields", "-e", "http.request.method", "-e", "http.response.code", "-e", "ip.dst")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "GET") || !strings.Contains(string(out), "200") {
		s.t.Errorf("tshark: %v\n%s%s", err, out, complaints.String())
	}
	if strings.Contains(complaints.String(), "appears") || strings.Contains(complaints.String(), "isn't") {
		s.t.Errorf("tshark complains: %s", complaints.String())
	}
	if out := s.cli("capture", "-w", "-", "--filter", "container:web"); len(out) < 200 {
		s.t.Errorf("the filtered capture has %d bytes", len(out))
	}
}

func testTaken(s *session, _ int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	began := time.Now()
	out := s.refuse("docker", "--context", "slipway", "run", "--rm", "-p", fmt.Sprintf("%d:80", taken), imageTag, "true")
	want := fmt.Sprintf("pid %d", os.Getpid())
	if !strings.Contains(out, fmt.Sprint(taken)) || !strings.Contains(out, want) {
		s.t.Errorf("docker run does not name port %d and %s:\n%s", taken, want, out)
	}
	if d := time.Since(began); d > 20*time.Second {
		s.t.Errorf("the refusal took %v", d)
	}
	out = s.refuse(s.slipway(), "ports", "add", fmt.Sprintf("127.0.0.1:%d", taken), "web:80")
	if !strings.Contains(out, want) {
		s.t.Errorf("ports add does not name %s:\n%s", want, out)
	}
}

func testForwards(s *session, _ int) {
	port := freePort(s.t)
	s.cli("ports", "add", fmt.Sprintf("127.0.0.1:%d", port), "web:80")
	if body := get(s.t, port); body != "hello from the container\n" {
		s.t.Errorf("the forward answered %q", body)
	}
	if out := s.cli("settings", "get", "net/forwards"); !strings.Contains(out, fmt.Sprint(port)) {
		s.t.Errorf("net/forwards is %q", out)
	}
	s.cli("ports", "rm", fmt.Sprintf("127.0.0.1:%d", port))
	s.eventually("the removed forward refuses", 3*time.Second, func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

func testBinds(s *session, _ int) {
	dir := filepath.Join(s.user, "work with space")
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte("from the host\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	out := s.docker("run", "--rm", "-v", dir+":/w", imageTag, "sh", "-c", "cat /w/in; echo from the container > /w/out")
	if out != "from the host\n" {
		s.t.Errorf("the container read %q", out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(text) != "from the container\n" {
		s.t.Errorf("the host read %q, %v", text, err)
	}
	refused := s.refuse("docker", "--context", "slipway", "run", "--rm", "-v", "/var/log:/w", imageTag, "true")
	if !strings.Contains(refused, "share/folders") {
		s.t.Errorf("the refusal does not name the setting:\n%s", refused)
	}
}

func testNames(s *session, _ int) {
	// What listens on the host's loopback is host.docker.internal in a container.
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the host answers\n")
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	defer func() { server.Close(); <-ended }()
	out := s.docker("run", "--rm", imageTag, "wget", "-q", "-O", "-",
		fmt.Sprintf("http://host.docker.internal:%d/", l.Addr().(*net.TCPAddr).Port))
	if out != "the host answers\n" {
		s.t.Errorf("the container got %q", out)
	}
	s.docker("run", "--rm", imageTag, "ping", "-c", "1", "-W", "2", "gateway.docker.internal")
}

func testLifecycle(s *session, port int) {
	if out := s.docker("run", "--name", "talk", imageTag, "sh", "-c", "echo one; echo two >&2"); out != "one\ntwo\n" && out != "two\none\n" {
		s.t.Errorf("attached output %q", out)
	}
	if out := s.docker("logs", "talk"); !strings.Contains(out, "one\n") || !strings.Contains(out, "two\n") {
		s.t.Errorf("logs %q", out)
	}
	if out := s.docker("exec", "web", "cat", "/www/index.html"); out != "hello from the container\n" {
		s.t.Errorf("exec printed %q", out)
	}
	// A stream that is closed on one side only must carry the rest of the other.
	cmd := exec.Command("docker", "--context", "slipway", "run", "--rm", "-i", imageTag, "cat")
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(strings.Repeat("line\n", 5000))
	if out, err := cmd.Output(); err != nil || len(out) != 25000 {
		s.t.Errorf("cat through run -i: %d bytes, %v", len(out), err)
	}
	s.eventually("only the two that were not to be removed are listed", 10*time.Second, func() bool {
		var list []control.Container
		s.json(&list, "containers", "--json")
		return len(list) == 2
	})
	s.docker("stop", "-t", "1", "web")
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
		c.Close()
		s.t.Error("the port of a stopped container is still open")
	}
	s.docker("start", "web")
	if body := get(s.t, port); body != "hello from the container\n" {
		s.t.Errorf("after the restart the port answered %q", body)
	}
}

func testSettings(s *session, _ int) {
	before := strings.TrimSpace(s.cli("settings", "get", "capture/snaplen"))
	s.cli("settings", "set", "capture/snaplen", "2048")
	if out := strings.TrimSpace(s.cli("settings", "get", "capture/snaplen")); out != "2048" {
		s.t.Errorf("get after set: %q", out)
	}
	var log []control.SettingsCommit
	s.json(&log, "settings", "log", "--json")
	if len(log) == 0 || len(log[0].Changes) != 1 || log[0].Changes[0].Key != "capture/snaplen" {
		s.t.Fatalf("log: %+v", log)
	}
	if out := s.cli("settings", "diff", log[0].Hash); !strings.Contains(out, "+2048") {
		s.t.Errorf("diff:\n%s", out)
	}
	s.cli("settings", "revert", log[0].Hash)
	if out := strings.TrimSpace(s.cli("settings", "get", "capture/snaplen")); out != before {
		s.t.Errorf("get after revert: %q, want %q", out, before)
	}
	for _, bad := range [][]string{{"vm/memory", "12"}, {"vm/cpus", "many"}, {"vm/memroy", "2048"}} {
		out := s.refuse(s.slipway(), append([]string{"settings", "set"}, bad...)...)
		if !strings.Contains(out, "vm/") {
			s.t.Errorf("set %v: %s", bad, out)
		}
	}
	repo := filepath.Join(s.home, "data.git")
	s.run("git", "-c", "safe.directory=*", "-C", repo, "fsck", "--full", "--strict")
	if out := s.run("git", "-c", "safe.directory=*", "-C", repo, "log", "--format=%s", "settings"); strings.Count(out, "\n") < 2 {
		s.t.Errorf("git log:\n%s", out)
	}
}

func testSecondEngine(s *session, _ int) {
	machines := s.machines()
	s.cli("up", "-d") // runs already: no error, no second machine
	if now := s.machines(); len(now) != 1 || len(machines) != 1 || now[0] != machines[0] {
		s.t.Errorf("machines before %v, after %v", machines, now)
	}
}

func testKilledEngine(s *session, port int) {
	status := s.status()
	if err := syscall.Kill(status.PID, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the engine is gone", 5*time.Second, func() bool { return syscall.Kill(status.PID, 0) != nil })
	out, err := s.try(10*time.Second, s.slipway(), "status")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		s.t.Errorf("status without an engine: %v\n%s", err, out)
	}
	s.cli("up", "-d")
	if n := len(s.machines()); n != 1 {
		s.t.Errorf("%d machines after the recovery", n)
	}
	if out := s.docker("ps", "-a", "--format", "{{.Names}}"); !strings.Contains(out, "web") {
		s.t.Errorf("the container is lost:\n%s", out)
	}
	s.docker("start", "web")
	if body := get(s.t, port); body != "hello from the container\n" {
		s.t.Errorf("after the recovery the port answered %q", body)
	}
}

func testCleanStop(s *session, _ int) {
	pid := s.status().PID
	s.cli("down")
	s.eventually("the engine is gone", 10*time.Second, func() bool { return syscall.Kill(pid, 0) != nil })
	if left := s.processes(); len(left) != 0 {
		s.t.Errorf("processes after down: %v", left)
	}
	if log, err := os.ReadFile(filepath.Join(s.home, "engine.log")); err != nil || strings.Contains(string(log), "did not stop in time") {
		s.t.Errorf("the machine had to be forced down, or the log cannot be read (%v):\n%s", err, log)
	}
	entries, err := os.ReadDir(filepath.Join(s.home, "run"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type()&os.ModeSocket != 0 {
			s.t.Errorf("socket %s is left", e.Name())
		}
	}
	if out := s.run("docker", "context", "ls", "--format", "{{.Name}}"); strings.Contains(out, "slipway") {
		s.t.Errorf("the context is left:\n%s", out)
	}
	if out, err := s.try(10*time.Second, "qemu-img", "check", filepath.Join(s.home, "data.qcow2")); err != nil {
		s.t.Errorf("the data disk: %v\n%s", err, out)
	}
}

// get fetches the page behind a port of the host, as soon as somebody serves it.
func get(t *testing.T, port int) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	var last error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		response, err := client.Get(fmt.Sprintf("http://localhost:%d/", port))
		if last = err; err != nil {
			continue // httpd in the container has not bound its port yet
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	t.Fatalf("port %d: %v", port, last)
	return ""
}

// json runs the command line and decodes what it prints.
func (s *session) json(into any, args ...string) {
	s.t.Helper()
	text := s.cli(args...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, text)
	}
}
