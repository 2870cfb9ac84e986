package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// dialTime bounds a connection attempt on the host. It is shorter than the
// guest's own patience, which is about two minutes: a guest that still waits
// sends its SYN again, and that starts a new attempt.
const dialTime = 30 * time.Second

// metadata is where clouds hand credentials to whoever asks.
var metadata = netip.AddrFrom4([4]byte{169, 254, 169, 254})

// destination returns where on the host's side a guest's destination is
// reached. ok is false if it must not be reached, or nobody is there.
func (n *Network) destination(dst netip.AddrPort) (netip.AddrPort, bool) {
	a := dst.Addr()
	if a == n.cfg.Gateway || a == metadata && !n.cfg.AllowMetadata {
		return netip.AddrPort{}, false
	}
	return n.alias(dst), true
}

// hostAlias leads the host's alias to the host's loopback interface.
func (n *Network) hostAlias(a netip.AddrPort) netip.AddrPort {
	if a.Addr() == n.cfg.Host {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return a
}

// tcpHandler returns the handler of segments that belong to no connection. It
// keeps the start of each SYN, which an ICMP error about it has to quote.
func (n *Network) tcpHandler(f *tcp.Forwarder) func(stack.TransportEndpointID, *stack.PacketBuffer) bool {
	return func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		head := header.TCP(pkt.TransportHeader().Slice())
		if fromTCPIP(id.LocalAddress) == n.cfg.Gateway || head.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
			return false // the netstack answers with a reset
		}
		n.mu.Lock()
		_, again := n.pending[id]
		full := len(n.pending) >= n.cfg.Limits.TCPPending
		if !again && !full {
			n.pending[id] = [8]byte(head)
		}
		n.mu.Unlock()
		switch {
		case again:
			return true // the attempt is under way
		case full:
			n.count.tcpOut.limited.Add(1)
			return true // the guest will try again
		}
		if !f.HandlePacket(id, pkt) {
			n.forget(id)
			return false
		}
		return true
	}
}

func (n *Network) forget(id stack.TransportEndpointID) (start [8]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	start = n.pending[id]
	delete(n.pending, id)
	return start
}

// forwardTCP decides about one SYN. It runs in a goroutine of its own.
func (n *Network) forwardTCP(r *tcp.ForwarderRequest) {
	id := r.ID()
	if !n.enter() {
		r.Complete(false)
		n.forget(id)
		return
	}
	defer n.leave()
	c := &n.count.tcpOut
	target, ok := n.destination(netip.AddrPortFrom(fromTCPIP(id.LocalAddress), id.LocalPort))
	if !ok {
		c.failed.Add(1)
		n.finish(r, true)
		return
	}
	if n.tcpFull() {
		c.limited.Add(1)
		n.finish(r, true)
		return
	}
	defer c.open()()
	host, err := n.dialHost(n.ctx, target)
	if err != nil {
		c.failed.Add(1)
		reset, code := explain(err)
		start := n.finish(r, reset)
		if code != silent {
			n.sendUnreachable(code, protoTCP, id, start)
		}
		return
	}
	wq := new(waiter.Queue)
	ep, terr := r.CreateEndpoint(wq)
	n.finish(r, false)
	if terr != nil {
		c.failed.Add(1)
		host.Close()
		return
	}
	relay(n.ctx, newGuestConn(wq, ep), host, nil)
}

// finish ends a request, with a reset if the guest should know at once that it
// failed. It returns the start of the SYN.
func (n *Network) finish(r *tcp.ForwarderRequest, reset bool) [8]byte {
	id := r.ID()
	r.Complete(reset)
	return n.forget(id)
}

// tcpFull says whether one more connection would pass the limit.
func (n *Network) tcpFull() bool {
	return n.count.tcpOut.active.Load()+n.count.tcpIn.active.Load() >= int64(n.cfg.Limits.TCPConns)
}

func (n *Network) dialHost(ctx context.Context, target netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: dialTime, KeepAliveConfig: hostKeepAlive}
	c, err := d.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

var hostKeepAlive = net.KeepAliveConfig{Enable: true, Idle: keepIdle, Interval: keepInterval, Count: keepCount}

// ICMP codes of "destination unreachable" (RFC 792, RFC 1812).
const (
	codeNet        = 0
	codeHost       = 1
	codePort       = 3
	codeProhibited = 13
	silent         = 255 // none: say nothing
)

// explain maps a failed attempt to what a router on the way would have told
// the guest: a reset, an ICMP error, or nothing when nothing came back.
func explain(err error) (reset bool, code uint8) {
	var timeout net.Error
	switch {
	case errors.Is(err, econnrefused):
		return true, silent
	case errors.Is(err, ehostunreach):
		return false, codeHost
	case errors.Is(err, enetunreach):
		return false, codeNet
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return false, codeProhibited
	case errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return false, silent
	}
	return true, silent
}

// meter counts the bytes of a published port's connections. A nil meter
// counts nothing.
type meter struct{ in, out atomic.Uint64 }

func (m *meter) fromGuest(n int) {
	if m != nil {
		m.out.Add(uint64(n))
	}
}

func (m *meter) toGuest(n int) {
	if m != nil {
		m.in.Add(uint64(n))
	}
}
