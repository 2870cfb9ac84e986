package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/slipway-desktop/slipway/backend/network/networktest"
)

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
	// The destination is led to the broadcast address, to which the host's own
	// kernel refuses TCP connections without sending a packet.
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
