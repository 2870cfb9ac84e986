package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
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

func TestDHCPTellsTheMachineWhatItNeeds(t *testing.T) {
	r := newRig(t, Config{Domain: "slipway.internal", MTU: 9000})
	m := must(dhcpv4.NewDiscovery(networktest.MAC))
	offer := r.exchange(m)
	if got := offer.YourIPAddr.String(); got != guestIP.String() {
		t.Errorf("offered %s, want %s", got, guestIP)
	}
	if got := offer.Router()[0].String() + " " + offer.DNS()[0].String(); got != "192.168.65.1 192.168.65.1" {
		t.Errorf("router and DNS %s", got)
	}
	if got, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, offer.Options); err != nil || got != 9000 {
		t.Errorf("MTU %d, %v", got, err)
	}
	if got := offer.DomainSearch().Labels; !slices.Equal(got, []string{"slipway.internal"}) {
		t.Errorf("search list %v", got)
	}
	leases := r.n.Stats().Leases
	if len(leases) != 1 || leases[0].Addr != guestIP || leases[0].MAC != networktest.MAC.String() {
		t.Errorf("leases %+v", leases)
	}
}

func (r *rig) exchange(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	r.Helper()
	answer, err := r.g.Exchange(r.ctx, m)
	if err != nil {
		r.Fatal(err)
	}
	return answer
}

func TestOutboundTCPKeepsHalfClose(t *testing.T) {
	for _, first := range []string{"guest", "host"} {
		t.Run(first+" closes first", func(t *testing.T) {
			r := newRig(t, Config{})
			l := must(net.Listen("tcp4", "127.0.0.1:0"))
			defer l.Close()
			guest := deadline(must(r.g.DialTCP(r.ctx, containerIP, at(hostIP, hostPort(l.Addr())))))
			defer guest.Close()
			accepted := deadline(must(l.Accept()))
			defer accepted.Close()
			var a, b closeWriter = guest, accepted.(*net.TCPConn)
			if first == "host" {
				a, b = b, a
			}
			speak(t, a, b, "first words")
			if err := a.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(b); err != nil || len(rest) != 0 {
				t.Fatalf("after the half-close: %q, %v", rest, err)
			}
			long := strings.Repeat("the other direction lives on ", 40000)
			go func() {
				_, _ = io.WriteString(b, long)
				_ = b.CloseWrite()
			}()
			if got, err := io.ReadAll(a); err != nil || string(got) != long {
				t.Fatalf("got %d bytes of %d, %v", len(got), len(long), err)
			}
			for _, ip := range r.frames.ip(FromGuest, protoTCP) {
				if src := fromTCPIP(ip.SourceAddress()); src != containerIP {
					t.Fatalf("a frame has source %s, want the container's", src)
				}
			}
			if !networktest.WaitFor(patience, func() bool { return r.n.Stats().TCPOut.Active == 0 }) {
				t.Errorf("connection still counted: %+v", r.n.Stats().TCPOut)
			}
		})
	}
}

type closeWriter interface {
	net.Conn
	CloseWrite() error
}

func speak(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestRefusedConnectionIsResetBeforeAnyAccept(t *testing.T) {
	r := newRig(t, Config{})
	l := must(net.Listen("tcp4", "127.0.0.1:0"))
	port := hostPort(l.Addr())
	l.Close()
	_, err := r.g.DialTCP(r.ctx, guestIP, at(hostIP, port))
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("error %v, want a refusal", err)
	}
	for _, ip := range r.frames.ip(ToGuest, protoTCP) {
		if flags := header.TCP(ip.Payload()).Flags(); flags&header.TCPFlagSyn != 0 {
			t.Fatalf("the guest was sent a SYN: flags %s", flags)
		}
	}
	for _, dst := range []netip.AddrPort{at(gatewayIP, 22), at(metadata, 80)} {
		if _, err := r.g.DialTCP(r.ctx, guestIP, dst); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: error %v, want a refusal", dst, err)
		}
	}
}

func TestUnreachableIsToldByICMP(t *testing.T) {
	r := newRig(t, Config{})
	// 127.0.0.1 cannot reach an address of a network in TEST-NET-1 that is
	// rewritten to the reserved 255.255.255.255, so the host's own kernel
	// refuses the attempt without sending a packet.
	far := netip.MustParseAddr("192.0.2.1")
	r.n.alias = func(netip.AddrPort) netip.AddrPort { return netip.MustParseAddrPort("255.255.255.255:80") }
	_, err := r.g.DialTCP(r.ctx, guestIP, at(far, 80))
	if err == nil || !strings.Contains(err.Error(), "unreachable") && !strings.Contains(err.Error(), "no route") {
		t.Fatalf("error %v, want unreachable", err)
	}
}

func TestResetsPassThrough(t *testing.T) {
	r := newRig(t, Config{})
	l := must(net.Listen("tcp4", "127.0.0.1:0"))
	defer l.Close()
	guest := deadline(must(r.g.DialTCP(r.ctx, guestIP, at(hostIP, hostPort(l.Addr())))))
	defer guest.Close()
	host := deadline(must(l.Accept())).(*net.TCPConn)
	speak(t, guest, host, "hello")
	_ = host.SetLinger(0)
	host.Close()
	if _, err := guest.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("read after a reset: %v, want an error", err)
	}
}

func TestUDPEchoAndPortUnreachable(t *testing.T) {
	r := newRig(t, Config{})
	pc := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	port := hostPort(pc.LocalAddr())
	go echoPackets(pc)
	c := deadline(must(r.g.DialUDP(containerIP, at(hostIP, port))))
	defer c.Close()
	for _, size := range []int{0, 1, 1472, 9000} { // the last two fill a frame, and need fragments
		want := bytes.Repeat([]byte{'u'}, size)
		must(c.Write(want))
		got := make([]byte, 10000)
		n, err := c.Read(got)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Fatalf("echo of %d bytes: %d bytes, %v", size, n, err)
		}
	}
	pc.Close()
	must(c.Write([]byte("anyone?")))
	unreachable := func() bool {
		for _, ip := range r.frames.ip(ToGuest, protoICMP) {
			icmp := header.ICMPv4(ip.Payload())
			if icmp.Type() == header.ICMPv4DstUnreachable && icmp.Code() == codePort {
				quoted := header.IPv4(icmp.Payload())
				return fromTCPIP(quoted.SourceAddress()) == containerIP && header.UDP(quoted.Payload()).DestinationPort() == port
			}
		}
		return false
	}
	if !networktest.WaitFor(patience, unreachable) {
		t.Error("the guest was not told that the port is unreachable")
	}
}

func echoPackets(pc net.PacketConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = pc.WriteTo(buf[:n], from)
	}
}

func TestPings(t *testing.T) {
	r := newRig(t, Config{})
	for _, to := range []netip.Addr{gatewayIP, hostIP} {
		got, err := r.g.Ping(r.ctx, containerIP, to, []byte("ping"))
		if err != nil || string(got) != "ping" {
			t.Errorf("%s: %q, %v", to, got, err)
		}
	}
	if got := r.n.Stats().ICMP.Total; got != 0 {
		t.Errorf("%d pings went outside", got)
	}
	// An address outside, led to the host's loopback: answered if the host
	// grants a socket for it, and in any case not by the netstack itself.
	far := netip.MustParseAddr("192.0.2.1")
	r.n.alias = func(netip.AddrPort) netip.AddrPort { return at(loopback, 0) }
	ctx, cancel := context.WithTimeout(r.ctx, 2*time.Second)
	defer cancel()
	got, err := r.g.Ping(ctx, containerIP, far, []byte("far"))
	switch stats := r.n.Stats().ICMP; {
	case stats.Total == 1:
		if err != nil || string(got) != "far" {
			t.Errorf("far ping: %q, %v", got, err)
		}
	case stats.Failed == 1:
		t.Log("this host grants no ICMP socket")
		if err == nil {
			t.Errorf("made-up answer %q", got)
		}
	default:
		t.Errorf("stats %+v", stats)
	}
}

func TestPublishedTCP(t *testing.T) {
	r := newRig(t, Config{})
	l := must(r.g.ListenTCP(at(containerIP, 80)))
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c); _ = c.(closeWriter).CloseWrite() }()
		}
	}()
	f := must(r.n.Ports().Expose(r.ctx, Forward{
		Proto: "tcp", Host: at(netip.IPv4Unspecified(), 0), Guest: at(containerIP, 80), Origin: "docker",
	}))
	if f.Host.Addr() != loopback || f.Host.Port() == 0 || f.State != StateActive {
		t.Fatalf("bound %+v, want a port of 127.0.0.1", f)
	}
	c := deadline(must(net.Dial("tcp4", f.Host.String()))).(*net.TCPConn)
	defer c.Close()
	text := strings.Repeat("published ", 50000)
	go func() { _, _ = io.WriteString(c, text); _ = c.CloseWrite() }()
	if got, err := io.ReadAll(c); err != nil || string(got) != text {
		t.Fatalf("echo of %d bytes: %d, %v", len(text), len(got), err)
	}
	for _, ip := range r.frames.ip(ToGuest, protoTCP) {
		if src, dst := fromTCPIP(ip.SourceAddress()), fromTCPIP(ip.DestinationAddress()); src != gatewayIP || dst != containerIP {
			t.Fatalf("frame %s → %s, want gateway → container", src, dst)
		}
	}
	got := r.n.Ports().List()
	if len(got) != 1 || got[0].Connections != 1 || got[0].BytesIn != uint64(len(text)) || got[0].BytesOut != uint64(len(text)) {
		t.Errorf("list %+v", got)
	}
	// A container that refuses resets the client.
	l.Shutdown()
	l.Close()
	c2, err := net.Dial("tcp4", f.Host.String())
	if err == nil { // else the reset was here before Dial returned
		_, err = deadline(c2).Read(make([]byte, 1))
		c2.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a refused forward: %v, want a reset", err)
	}
	if err := r.n.Ports().Unexpose(r.ctx, f.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp4", f.Host.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial after Unexpose: %v", err)
	}
	if err := r.n.Ports().Unexpose(r.ctx, f.ID); !errors.Is(err, ErrNoForward) {
		t.Errorf("second Unexpose: %v", err)
	}
}

func TestPublishedUDP(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{ForwardFlows: 2}})
	pc := must(r.g.ListenUDP(at(containerIP, 53)))
	defer pc.Close()
	go echoPackets(pc)
	f := must(r.n.Ports().Expose(r.ctx, Forward{Proto: "udp", Host: at(loopback, 0), Guest: at(containerIP, 53)}))
	for _, text := range []string{"one client", "another client"} {
		c := deadline(must(net.Dial("udp4", f.Host.String())))
		defer c.Close()
		speak(t, c, c, text)
	}
	c := deadline(must(net.Dial("udp4", f.Host.String())))
	defer c.Close()
	must(c.Write([]byte("one too many")))
	if !networktest.WaitFor(patience, func() bool { return r.n.Stats().UDPIn.Limited == 1 }) {
		t.Errorf("the third client was not turned away: %+v", r.n.Stats().UDPIn)
	}
	sources := map[uint16]bool{}
	for _, ip := range r.frames.ip(ToGuest, protoUDP) {
		if fromTCPIP(ip.DestinationAddress()) == containerIP {
			if src := fromTCPIP(ip.SourceAddress()); src != gatewayIP {
				t.Fatalf("source %s, want the gateway", src)
			}
			sources[header.UDP(ip.Payload()).SourcePort()] = true
		}
	}
	if len(sources) != 2 {
		t.Errorf("%d source ports for two clients", len(sources))
	}
}

func TestTakenPortNamesItsHolder(t *testing.T) {
	r := newRig(t, Config{})
	for _, proto := range []string{"tcp", "udp"} {
		var port uint16
		if proto == "tcp" {
			l := must(net.Listen("tcp4", "127.0.0.1:0"))
			defer l.Close()
			port = hostPort(l.Addr())
		} else {
			pc := must(net.ListenPacket("udp4", "127.0.0.1:0"))
			defer pc.Close()
			port = hostPort(pc.LocalAddr())
		}
		_, err := r.n.Ports().Expose(r.ctx, Forward{Proto: proto, Host: at(netip.IPv4Unspecified(), port), Guest: at(containerIP, 80)})
		var taken *TakenError
		if !errors.As(err, &taken) {
			t.Fatalf("%s: error %v, want *TakenError", proto, err)
		}
		if runtime.GOOS != "linux" {
			continue
		}
		name := must(os.ReadFile("/proc/self/comm"))
		want := "port " + strconv.Itoa(int(port)) + " is taken by " + strings.TrimSpace(string(name)) +
			" (pid " + strconv.Itoa(os.Getpid()) + "); pick another port or stop that process"
		if err.Error() != want {
			t.Errorf("%s:\n got %s\nwant %s", proto, err, want)
		}
	}
}

func TestExposeAgain(t *testing.T) {
	r := newRig(t, Config{})
	p := r.n.Ports()
	ctx, cancel := context.WithCancel(r.ctx)
	news := p.Watch(ctx)
	f := must(p.Expose(r.ctx, Forward{Proto: "tcp", Host: at(loopback, 0), Guest: at(containerIP, 80)}))
	<-news
	again := must(p.Expose(r.ctx, Forward{Proto: "tcp", Host: f.Host, Guest: f.Guest}))
	if again.ID != f.ID || len(p.List()) != 1 {
		t.Errorf("the same forward became another: %+v", p.List())
	}
	_, err := p.Expose(r.ctx, Forward{Proto: "tcp", Host: at(netip.IPv4Unspecified(), f.Host.Port()), Guest: at(containerIP, 81)})
	var taken *TakenError
	if !errors.As(err, &taken) || taken.ForwardID != f.ID || !strings.Contains(err.Error(), "172.17.0.2:80") {
		t.Errorf("error %v, want one that names %s", err, f.ID)
	}
	for _, bad := range []Forward{
		{Proto: "sctp", Guest: at(containerIP, 80)},
		{Proto: "tcp", Guest: at(netip.IPv6Loopback(), 80)},
		{Proto: "tcp", Guest: at(containerIP, 0)},
		{Proto: "tcp", Host: at(netip.MustParseAddr("192.0.2.9"), 0), Guest: at(containerIP, 80)},
		{ID: f.ID, Proto: "tcp", Host: at(loopback, 0), Guest: at(containerIP, 90)},
	} {
		if got, err := p.Expose(r.ctx, bad); err == nil {
			t.Errorf("%+v was accepted: %+v", bad, got)
		}
	}
	cancel()
	for range news { // ends when it is closed
	}
}

func TestWildcardIPv6IsNarrowed(t *testing.T) {
	r := newRig(t, Config{})
	f := must(r.n.Ports().Expose(r.ctx, Forward{Proto: "tcp", Host: at(netip.IPv6Unspecified(), 0), Guest: at(containerIP, 80)}))
	switch f.State {
	case StateActive:
		if f.Host.Addr() != netip.IPv6Loopback() {
			t.Errorf("bound to %s", f.Host)
		}
	case StateUnavailable:
		t.Log("this host has no IPv6")
	default:
		t.Errorf("state %q", f.State)
	}
}

func TestConnectionLimit(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{TCPConns: 1}})
	l := must(net.Listen("tcp4", "127.0.0.1:0"))
	defer l.Close()
	dst := at(hostIP, hostPort(l.Addr()))
	c := deadline(must(r.g.DialTCP(r.ctx, guestIP, dst)))
	defer c.Close()
	if _, err := r.g.DialTCP(r.ctx, guestIP, dst); err == nil {
		t.Error("a second connection was let through")
	}
	if got := r.n.Stats().TCPOut; got.Limited != 1 || got.Active != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestUDPFlowLimitEndsAnotherFlow(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{UDPFlows: 4}})
	pc := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	defer pc.Close()
	go echoPackets(pc)
	for range 12 {
		c := deadline(must(r.g.DialUDP(guestIP, at(hostIP, hostPort(pc.LocalAddr())))))
		defer c.Close()
		speak(t, c, c, "flow")
	}
	if !networktest.WaitFor(patience, func() bool { return r.n.Stats().UDPOut.Active <= 4 }) {
		t.Errorf("stats %+v", r.n.Stats().UDPOut)
	}
	if got := r.n.Stats().UDPOut; got.Limited != 8 || got.Total != 12 {
		t.Errorf("stats %+v", got)
	}
}

func TestDialGuest(t *testing.T) {
	r := newRig(t, Config{})
	l := must(r.g.ListenTCP(at(guestIP, 2375)))
	defer l.Close()
	c := must(r.n.DialGuest(r.ctx, at(guestIP, 2375)))
	defer c.Close()
	in := deadline(must(l.Accept()))
	defer in.Close()
	speak(t, c, in, "to the guest")
	speak(t, in, c, "and back")
	if _, err := r.n.DialGuest(r.ctx, at(guestIP, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial of a closed port: %v", err)
	}
}
