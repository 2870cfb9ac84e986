//go:build linux

package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/guest/channel"
)

// The test binary is its own docker-proxy.
const runProxyEnv = "SLIPWAY_TEST_RUN_PROXY"

func TestMain(m *testing.M) {
	if os.Getenv(runProxyEnv) != "" {
		os.Exit(ProxyMain(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for i := 0; runtime.NumGoroutine() > before; i++ {
			if i == 500 {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
			time.Sleep(10 * time.Millisecond) // they end by themselves; only the end counts
		}
	})
}

// A machine is an agent in this process, with a port the host can connect to any
// number of times, like QEMU's socket of a virtio port.
type machine struct {
	t       *testing.T
	server  *server
	conns   chan net.Conn // ends for the agent
	changed chan struct{}

	mu    sync.Mutex
	facts guest.Facts
	clock time.Time
	off   chan struct{}
	away  chan struct{}
}

func boot(t *testing.T) *machine {
	noLeak(t)
	dir := t.TempDir()
	m := &machine{
		t: t, conns: make(chan net.Conn), changed: make(chan struct{}),
		facts: guest.Facts{
			Address:  netip.MustParsePrefix("192.168.65.3/24"),
			Phases:   []guest.Phase{{Name: "kernel", At: time.Second}},
			Versions: map[string]string{"kernel": "6.12"},
			Docker:   guest.DockerStarting,
		},
		off: make(chan struct{}, 9), away: make(chan struct{}, 9),
	}
	m.server = newServer(Config{
		Open: func(ctx context.Context) (io.ReadWriteCloser, error) {
			select {
			case c := <-m.conns:
				return c, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		Facts: func() guest.Facts {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.facts
		},
		Changed:  m.changed,
		PowerOff: func() { m.off <- struct{}{} },
		SetTime: func(now time.Time) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.clock = now
			return nil
		},
		DockerSocket: filepath.Join(dir, "docker.sock"),
		ProxySocket:  filepath.Join(dir, "run", "proxy.sock"),
		DataDir:      dir,
		HostAway:     func() { m.away <- struct{}{} },
	})
	m.server.awayAfter = 50 * time.Millisecond
	m.server.timeSlack = time.Minute // what a message may take here
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.server.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return m
}

// connect is a host that comes; the session runs until quit, which returns what Run did.
func (m *machine) connect(opts guest.Options) (s *guest.Session, quit func() error) {
	m.t.Helper()
	host, agent := net.Pipe()
	m.conns <- agent
	s, err := guest.Connect(testContext(m.t), host, opts)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	quit = sync.OnceValue(func() error { cancel(); return <-done })
	m.t.Cleanup(func() { _ = quit() })
	return s, quit
}

func TestFacts(t *testing.T) {
	m := boot(t)
	s, quit := m.connect(guest.Options{})
	seen := s.WatchFacts(testContext(t))
	if got := <-seen; !cmp.Equal(got, m.facts, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })) {
		t.Fatalf("facts %+v, want %+v", got, m.facts)
	}
	m.mu.Lock()
	m.facts.Docker = guest.DockerFailed
	m.facts.Problem = "\x1b[2Jdockerd ended"
	m.mu.Unlock()
	m.changed <- struct{}{}
	if got := <-seen; got.Docker != guest.DockerFailed || got.Problem != "\ufffd[2Jdockerd ended" {
		t.Fatalf("facts %+v", got)
	}
	if s.Facts().Docker != guest.DockerFailed {
		t.Fatal("Facts are not those that WatchFacts sent")
	}
	if err := quit(); err != nil {
		t.Fatal(err)
	}
	if _, open := <-seen; open {
		t.Fatal("WatchFacts goes on after the session")
	}
}

func TestCalls(t *testing.T) {
	m := boot(t)
	s, _ := m.connect(guest.Options{})
	ctx := testContext(t)
	if rtt, err := s.Ping(ctx); err != nil || rtt <= 0 {
		t.Fatal(rtt, err)
	}
	want := time.Now().Add(time.Hour)
	clock := func() time.Time {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.clock
	}
	if err := s.SetTime(ctx, want); err != nil || !clock().Equal(want) {
		t.Fatalf("the clock is %v, %v; want %v", clock(), err, want)
	}
	if err := s.SetTime(ctx, time.Now()); err != nil || !clock().Equal(want) {
		t.Fatalf("a clock that was right was set: %v, %v", clock(), err)
	}
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stats := s.Stats(short)
	got, ok := <-stats
	if !ok || got.MemoryTotal == 0 || got.MemoryAvailable > got.MemoryTotal || got.DiskTotal == 0 || got.CPU < 0 || got.CPU > 100 {
		t.Fatalf("stats %+v", got)
	}
	cancel()
	for range stats {
	}
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	<-m.off
}

func TestHostAwayAndBack(t *testing.T) {
	m := boot(t)
	_, quit := m.connect(guest.Options{})
	if err := quit(); err != nil {
		t.Fatal(err)
	}
	<-m.away
	s, _ := m.connect(guest.Options{})
	if _, err := s.Ping(testContext(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.away:
		t.Fatal("said to be away twice")
	default:
	}
}

func TestDockerHalfClose(t *testing.T) {
	m := boot(t)
	s, _ := m.connect(guest.Options{})
	ctx := testContext(t)
	if _, err := s.DialDocker(ctx); err == nil || !strings.Contains(err.Error(), "dockerd is not running") {
		t.Fatalf("without dockerd: %v", err)
	}
	l, err := net.Listen("unix", m.server.DockerSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, first := range []string{"client", "docker"} {
		c, err := s.DialDocker(ctx)
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		type half interface {
			net.Conn
			CloseWrite() error
		}
		var a, b half = c, d.(*net.UnixConn)
		if first == "docker" {
			a, b = b, a
		}
		io.WriteString(a, "question")
		a.CloseWrite()
		if got, err := io.ReadAll(b); string(got) != "question" || err != nil {
			t.Fatalf("%s first: %q, %v", first, got, err)
		}
		// The other direction is still there.
		answer := bytes.Repeat([]byte("answer"), 100000)
		go func() { b.Write(answer); b.CloseWrite() }()
		if got, err := io.ReadAll(a); !bytes.Equal(got, answer) || err != nil {
			t.Fatalf("%s first: %d bytes, %v", first, len(got), err)
		}
		c.Close()
		d.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := d.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("dockerd's end after Close: %v", err)
		}
		d.Close()
	}
}

// An attach without input goes on, long after its client has ended its side; when
// the client goes, dockerd learns it although neither side says anything.
func TestDockerClientGoesQuietly(t *testing.T) {
	m := boot(t)
	s, _ := m.connect(guest.Options{})
	l, err := net.Listen("unix", m.server.DockerSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := s.DialDocker(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c.CloseWrite()
	if _, err := d.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	c.Close()
	// The agent closes its socket: writing fails once that has arrived.
	for start := time.Now(); ; {
		if _, err := d.Write([]byte("x")); err != nil {
			break
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("dockerd still has its client")
		}
		runtime.Gosched()
	}
}

// What a guest that is not our agent sends ends the session with a reason.
func TestHostileGuest(t *testing.T) {
	for name, say := range map[string]func(*channel.Stream){
		"facts of no agent": func(st *channel.Stream) { st.Send(guest.Facts{Docker: "owned"}) },
		"facts of no kind":  func(st *channel.Stream) { st.Send([]int{1}) },
		"a port twice": func(st *channel.Stream) {
			p := guest.PortRequest{Proto: "tcp", HostIP: netip.IPv4Unspecified(), HostPort: 1, ContainerIP: netip.MustParseAddr("172.17.0.2"), ContainerPort: 1}
			st.Send(guest.PortMessage{ID: 1, Port: &p})
			st.Send(guest.PortMessage{ID: 1, Port: &p})
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			host, agent := net.Pipe()
			go func() {
				mux, err := channel.Guest(testContext(t), agent, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Error(err)
					return
				}
				for {
					st, err := mux.Accept()
					if err != nil {
						return
					}
					service, _ := st.Service()
					st.Accept()
					if strings.HasPrefix(name, "facts") == (service == guest.ServiceFacts) {
						say(st)
					}
				}
			}()
			h := newHostPorts()
			s, err := guest.Connect(testContext(t), host, h.options())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(testContext(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the session ended with %v", err)
			}
			if len(h.held()) != 0 {
				t.Fatal("a port outlives its session")
			}
		})
	}
}

func TestParseStats(t *testing.T) {
	busy, total, err := parseCPU([]byte("cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 1 1 1\n"))
	if busy != 81 || total != 531 || err != nil {
		t.Fatal(busy, total, err)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu a 1 1 1 1 1 1 1"} {
		if _, _, err := parseCPU([]byte(bad)); err == nil {
			t.Fatalf("%q was accepted", bad)
		}
	}
	mem, avail, err := parseMemory([]byte("MemTotal:     1000 kB\nMemFree: 5 kB\nMemAvailable:  400 kB\n"))
	if mem != 1000<<10 || avail != 400<<10 || err != nil {
		t.Fatal(mem, avail, err)
	}
	if _, _, err := parseMemory([]byte("MemTotal: 1 kB\nMemAvailable: 2 kB\n")); err == nil {
		t.Fatal("more available than there is")
	}
}
