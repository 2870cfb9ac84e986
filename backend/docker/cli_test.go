package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cli runs the real docker CLI with a configuration of its own.
type cli struct {
	t      *testing.T
	path   string
	config string
	host   []string // flags
}

func newCLI(t *testing.T, socket string) *cli {
	path, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("the docker CLI is not installed: it is not tried against the endpoint")
	}
	c := &cli{t: t, path: path, config: t.TempDir()}
	if socket != "" {
		c.host = []string{"-H", "unix://" + socket}
	}
	return c
}

func (c *cli) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(testContext(c.t), c.path, append(c.host, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.config, "DOCKER_CONFIG=" + c.config, "DOCKER_CLI_HINTS=false"}
	return cmd
}

func (c *cli) run(stdin string, args ...string) (stdout, stderr string, err error) {
	cmd := c.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func TestRealCLI(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	f.list = listAnswer
	c := newCLI(t, startEndpoint(t, Options{Dial: f.dial, CheckBind: func(path string) error {
		return errors.New(path + " is not shared with the machine: add it to the setting share/folders")
	}}))
	for _, test := range []struct {
		stdin  string
		args   string
		stdout string // contained
		stderr string
		fails  bool
	}{
		{"", "version", "26.1.5", "", false},
		{"", "ps -a", "0.0.0.0:8080->80/tcp", "", false},
		{"one\ntwo\n", "run -i --rm image", "ONE\nTWO\n", "bye\n", false},
		{"one\ntwo", "exec -i c1 cat", "ONE\nTWO", "bye\n", false},
		{"", "logs c1", "out\n", "err\n", false},
		{"", "run -v /etc:/x image", "", "/etc is not shared with the machine: add it to the setting share/folders", true},
		{"", "run -d --name taken -p 8080:80 image", "", "Error starting userland proxy: port 8080 is taken by nginx (process 12): stop it, or publish another port", true},
	} {
		stdout, stderr, err := c.run(test.stdin, strings.Fields(test.args)...)
		if !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) || (err != nil) != test.fails {
			t.Errorf("docker %s: %v\n%s\n%s", test.args, err, stdout, stderr)
		}
	}
}

func TestRealCLIEvents(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	c := newCLI(t, startEndpoint(t, Options{Dial: f.dial}))
	cmd := c.command("events", "--format", "{{.Action}}")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	<-f.heard
	f.events <- `{"Type":"container","Action":"start"}` + "\n"
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "start\n" || err != nil {
		t.Fatalf("%q %v", line, err)
	}
}

func TestRealCLIWithoutMachine(t *testing.T) {
	noLeak(t)
	c := newCLI(t, startEndpoint(t, Options{Dial: func(context.Context) (net.Conn, error) { return nil, ErrNotRunning }}))
	_, stderr, err := c.run("", "ps")
	if err == nil || !strings.Contains(stderr, "Slipway's machine is not running. Start it with `slipway up`") {
		t.Fatalf("%v %s", err, stderr)
	}
}

func TestContext(t *testing.T) {
	noLeak(t)
	c := newCLI(t, "")
	f := startFake(t)
	socket := startEndpoint(t, Options{Dial: f.dial})
	own := Context{Name: "slipway", Socket: socket, Description: "Slipway's machine", ConfigDir: c.config}

	// Others' contexts and the current one stay.
	c.must("context", "create", "other", "--docker", "host=unix:///other.sock")
	c.must("context", "use", "other")
	config, err := os.ReadFile(filepath.Join(c.config, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // making it again changes nothing
		if err := own.Create(); err != nil {
			t.Fatal(err)
		}
	}
	if ls := c.must("context", "ls", "--format", "{{.Name}} {{.Current}} {{.DockerEndpoint}} {{.Description}}"); !strings.Contains(ls, "slipway false unix://"+socket+" Slipway's machine\n") || !strings.Contains(ls, "other true unix:///other.sock") {
		t.Fatal(ls)
	}
	var inspected []struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal([]byte(c.must("context", "inspect", "slipway")), &inspected); err != nil || inspected[0].Endpoints["docker"].Host != "unix://"+socket {
		t.Fatalf("%+v %v", inspected, err)
	}
	if out := c.must("--context", "slipway", "version"); !strings.Contains(out, "26.1.5") {
		t.Fatal(out)
	}

	elsewhere := own
	elsewhere.Socket = filepath.Join(t.TempDir(), "gone.sock")
	if err := elsewhere.Create(); !errors.Is(err, ErrForeignContext) || !strings.Contains(err.Error(), socket) {
		t.Fatalf("a running engine's context was taken: %v", err)
	}
	if err := elsewhere.Remove(); err != nil || !strings.Contains(c.must("context", "ls"), "slipway") {
		t.Fatalf("another engine's context was removed: %v", err)
	}
	if err := own.Remove(); err != nil {
		t.Fatal(err)
	}
	if ls := c.must("context", "ls"); strings.Contains(ls, "slipway") || !strings.Contains(ls, "other *") {
		t.Fatal(ls)
	}
	if err := errors.Join(own.Remove(), elsewhere.Create(), own.Create(), own.Remove()); err != nil {
		t.Fatalf("a dead engine's context was not taken over: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(c.config, "contexts", "meta"))
	if err != nil || len(left) != 1 {
		t.Fatalf("%v %v: want the other context's directory only", left, err)
	}

	c.must("context", "create", "slipway", "--docker", "host=unix:///mine.sock")
	if err := own.Create(); !errors.Is(err, ErrForeignContext) || !strings.Contains(err.Error(), "docker context rm slipway") {
		t.Fatalf("the user's own context: %v", err)
	}
	if err := own.Remove(); err != nil || !strings.Contains(c.must("context", "ls"), "unix:///mine.sock") {
		t.Fatalf("the user's own context was removed: %v", err)
	}
	if now, err := os.ReadFile(filepath.Join(c.config, "config.json")); err != nil || !bytes.Equal(now, config) {
		t.Fatalf("config.json changed: %s %v", now, err)
	}
	for _, name := range []string{"", "default", "a b", "../x", "-x"} {
		if (Context{Name: name, Socket: socket, ConfigDir: c.config}).Create() == nil {
			t.Errorf("%q was made", name)
		}
	}
}

func (c *cli) must(args ...string) string {
	c.t.Helper()
	stdout, stderr, err := c.run("", args...)
	if err != nil {
		c.t.Fatalf("docker %v: %v\n%s", args, err, stderr)
	}
	return stdout
}
