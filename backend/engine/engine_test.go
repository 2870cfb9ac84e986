//go:build linux

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/vmtest"
	"github.com/slipway-desktop/slipway/guest-image/agent/serve"
)

// A world is an engine on a home of its own with a machine in memory, in which the
// real agent serves in front of a small Docker Engine, and a client of its tree.
type world struct {
	t      *testing.T
	home   string
	client *control.Client
	ended  chan error
	stop   context.CancelFunc

	mu      sync.Mutex
	machine *vmtest.Machine
}

func newWorld(t *testing.T) *world {
	vmtest.NoLeak(t)
	dir, err := os.MkdirTemp("", "eng") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", filepath.Join(dir, "docker"))
	image := filepath.Join(dir, "image")
	if err := os.MkdirAll(image, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vmlinux", "initrd", "root.erofs", "manifest.json"} {
		if err := os.WriteFile(filepath.Join(image, name), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, home: filepath.Join(dir, "h"), ended: make(chan error, 1)}
	e, err := New(Options{Home: w.home, Image: image, Version: "test", Driver: &vmtest.Fake{Guest: w.guest}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	go func() { w.ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		if w.client != nil {
			w.client.Close()
		}
		stop()
		if err, ok := <-w.ended; ok && err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	w.eventually("the engine serves", func() bool {
		w.client, err = control.Dial(ctx, SocketPath(w.home))
		return err == nil
	})
	return w
}

// guest is what the machine does: PID 1 with our agent and a Docker Engine.
func (w *world) guest(m *vmtest.Machine) {
	w.mu.Lock()
	w.machine = m
	w.mu.Unlock()
	m.Print("Linux version 6.12 (test)\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "gst")
	if err != nil {
		m.Die(&vm.Fault{Code: vm.CodeDied, Message: err.Error()})
		return
	}
	defer os.RemoveAll(dir)
	docker := serveDocker(filepath.Join(dir, "docker.sock"))
	defer docker.Close()
	off := sync.OnceFunc(m.PowerOff)
	served := make(chan error, 1)
	go func() {
		served <- serve.Run(ctx, serve.Config{
			Open: func(context.Context) (io.ReadWriteCloser, error) { return m.Accept() },
			Facts: func() guest.Facts {
				return guest.Facts{
					Address: netip.MustParsePrefix("192.168.65.3/24"), Docker: guest.DockerReady,
					Versions: map[string]string{"docker": "26.1.5"},
				}
			},
			PowerOff: off, SetTime: func(time.Time) error { return nil },
			DockerSocket: filepath.Join(dir, "docker.sock"), ProxySocket: filepath.Join(dir, "proxy.sock"), DataDir: dir,
		})
	}()
	select {
	case <-m.Done():
	case <-m.Ending():
	}
	cancel()
	<-served
}

// serveDocker answers what the engine asks of a Docker Engine with one container.
func serveDocker(socket string) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/containers/json", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"Id":"abc","Names":["/web"],"Image":"nginx","State":"running","Status":"Up 1 second",
			"NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.2"}}},
			"Ports":[{"PrivatePort":80,"Type":"tcp"}]}]`)
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") })
	strip := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/v"); ok {
			if i := strings.IndexByte(rest, '/'); i > 0 {
				r.URL.Path = rest[i:]
			}
		}
		mux.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: strip}
	if l, err := net.Listen("unix", socket); err == nil {
		go func() { _ = server.Serve(l) }() // ends with Close
	}
	return server
}

func (w *world) eventually(what string, check func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !check() {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) status() control.Status {
	w.t.Helper()
	s, err := w.client.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) ports() map[string]control.Port {
	w.t.Helper()
	list, err := w.client.Ports(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	ports := map[string]control.Port{}
	for _, p := range list {
		ports[p.ID] = p
	}
	return ports
}

func (w *world) start() {
	w.t.Helper()
	if err := w.client.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestStartFollowStop(t *testing.T) {
	w := newWorld(t)
	if s := w.status(); s.Machine.State != "stopped" || s.Docker.State != "stopped" || s.Docker.Context != "slipway" {
		t.Errorf("at first: machine %q, docker %+v", s.Machine.State, s.Docker)
	}
	// Following must begin with one event per topic, and tell of the machine.
	seen := map[control.Topic]json.RawMessage{}
	var mu sync.Mutex
	follow, stop := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() {
		followed <- w.client.Events(follow, func(e control.Event) error {
			mu.Lock()
			defer mu.Unlock()
			seen[e.Topic] = e.Data
			return nil
		})
	}()
	w.eventually("an event of each topic", func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == 10 })

	w.start()
	s := w.status()
	if s.Machine.State != "running" || s.Docker.State != "ready" || !s.Guest.Connected || s.Guest.Address != "192.168.65.3/24" {
		t.Errorf("running: %+v", s)
	}
	for _, p := range s.Machine.Phases {
		if p.State != "done" {
			t.Errorf("phase %+v of a running machine", p)
		}
	}
	w.start() // again is no error
	w.eventually("the container is told of", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(string(seen[control.TopicContainers]), `"web"`) &&
			strings.Contains(string(seen[control.TopicStatus]), `"running"`)
	})
	var console strings.Builder
	if err := w.client.Console(t.Context(), &console); err != nil || !strings.Contains(console.String(), "Linux version 6.12") {
		t.Errorf("console %q, %v", console.String(), err)
	}
	if err := w.client.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.status(); s.Machine.State != "stopped" || s.Guest.Connected {
		t.Errorf("after Stop: %+v", s)
	}
	w.eventually("the containers are gone", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return string(seen[control.TopicContainers]) == "[]"
	})
	stop()
	if err := <-followed; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Events ended with %v", err)
	}
}

func TestForwards(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	waiting, err := w.client.AddPort(ctx, control.PortRequest{Target: "web:80"})
	if err != nil || waiting.State != "waiting" {
		t.Fatalf("AddPort while stopped: %+v, %v", waiting, err)
	}
	w.start()
	w.eventually("the forward opens when its container is there", func() bool { return w.ports()[waiting.ID].State == "open" })
	if p := w.ports()[waiting.ID]; p.TargetIP != "172.17.0.2" || p.Target != "web" || p.URL == "" {
		t.Errorf("open forward: %+v", p)
	}
	// Behind it is no guest, so the connection is accepted and then reset.
	conn, err := net.Dial("tcp", net.JoinHostPort(waiting.HostIP, strconv.Itoa(waiting.HostPort)))
	if err == nil {
		conn.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the forward does not listen: %v", err)
	}

	// A taken port names who holds it and changes nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	head := w.status().Settings.Head
	_, err = w.client.AddPort(ctx, control.PortRequest{HostPort: l.Addr().(*net.TCPAddr).Port, Target: "web:80"})
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Code != control.CodeTaken || !strings.Contains(refused.Message, strconv.Itoa(os.Getpid())) {
		t.Errorf("a taken port: %v", err)
	}
	if now := w.status().Settings.Head; now != head {
		t.Errorf("a refused forward was recorded as %s", now)
	}
	if _, err := w.client.AddPort(ctx, control.PortRequest{HostPort: waiting.HostPort, Target: "db:1"}); !errors.As(err, &refused) || refused.Code != control.CodeExists {
		t.Errorf("a second forward of one port: %v", err)
	}

	// The machine's end closes it; the settings keep it.
	w.mu.Lock()
	machine := w.machine
	w.mu.Unlock()
	machine.Die(&vm.Fault{Code: vm.CodeDied, Message: "QEMU ended.", Hint: "Start it again."})
	w.eventually("the machine has failed", func() bool { return w.status().Machine.State == "failed" })
	w.eventually("the forward waits again", func() bool { return w.ports()[waiting.ID].State == "waiting" })
	w.start()
	w.eventually("the forward opens again", func() bool { return w.ports()[waiting.ID].State == "open" })

	if err := w.client.RemovePort(ctx, waiting.ID); err != nil {
		t.Fatal(err)
	}
	w.eventually("the removed forward is gone", func() bool { _, there := w.ports()[waiting.ID]; return !there })
	if err := w.client.RemovePort(ctx, waiting.ID); !errors.As(err, &refused) || refused.Code != control.CodeNotFound {
		t.Errorf("removing it again: %v", err)
	}
}

func TestSettingsHistory(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.start()
	commit, err := w.client.SetSettings(ctx, control.SettingsChange{Values: map[string]string{"vm/memory": "1536", "capture/snaplen": "96"}})
	if err != nil {
		t.Fatal(err)
	}
	s := w.status().Settings
	if s.Head != commit.Hash || len(s.Pending) != 1 || s.Pending[0] != "vm/memory" {
		t.Errorf("after the change: %+v", s)
	}
	w.eventually("the snap length applies at once", func() bool {
		status, err := w.client.CaptureStatus(ctx)
		return err == nil && status.Snaplen == 96
	})
	diff, err := w.client.SettingsDiff(ctx, "", "")
	if err != nil || len(diff) != 2 || diff[1].Key != "vm/memory" || !strings.Contains(diff[1].Unified, "+1536") {
		t.Errorf("diff: %+v, %v", diff, err)
	}
	var refused *control.Error
	if _, err := w.client.SetSettings(ctx, control.SettingsChange{Values: map[string]string{"vm/memory": "12"}}); !errors.As(err, &refused) || refused.Code != control.CodeInvalid || refused.Hint == "" {
		t.Errorf("a bad value: %v", err)
	}
	reverted, err := w.client.RevertSettings(ctx, commit.Hash[:8])
	if err != nil {
		t.Fatal(err)
	}
	if s := w.status().Settings; s.Head != reverted.Hash || len(s.Pending) != 0 {
		t.Errorf("after the revert: %+v", s)
	}
	log, err := w.client.SettingsLog(ctx, 0)
	if err != nil || len(log) != 2 || log[1].Hash != commit.Hash {
		t.Errorf("log: %+v, %v", log, err)
	}
}

func TestOneEnginePerHome(t *testing.T) {
	w := newWorld(t)
	other, err := New(Options{Home: w.home, Image: "x", Driver: &vmtest.Fake{}})
	if err != nil {
		t.Fatal(err)
	}
	err = other.Run(t.Context())
	var refused *control.Error
	if !errors.Is(err, ErrHomeTaken) || !errors.As(err, &refused) || !strings.Contains(refused.Message, strconv.Itoa(os.Getpid())) || refused.Hint == "" {
		t.Errorf("a second engine: %v", err)
	}
}

func TestQuitStopsEverything(t *testing.T) {
	w := newWorld(t)
	w.start()
	if err := w.client.Quit(t.Context()); err != nil {
		t.Errorf("Quit: %v", err)
	}
	select {
	case err := <-w.ended:
		close(w.ended)
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the engine runs on after Quit")
	}
	entries, err := os.ReadDir(filepath.Join(w.home, "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left in run/", e.Name())
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("DOCKER_CONFIG"), "contexts", "meta")); err == nil {
		if left, _ := filepath.Glob(filepath.Join(os.Getenv("DOCKER_CONFIG"), "contexts", "meta", "*")); len(left) > 0 {
			t.Errorf("the Docker context is left: %v", left)
		}
	}
}
