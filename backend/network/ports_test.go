package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/slipway-desktop/slipway/backend/network/networktest"
)

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

func TestRefusalsSayWhatToDo(t *testing.T) {
	want := Forward{Proto: "tcp", Host: at(loopback, 80)}
	var denied *DeniedError
	err := refusal(want, os.NewSyscallError("bind", syscall.EACCES))
	if !errors.As(err, &denied) || !errors.Is(err, syscall.EACCES) {
		t.Errorf("error %v", err)
	}
	for system, hint := range map[string]string{
		"linux":   "sudo sysctl net.ipv4.ip_unprivileged_port_start=80",
		"darwin":  "from 1024 up",
		"windows": "excludedportrange",
	} {
		if got := deniedHint(system, 80); !strings.Contains(got, hint) {
			t.Errorf("%s: %q", system, got)
		}
	}
	if got := (&TakenError{Addr: want.Host}).Error(); !strings.Contains(got, "port 80") || !strings.Contains(got, "cannot be named") {
		t.Errorf("unknown holder: %q", got)
	}
}

func TestFailedDialsAreExplained(t *testing.T) {
	for _, c := range []struct {
		err   error
		reset bool
		code  uint8
	}{
		{econnrefused, true, silent},
		{ehostunreach, false, codeHost},
		{enetunreach, false, codeNet},
		{syscall.EACCES, false, codeProhibited},
		{os.ErrDeadlineExceeded, false, silent},
		{syscall.EMFILE, true, silent},
	} {
		if reset, code := explain(&net.OpError{Op: "dial", Err: c.err}); reset != c.reset || code != c.code {
			t.Errorf("%v: reset %v, code %d", c.err, reset, code)
		}
	}
}
