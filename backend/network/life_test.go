package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/slipway-desktop/slipway/backend/network/link"
	"github.com/slipway-desktop/slipway/backend/network/networktest"
	"github.com/slipway-desktop/slipway/backend/network/resolver"
)

func TestConfig(t *testing.T) {
	for name, bad := range map[string]Config{
		"IPv6 subnet":         {Subnet: netip.MustParsePrefix("fd00::/64")},
		"subnet too small":    {Subnet: netip.MustParsePrefix("10.0.0.0/30")},
		"gateway outside":     {Gateway: netip.MustParseAddr("10.0.0.1")},
		"guest is broadcast":  {Guest: netip.MustParseAddr("192.168.65.255")},
		"host is gateway":     {Host: gatewayIP},
		"mtu below":           {MTU: 1499},
		"mtu above":           {MTU: 65521},
		"publish policy":      {PublishAddress: "everywhere"},
		"host without addr":   {Hosts: map[string]netip.Addr{"db": {}}},
		"host name not a DNS": {Hosts: map[string]netip.Addr{"a..b": gatewayIP}},
	} {
		if _, err := New(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	n, err := New(Config{Subnet: netip.MustParsePrefix("10.9.8.77/21")})
	if err != nil {
		t.Fatal(err)
	}
	if c := n.cfg; c.Gateway.String() != "10.9.8.1" || c.Guest.String() != "10.9.8.3" || c.Host.String() != "10.9.15.254" {
		t.Errorf("addresses %s %s %s", c.Gateway, c.Guest, c.Host)
	}
}

func TestNewStartsNothingAndStoppedNetworkSaysSo(t *testing.T) {
	before := runtime.NumGoroutine()
	n := must(New(Config{}))
	if got := runtime.NumGoroutine(); got != before {
		t.Errorf("%d goroutines after New, %d before", got, before)
	}
	waits, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.DialGuest(waits, at(guestIP, 80)); !errors.Is(err, context.Canceled) {
		t.Errorf("DialGuest before Run: %v", err)
	}
	if err := n.Run(waits); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := n.Run(context.Background()); err == nil {
		t.Error("a second Run was accepted")
	}
	if _, err := n.DialGuest(context.Background(), at(guestIP, 80)); !errors.Is(err, ErrStopped) {
		t.Errorf("DialGuest after Run: %v", err)
	}
	if _, err := n.Ports().Expose(context.Background(), Forward{Proto: "tcp", Guest: at(guestIP, 80)}); !errors.Is(err, ErrStopped) {
		t.Errorf("Expose after Run: %v", err)
	}
}

// TestStopEndsEverything stops a network with a connection each way, a
// handshake that the guest never completes, a dial that it never answers, and
// UDP flows. The rig checks that Run returns and no goroutine is left.
func TestStopEndsEverything(t *testing.T) {
	r := newRig(t, Config{})
	l := must(net.Listen("tcp4", "127.0.0.1:0"))
	defer l.Close()
	out := deadline(must(r.g.DialTCP(r.ctx, containerIP, at(hostIP, hostPort(l.Addr())))))
	defer out.Close()
	host := deadline(must(l.Accept()))
	defer host.Close()

	in := must(r.g.ListenTCP(at(containerIP, 80)))
	defer in.Close()
	f := must(r.n.Ports().Expose(r.ctx, Forward{Proto: "tcp", Host: at(loopback, 0), Guest: at(containerIP, 80)}))
	client := deadline(must(net.Dial("tcp4", f.Host.String())))
	defer client.Close()
	speak(t, client, deadline(must(in.Accept())), "published")

	dead := netip.MustParseAddr("172.17.0.99") // the guest stays silent about it
	go func() { _, _ = r.n.DialGuest(r.ctx, at(dead, 80)) }()
	syn := synFrame(at(dead, 4000), at(hostIP, hostPort(l.Addr())))
	if err := r.g.Send(syn); err != nil {
		t.Fatal(err)
	}
	deadline(must(l.Accept())).Close() // so the handshake has begun

	pc := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	defer pc.Close()
	go echoPackets(pc)
	c := deadline(must(r.g.DialUDP(guestIP, at(hostIP, hostPort(pc.LocalAddr())))))
	defer c.Close()
	speak(t, c, c, "flow")
	if got := r.n.Stats(); got.TCPOut.Active != 2 || got.TCPIn.Active != 1 || got.UDPOut.Active != 1 {
		t.Errorf("stats %+v", got)
	}
}

// synFrame builds the first segment of a connection.
func synFrame(src, dst netip.AddrPort) []byte {
	frame := networktest.UDPFrame(networktest.MAC, gatewayMAC[:], src, dst, make([]byte, header.TCPMinimumSize-header.UDPMinimumSize))
	ip := header.IPv4(frame[etherLen:])
	frame[etherLen+9] = protoTCP
	ip.SetChecksum(0)
	ip.SetChecksum(^ip.CalculateChecksum())
	tcp := header.TCP(ip.Payload())
	tcp.Encode(&header.TCPFields{
		SrcPort: src.Port(), DstPort: dst.Port(), SeqNum: 7, DataOffset: header.TCPMinimumSize,
		Flags: header.TCPFlagSyn, WindowSize: 65535,
	})
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), header.TCPMinimumSize)
	tcp.SetChecksum(^tcp.CalculateChecksum(sum))
	return frame
}

func TestUnexposeEndsConnections(t *testing.T) {
	r := newRig(t, Config{})
	in := must(r.g.ListenTCP(at(containerIP, 80)))
	defer in.Close()
	f := must(r.n.Ports().Expose(r.ctx, Forward{Proto: "tcp", Host: at(loopback, 0), Guest: at(containerIP, 80)}))
	client := deadline(must(net.Dial("tcp4", f.Host.String())))
	defer client.Close()
	speak(t, client, deadline(must(in.Accept())), "published")
	if err := r.n.Ports().Unexpose(r.ctx, f.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client's connection lives on")
	}
	if got := r.n.Stats().TCPIn.Active; got != 0 {
		t.Errorf("%d connections after Unexpose", got)
	}
}

func TestServeQEMUReconnects(t *testing.T) {
	n := must(New(Config{}))
	ctx, cancel := context.WithCancel(t.Context())
	run, served := make(chan error, 1), make(chan error, 1)
	go func() { run <- n.Run(ctx) }()
	path := filepath.Join(t.TempDir(), "net.sock")
	l := must(net.Listen("unix", path))
	go func() { served <- n.ServeQEMU(ctx, l) }()
	for range 3 { // each takes over when the one before has gone
		g := must(networktest.NewGuest(link.Stream(must(net.Dial("unix", path))), n.cfg.MTU))
		must(g.Configure(ctx))
		if _, err := g.Ping(ctx, guestIP, gatewayIP, []byte("ping")); err != nil {
			t.Fatal(err)
		}
		g.Close()
	}
	first := must(net.Dial("unix", path))
	defer first.Close()
	if !networktest.WaitFor(patience, func() bool { return n.Stats().Links == 4 }) {
		t.Fatalf("links: %+v", n.Stats())
	}
	second := deadline(must(net.Dial("unix", path)))
	defer second.Close()
	if _, err := second.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a second machine was not turned away: %v", err)
	}
	// A length that cannot be ends the link.
	must(first.Write([]byte{0xff, 0xff, 0xff, 0xff}))
	if _, err := deadline(first).Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after a malformed length: %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("ServeQEMU: %v", err)
	}
	if err := <-run; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestServeConnTellsWhyTheLinkBroke(t *testing.T) {
	n := must(New(Config{}))
	ctx, cancel := context.WithCancel(t.Context())
	run := make(chan error, 1)
	go func() { run <- n.Run(ctx) }()
	ours, theirs := net.Pipe()
	go func() { _, _ = theirs.Write([]byte{0xff, 0, 0, 0}) }()
	var bad *link.LengthError
	if err := n.ServeConn(ctx, link.Stream(ours)); !errors.As(err, &bad) {
		t.Errorf("error %v, want *link.LengthError", err)
	}
	cancel()
	<-run
}

// TestSlowMachineLosesFrames fills the queue of a machine that does not read.
func TestSlowMachineLosesFrames(t *testing.T) {
	n := must(New(Config{Limits: Limits{QueueFrames: 4}}))
	n.link.send(make([]byte, 60))
	if got := n.Stats().Drops; got.NoLink != 1 {
		t.Errorf("without a link: %+v", got)
	}
	n.link.queue.plug(true)
	for range 6 {
		n.link.send(make([]byte, 60))
	}
	if got := n.Stats().Drops; got.QueueFull != 2 {
		t.Errorf("with a full queue: %+v", got)
	}
	n.link.queue.plug(false)
}

func TestEveryFrameIsObservedOnce(t *testing.T) {
	r := newRig(t, Config{})
	before := r.n.Stats()
	for range 10 {
		must(r.g.Ping(r.ctx, guestIP, gatewayIP, []byte("ping")))
	}
	after := r.n.Stats()
	// Echoes only: the guest may also complain that a late answer of the set-up
	// found its socket closed.
	echoes := func(dir Direction, kind header.ICMPv4Type) (n int) {
		for _, ip := range r.frames.ip(dir, protoICMP) {
			if header.ICMPv4(ip.Payload()).Type() == kind {
				n++
			}
		}
		return n
	}
	in, out := echoes(FromGuest, header.ICMPv4Echo), echoes(ToGuest, header.ICMPv4EchoReply)
	if in != 10 || out != 10 || after.FromGuest.Frames-before.FromGuest.Frames < 10 {
		t.Errorf("%d echoes from the guest and %d replies to it, want 10 of each", in, out)
	}
	equal := func() bool { // at a moment when no frame is between the counter and the observer
		r.frames.mu.Lock()
		defer r.frames.mu.Unlock()
		stats := r.n.Stats()
		return uint64(len(r.frames.seen)) == stats.FromGuest.Frames+stats.ToGuest.Frames
	}
	if !networktest.WaitFor(patience, equal) {
		t.Errorf("%d frames observed, %+v counted", len(r.frames.seen), r.n.Stats())
	}
}

func TestSpoofedFramesAreDropped(t *testing.T) {
	r := newRig(t, Config{})
	if err := r.g.Send(datagram("192.168.65.1:53", "192.168.65.254:9", 1)); err != nil {
		t.Fatal(err)
	}
	if !networktest.WaitFor(patience, func() bool { return r.n.Stats().Drops.Spoofed == 1 }) {
		t.Errorf("drops %+v", r.n.Stats().Drops)
	}
	if got := r.n.Stats().UDPOut.Total; got != 0 {
		t.Errorf("%d flows", got)
	}
}

func TestDNSThroughTheStack(t *testing.T) {
	pc := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	up := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = append(m.Answer, must(dns.NewRR("mail.example. 60 IN MX 10 mx.example.")))
		_ = w.WriteMsg(m)
	})}
	started := make(chan struct{})
	up.NotifyStartedFunc = func() { close(started) }
	done := make(chan struct{})
	go func() { defer close(done); _ = up.ActivateAndServe() }()
	<-started
	defer func() { _ = up.Shutdown(); <-done }()

	r := newRig(t, Config{
		Hosts:    map[string]netip.Addr{"Registry.Internal.": hostIP},
		Resolver: resolver.Upstream{Servers: []netip.AddrPort{pc.LocalAddr().(*net.UDPAddr).AddrPort()}},
	})
	for _, tcp := range []bool{false, true} {
		var c net.Conn
		if tcp {
			c = deadline(must(r.g.DialTCP(r.ctx, containerIP, at(gatewayIP, 53))))
		} else {
			c = deadline(must(r.g.DialUDP(containerIP, at(gatewayIP, 53))))
		}
		defer c.Close()
		for name, want := range map[string]string{
			"host.docker.internal.":    "192.168.65.254",
			"gateway.docker.internal.": "192.168.65.1",
			"host.slipway.internal.":   "192.168.65.254",
			"registry.internal.":       "192.168.65.254",
		} {
			m := exchange(t, c, tcp, new(dns.Msg).SetQuestion(name, dns.TypeA))
			if len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != want {
				t.Errorf("%s: %s", name, m)
			}
		}
		if m := exchange(t, c, tcp, new(dns.Msg).SetQuestion("mail.example.", dns.TypeMX)); len(m.Answer) != 1 {
			t.Errorf("MX: %s", m)
		}
	}
	if got := r.n.Stats().DNS; got.Local != 8 || got.Forwarded != 1 || got.Cached != 1 {
		t.Errorf("stats %+v", got)
	}
}

func exchange(t *testing.T, c net.Conn, tcp bool, q *dns.Msg) *dns.Msg {
	t.Helper()
	packed := must(q.Pack())
	if tcp {
		packed = append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...)
	}
	must(c.Write(packed))
	buf := make([]byte, 65535)
	var n int
	if tcp {
		must(io.ReadFull(c, buf[:2]))
		n = must(io.ReadFull(c, buf[2:2+int(buf[0])<<8+int(buf[1])]))
		buf = buf[2:]
	} else {
		n = must(c.Read(buf))
	}
	m := new(dns.Msg)
	if err := m.Unpack(buf[:n]); err != nil || m.Id != q.Id {
		t.Fatalf("answer %x: %v", buf[:n], err)
	}
	return m
}

func TestUDPFlowEndsWhenIdle(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := &udpFlow{idle: 20 * time.Millisecond, cancel: cancel}
	spoke := time.Now().Add(50 * time.Millisecond) // after the first look at the flow
	f.last.Store(spoke.UnixNano())
	defer f.watch()()
	select {
	case <-ctx.Done():
		if early := time.Until(spoke.Add(f.idle)); early > 0 {
			t.Errorf("ended %s too early", early)
		}
	case <-time.After(patience):
		t.Error("an idle flow was not ended")
	}
}

// TestDNSSurvivesComplaints has the guest close its socket before the answer
// comes, so that the guest's kernel complains about the answer by ICMP.
func TestDNSSurvivesComplaints(t *testing.T) {
	r := newRig(t, Config{})
	query := must(new(dns.Msg).SetQuestion("host.docker.internal.", dns.TypeA).Pack())
	for port := uint16(40000); port < 40150; port++ { // a port that no socket of the guest has
		if err := r.g.Send(networktest.UDPFrame(networktest.MAC, gatewayMAC[:], at(guestIP, port), at(gatewayIP, 53), query)); err != nil {
			t.Fatal(err)
		}
	}
	complaints := func() bool { return len(r.frames.ip(FromGuest, protoICMP)) >= 20 }
	if !networktest.WaitFor(patience, complaints) {
		t.Fatalf("the guest complained %d times only", len(r.frames.ip(FromGuest, protoICMP)))
	}
	c := deadline(must(r.g.DialUDP(guestIP, at(gatewayIP, 53))))
	defer c.Close()
	if m := exchange(t, c, false, new(dns.Msg).SetQuestion("host.docker.internal.", dns.TypeA)); len(m.Answer) != 1 {
		t.Errorf("answer %s", m)
	}
}
