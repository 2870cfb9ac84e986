package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hugelgupf/p9/linux"
	"github.com/hugelgupf/p9/p9"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/control/controltest"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

const settingsDir = "/engine/settings"

// TestEveryFile holds the tree against its description, and that nothing is
// broken in it.
func TestEveryFile(t *testing.T) {
	e, c := served(t)
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var files []string
	var walk func(path string)
	walk = func(path string) {
		entries, err := c.Tree().ReadDir(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range entries {
			name := path + "/" + d.Name
			if d.Qid.Type&ninep.QidDir != 0 {
				walk(name)
				continue
			}
			files = append(files, name)
			info, err := c.Tree().Stat(t.Context(), name)
			if err != nil || info.Qid != d.Qid || info.Mode.Perm()&0o077 != 0 {
				t.Errorf("%s: %+v, %v; listed with %+v", name, info, err, d.Qid)
			}
			if strings.HasSuffix(name, "live") || strings.HasSuffix(name, "events") || strings.Contains(name, "logs/") {
				continue // these block
			}
			b, err := c.Tree().ReadFile(t.Context(), name, 1<<20)
			if err != nil || len(b) == 0 && !strings.HasSuffix(name, "net/dns") || len(b) > 0 && b[len(b)-1] != '\n' {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		}
	}
	walk("")
	slices.Sort(files)
	want := strings.Fields(`
		/data/branch/hello
		/docker/containers /docker/ctl /docker/logs/web
		/engine/ctl /engine/events /engine/log
		/engine/settings/ctl /engine/settings/diff /engine/settings/list /engine/settings/log
		/engine/status /engine/version
		/net/capture/ctl /net/capture/live /net/capture/pcapng /net/capture/query /net/capture/status
		/net/flows /net/ports/ctl /net/ports/list /net/stats
		/pipeline/build/ctl /pipeline/build/runs/build-of-aaaa@1/log /pipeline/build/runs/build-of-aaaa@1/status
		/pipeline/build/runs/build-of-bbbb@1/log /pipeline/build/runs/build-of-bbbb@1/status /pipeline/query
		/vm/default/console /vm/default/ctl /vm/default/stats /vm/default/status`)
	if !slices.Equal(files, want) {
		t.Errorf("files are\n%s\nwant\n%s", strings.Join(files, "\n"), strings.Join(want, "\n"))
	}
}

// shell is what a script does with a mounted tree, by a client that is not ours.
type shell struct {
	t    *testing.T
	root p9.File
}

func newShell(t *testing.T, socket string) (*shell, func()) {
	t.Helper()
	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p9.NewClient(nc)
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.Attach("")
	if err != nil {
		t.Fatal(err)
	}
	return &shell{t, root}, func() { nc.Close() }
}

func (s *shell) open(path string, flags p9.OpenFlags) (p9.File, error) {
	s.t.Helper()
	names := strings.Split(strings.Trim(path, "/"), "/")
	qids, f, err := s.root.Walk(names)
	if err != nil {
		return nil, err
	}
	if len(qids) < len(names) { // this client leaves a partial walk to its caller
		return nil, linux.ENOENT
	}
	_, _, err = f.Open(flags)
	return f, err
}

func (s *shell) cat(path string) string {
	s.t.Helper()
	f, err := s.open(path, p9.ReadOnly)
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return string(b)
}

// echo writes, and returns the answer that the same open file then holds.
func (s *shell) echo(line, path string) (string, error) {
	s.t.Helper()
	f, err := s.open(path, p9.ReadWrite|0o1000)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, werr := f.WriteAt([]byte(line+"\n"), 0)
	b := make([]byte, 4096)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		s.t.Fatalf("%s: %v", path, err)
	}
	return string(b[:n]), werr
}

// TestScript is the tree as a person at a shell uses it.
func TestScript(t *testing.T) {
	e := controltest.New()
	socket := t.TempDir() + "/s"
	e.Serve(t, socket)
	s, hangUp := newShell(t, socket)
	defer hangUp()

	if got := s.cat("/engine/version"); got != "1.2.3\n" {
		t.Errorf("version %q", got)
	}
	if got := s.cat("/vm/default/ctl"); got != "start\nstop\nrestart\nkill\n" {
		t.Errorf("usage %q", got)
	}
	if answer, err := s.echo("start", "/vm/default/ctl"); err != nil || answer != "{\"ok\":true}\n" {
		t.Errorf("start: %q, %v", answer, err)
	}
	var st control.MachineStatus
	if err := json.Unmarshal([]byte(s.cat("/vm/default/status")), &st); err != nil || st.State != "running" {
		t.Errorf("status %+v, %v", st, err)
	}
	answer, err := s.echo("dance", "/vm/default/ctl")
	if !errors.Is(err, linux.EINVAL) || !strings.Contains(answer, `"dance\" is not a command`) || !strings.Contains(answer, "start, stop") {
		t.Errorf("dance: %q, %v", answer, err)
	}
	answer, err = s.echo("add tcp 127.0.0.1:8080 web:80", "/net/ports/ctl")
	if !errors.Is(err, linux.EADDRINUSE) || !strings.Contains(answer, `"code":"taken"`) || !strings.Contains(answer, `"hint":"stop it`) {
		t.Errorf("add: %q, %v", answer, err)
	}
	if answer, err := s.echo("add 8081 web:80", "/net/ports/ctl"); err != nil || !strings.Contains(answer, `"ok":true,"result":{"id":"m1"`) {
		t.Errorf("add: %q, %v", answer, err)
	}
	if answer, err := s.echo(`{"after":2}`, "/net/capture/query"); err != nil || !strings.Contains(answer, `"rows":[{"n":3`) {
		t.Errorf("query: %q, %v", answer, err)
	}
	if answer, err := s.echo(`{"aftr":2}`, "/net/capture/query"); !errors.Is(err, linux.EINVAL) || !strings.Contains(answer, "aftr") {
		t.Errorf("misspelt query: %q, %v", answer, err)
	}
	if answer, err := s.echo("set vm/cpus 3", settingsDir+"/ctl"); err != nil || !strings.Contains(answer, `"hash":"`) {
		t.Errorf("set: %q, %v", answer, err)
	}
	if answer, err := s.echo("cancel build-of-aaaa@1", "/pipeline/build/ctl"); !errors.Is(err, linux.EINVAL) || !strings.Contains(answer, "does not offer") {
		t.Errorf("cancel: %q, %v", answer, err)
	}
	if got := s.cat("/pipeline/build/runs/build-of-aaaa@1/log"); got != "one\ntwo\n" {
		t.Errorf("log of a run %q", got)
	}
	if got := s.cat("/data/branch/hello"); got != "hello\n" {
		t.Errorf("data %q", got)
	}
	if _, err := s.open("/pipeline/none", p9.ReadOnly); !errors.Is(err, linux.ENOENT) {
		t.Errorf("unknown pipeline: %v", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	socket := dir + "/a/b/s"
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{socket: 0o600, dir + "/a/b": 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
	_, err = control.Listen(socket)
	refused(t, err, control.CodeTaken, "answers", "slipway down")
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = control.Listen(socket); err != nil { // what a killed engine leaves behind
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}

	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = control.Listen(socket)
	refused(t, err, control.CodeExists, "in the way", "move it")
	_, err = control.Listen(dir + strings.Repeat("/long", 30))
	refused(t, err, control.CodeInvalid, "too long", "SLIPWAY_HOME")
	shared := dir + "/shared"
	if err := os.Mkdir(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	_, err = control.Listen(shared + "/s")
	refused(t, err, control.CodeDenied, "others share")
}

func TestDialWithoutEngine(t *testing.T) {
	dir := t.TempDir()
	_, err := control.Dial(t.Context(), dir+"/none")
	refused(t, err, control.CodeUnavailable, "not running", "slipway up")
	l, err := net.Listen("unix", dir+"/stale")
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	_, err = control.Dial(t.Context(), dir+"/stale")
	refused(t, err, control.CodeUnavailable, "not running")
}

// TestEngineStops: its clients learn it, whatever they do.
func TestEngineStops(t *testing.T) {
	_, c := served(t)
	ended := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		first := true
		ended <- c.Events(t.Context(), func(control.Event) error {
			if first {
				close(begun)
				first = false
			}
			return nil
		})
	}()
	<-begun
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			refused(t, err, control.CodeUnavailable, "has stopped")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("events go on without an engine")
	}
	select {
	case <-c.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the client does not notice")
	}
	_, err := c.Status(t.Context())
	refused(t, err, control.CodeUnavailable, "has stopped", "slipway up")
}

// TestCancelledStreamsLeaveNothing relies on Serve's check when the test ends, and
// on the server's: both fail if a stream is left.
func TestCancelledStreamsLeaveNothing(t *testing.T) {
	e, c := served(t)
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		followed(t, "packet\n", func(ctx context.Context, w io.Writer) error { return c.Pcapng(ctx, "", true, w) })
		followed(t, `"topic":"log"`, func(ctx context.Context, w io.Writer) error {
			return c.Events(ctx, func(e control.Event) error { return json.NewEncoder(w).Encode(e) })
		})
	}
	deadline := time.Now().Add(5 * time.Second)
	for e.Followers() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams go on without a reader", e.Followers())
		}
		time.Sleep(time.Millisecond)
	}
}

// TestStuckEngine: a socket that takes connections and says nothing.
func TestStuckEngine(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := control.Dial(ctx, l.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dial: %v", err)
	}
}

// FuzzParsePortRequest: what is accepted means the same when it is said again.
func FuzzParsePortRequest(f *testing.F) {
	for _, s := range []string{"8080 web:80", "tcp 127.0.0.1:8080 web:80", "udp [::1]:53 1.2.3.4:53", "tcp 0 x", "tcp 65536 x:1", "tcp :1 y:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := control.ParsePortRequest(strings.Fields(text))
		if err != nil {
			return
		}
		if p.HostPort < 0 || p.HostPort > 65535 || p.Proto != "tcp" && p.Proto != "udp" {
			t.Fatalf("accepted %+v", p)
		}
		again, err := control.ParsePortRequest([]string{p.Proto, net.JoinHostPort(p.HostIP, fmt.Sprint(p.HostPort)), p.Target})
		if err != nil || again != p {
			t.Fatalf("%+v became %+v, %v", p, again, err)
		}
	})
}
