//go:build linux

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
)

// hostPorts is a host's side of published ports.
type hostPorts struct {
	mu    sync.Mutex
	open  map[string]guest.PortRequest
	fail  error
	calls chan string
}

func newHostPorts() *hostPorts {
	return &hostPorts{open: map[string]guest.PortRequest{}, calls: make(chan string, 99)}
}

func key(p guest.PortRequest) string {
	return fmt.Sprintf("%s/%s", netip.AddrPortFrom(p.HostIP, p.HostPort), p.Proto)
}

func (h *hostPorts) options() guest.Options {
	return guest.Options{
		Expose: func(_ context.Context, p guest.PortRequest) (guest.PortRequest, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.fail != nil {
				return p, h.fail
			}
			if _, taken := h.open[key(p)]; taken {
				return p, errors.New("taken by ourselves")
			}
			h.open[key(p)] = p
			h.calls <- "expose " + key(p)
			return p, nil
		},
		Unexpose: func(p guest.PortRequest) {
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.open, key(p))
			h.calls <- "unexpose " + key(p)
		},
	}
}

func (h *hostPorts) held() map[string]guest.PortRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.open)
}

func (h *hostPorts) want(t *testing.T, call string) {
	t.Helper()
	select {
	case got := <-h.calls:
		if got != call {
			t.Fatalf("the host was asked to %s, want %s", got, call)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("the host was not asked to %s", call)
	}
}

// proxy starts a docker-proxy as dockerd does and returns what it reports.
func (m *machine) proxy(args ...string) (cmd *exec.Cmd, report string) {
	m.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Close()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runProxyEnv+"=1", "GORACE=atexit_sleep_ms=0", ProxySocketEnv+"="+m.server.ProxySocket)
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	w.Close()
	m.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	b, err := io.ReadAll(r)
	if err != nil {
		m.t.Fatal(err)
	}
	return cmd, string(b)
}

func proxyArgs(hostIP string, port int) []string {
	return []string{"-proto", "tcp", "-host-ip", hostIP, "-host-port", strconv.Itoa(port), "-container-ip", "172.17.0.2", "-container-port", "80"}
}

func TestProxyPublishes(t *testing.T) {
	m := boot(t)
	h := newHostPorts()
	m.connect(h.options())
	for i, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		args := proxyArgs("0.0.0.0", 8080+i)
		cmd, report := m.proxy(args...)
		if report != "0\n" {
			t.Fatalf("proxy reports %q", report)
		}
		h.want(t, fmt.Sprintf("expose 0.0.0.0:%d/tcp", 8080+i))
		want := guest.PortRequest{Proto: "tcp", HostIP: netip.MustParseAddr("0.0.0.0"), HostPort: uint16(8080 + i),
			ContainerIP: netip.MustParseAddr("172.17.0.2"), ContainerPort: 80}
		if got := h.held()[key(want)]; got != want {
			t.Fatalf("exposed %+v, want %+v", got, want)
		}
		cmd.Process.Signal(sig)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		// Taken back by the time the process is gone, for Docker may start the next.
		if len(h.held()) != 0 {
			t.Fatal("the port outlives its proxy")
		}
		h.want(t, fmt.Sprintf("unexpose 0.0.0.0:%d/tcp", 8080+i))
	}
	cmd, _ := m.proxy(proxyArgs("::", 9090)...)
	h.want(t, "expose [::]:9090/tcp")
	cmd.Process.Kill()
	cmd.Wait()
	h.want(t, "unexpose [::]:9090/tcp")
}

func TestProxyReportsReason(t *testing.T) {
	m := boot(t)
	h := newHostPorts()
	h.fail = errors.New("port 8080 is taken by nginx (pid 12): stop it, or publish another port")
	s, _ := m.connect(h.options())
	cmd, report := m.proxy(proxyArgs("0.0.0.0", 8080)...)
	if report != "1\n"+h.fail.Error() {
		t.Fatalf("proxy reports %q", report)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Fatal(err)
	}
	_, report = m.proxy("-proto", "sctp", "-host-port", "1", "-container-ip", "172.17.0.2", "-container-port", "2")
	if !strings.HasPrefix(report, "1\n") || !strings.Contains(report, "only tcp and udp") {
		t.Fatalf("proxy reports %q", report)
	}
	// A host without IPv6 is no reason to fail what works on IPv4.
	h.mu.Lock()
	h.fail = fmt.Errorf("listen on port 8080: %w", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)})
	h.mu.Unlock()
	cmd, report = m.proxy(proxyArgs("::", 8080)...)
	if report != "0\n" {
		t.Fatalf("proxy reports %q", report)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ping(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func TestProxyClosesPassedSocket(t *testing.T) {
	m := boot(t)
	h := newHostPorts()
	m.connect(h.options())
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(os.Args[0], append(proxyArgs("127.0.0.1", 8080), "-use-listen-fd=true")...)
	cmd.Env = append(os.Environ(), runProxyEnv+"=1", "GORACE=atexit_sleep_ms=0", ProxySocketEnv+"="+m.server.ProxySocket)
	cmd.ExtraFiles = []*os.File{w, f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	w.Close()
	f.Close()
	if b, _ := io.ReadAll(r); string(b) != "0\n" {
		t.Fatalf("proxy reports %q", b)
	}
	if c, err := net.Dial("tcp4", l.Addr().String()); err == nil {
		c.Close()
		t.Fatal("the socket that nobody serves is still open")
	}
}

// The engine restarts while the guest runs on: ports are taken back and come again,
// and one that cannot come again is told of.
func TestPortsSurviveHost(t *testing.T) {
	m := boot(t)
	h := newHostPorts()
	_, quit := m.connect(h.options())
	cmd, _ := m.proxy(proxyArgs("0.0.0.0", 8080)...)
	h.want(t, "expose 0.0.0.0:8080/tcp")
	gone, _ := m.proxy(proxyArgs("0.0.0.0", 8081)...)
	h.want(t, "expose 0.0.0.0:8081/tcp")
	if err := quit(); err != nil {
		t.Fatal(err)
	}
	if len(h.held()) != 0 {
		t.Fatal("ports outlive their session")
	}
	gone.Process.Signal(syscall.SIGTERM)
	if err := gone.Wait(); err != nil {
		t.Fatal(err)
	}

	h2 := newHostPorts()
	h2.fail = errors.New("taken by nginx")
	s, quit := m.connect(h2.options())
	for f := range s.WatchFacts(testContext(t)) {
		if f.Problem == "Port 8080/tcp is no longer published: taken by nginx" {
			break
		}
	}
	if err := quit(); err != nil {
		t.Fatal(err)
	}
	h3 := newHostPorts()
	s, _ = m.connect(h3.options())
	h3.want(t, "expose 0.0.0.0:8080/tcp")
	for f := range s.WatchFacts(testContext(t)) {
		if f.Problem == "" {
			break
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	h3.want(t, "unexpose 0.0.0.0:8080/tcp")
}

// A proxy that comes before the host, as at boot, waits for it.
func TestProxyWaitsForHost(t *testing.T) {
	m := boot(t)
	h := newHostPorts()
	reported := make(chan string)
	go func() {
		_, report := m.proxy(proxyArgs("0.0.0.0", 8080)...)
		reported <- report
	}()
	m.connect(h.options())
	h.want(t, "expose 0.0.0.0:8080/tcp")
	if report := <-reported; report != "0\n" {
		t.Fatalf("proxy reports %q", report)
	}
}
