package network

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/slipway-desktop/slipway/backend/network/link"
	"github.com/slipway-desktop/slipway/backend/network/networktest"
)

var (
	gatewayIP   = netip.MustParseAddr("192.168.65.1")
	guestIP     = netip.MustParseAddr("192.168.65.3")
	hostIP      = netip.MustParseAddr("192.168.65.254")
	containerIP = netip.MustParseAddr("172.17.0.2")
	loopback    = netip.MustParseAddr("127.0.0.1")
)

// frames records what the observer saw.
type frames struct {
	mu   sync.Mutex
	seen []seenFrame
}

type seenFrame struct {
	dir  Direction
	data []byte
}

func (f *frames) Frame(_ time.Time, dir Direction, frame []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, seenFrame{dir, bytes.Clone(frame)})
}

// ip returns the IPv4 packets that went one way with one transport protocol.
func (f *frames) ip(dir Direction, proto uint8) []header.IPv4 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []header.IPv4
	for _, s := range f.seen {
		if s.dir == dir && len(s.data) > 34 && s.data[12] == 8 && s.data[13] == 0 && s.data[23] == proto {
			out = append(out, header.IPv4(s.data[14:]))
		}
	}
	return out
}

// rig is a running network with a guest on it.
type rig struct {
	*testing.T
	ctx    context.Context
	n      *Network
	g      *networktest.Guest
	frames *frames
}

// newRig starts a network, links a guest to it by a socket pair, and has the
// guest configured by DHCP. Everything is stopped, and goroutines counted,
// when the test ends.
func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	seen := &frames{}
	if cfg.Observer == nil {
		cfg.Observer = seen
	}
	if cfg.Resolver.File == "" && cfg.Resolver.Servers == nil {
		cfg.Resolver.File = os.DevNull // no test asks the host's real servers
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	run := make(chan error, 1)
	go func() { run <- n.Run(ctx) }()
	ours, theirs := socketPair(t)
	served := make(chan error, 1)
	go func() { served <- n.ServeConn(ctx, link.Stream(ours)) }()
	g, err := networktest.NewGuest(link.Stream(theirs), n.cfg.MTU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Close()
		if err := <-served; err != nil && ctx.Err() == nil {
			t.Errorf("link ended: %v", err)
		}
		cancel()
		select {
		case err := <-run:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("Run did not return")
			buf := make([]byte, 1<<20)
			t.Logf("%s", buf[:runtime.Stack(buf, true)])
		}
		if !networktest.WaitFor(patience, func() bool { return runtime.NumGoroutine() <= before }) {
			buf := make([]byte, 1<<20)
			t.Errorf("goroutines left: %d, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	})
	if _, err := g.Configure(ctx); err != nil {
		t.Fatalf("DHCP: %v", err)
	}
	if err := g.AddAddress(netip.PrefixFrom(containerIP, 32)); err != nil {
		t.Fatal(err)
	}
	return &rig{t, ctx, n, g, seen}
}

// patience bounds every wait of a test, so that a lost byte fails it at once.
const patience = 5 * time.Second

// deadline bounds the use of a connection.
func deadline[C net.Conn](c C) C {
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// socketPair returns the two ends of a Unix stream, as QEMU's link is one.
func socketPair(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	l := must(net.Listen("unix", filepath.Join(t.TempDir(), "link")))
	defer l.Close()
	a := must(net.Dial("unix", l.Addr().String()))
	return a, must(l.Accept())
}

// must ends the test binary on an error in what every test relies on; the
// panic's trace says where.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func hostPort(a net.Addr) uint16 {
	switch a := a.(type) {
	case *net.TCPAddr:
		return uint16(a.Port)
	case *net.UDPAddr:
		return uint16(a.Port)
	}
	return 0
}

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
