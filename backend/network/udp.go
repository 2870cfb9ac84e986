package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// A UDP flow ends when nothing passed for this long. DNS is a question and an
// answer, and a busy guest asks many; for the rest, RFC 4787 section 4.3 wants
// at least two minutes of a NAT but allows less for known ports, and 90 s
// outlives every keepalive in use.
const (
	udpIdle    = 90 * time.Second
	udpIdleDNS = 10 * time.Second
)

// udpFlow is one source talking to one destination, in either direction.
type udpFlow struct {
	guest  tcpip.Endpoint
	wq     *waiter.Queue
	out    io.Writer // where the guest's datagrams go
	idle   time.Duration
	last   atomic.Int64 // UnixNano of the last datagram
	cancel context.CancelFunc
}

func (f *udpFlow) touch() { f.last.Store(time.Now().UnixNano()) }

// forwardUDP takes the first datagram of a flow. It runs in the goroutine that
// reads the link, so it must not wait; returning false makes the netstack
// answer "port unreachable".
func (n *Network) forwardUDP(r *udp.ForwarderRequest) bool {
	id := r.ID()
	dst := netip.AddrPortFrom(fromTCPIP(id.LocalAddress), id.LocalPort)
	target, ok := n.destination(dst)
	if !ok {
		n.count.udpOut.failed.Add(1)
		return false
	}
	if !n.enter() {
		return true
	}
	f := &udpFlow{wq: new(waiter.Queue), idle: udpIdle}
	if dst.Port() == 53 {
		f.idle = udpIdleDNS
	}
	ctx, cancel := context.WithCancel(n.ctx)
	f.cancel = cancel
	f.touch()
	n.addUDP(f)
	done := n.count.udpOut.open()
	end := func() {
		cancel()
		done()
		n.removeUDP(f)
		n.leave()
	}
	var err tcpip.Error
	if f.guest, err = r.CreateEndpoint(f.wq); err != nil {
		end()
		return true
	}
	go func() {
		defer end()
		defer f.guest.Close()
		host, err := new(net.Dialer).DialContext(ctx, "udp", target.String())
		if err != nil {
			n.count.udpOut.failed.Add(1)
			if _, code := explain(err); code != silent {
				n.sendUnreachable(code, protoUDP, id, udpStart(id))
			}
			return
		}
		f.run(ctx, host.(*net.UDPConn), func() { n.sendUnreachable(codePort, protoUDP, id, udpStart(id)) })
	}()
	return true
}

// addUDP makes room for a flow within the limit: of a few flows, the one that
// was silent for longest gives way. Looking at a few is nearly as fair as
// looking at all, and does not make a flood expensive.
func (n *Network) addUDP(f *udpFlow) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.udp[f] = struct{}{}
	if len(n.udp) <= n.cfg.Limits.UDPFlows {
		return
	}
	var victim *udpFlow
	looked := 0
	for o := range n.udp {
		if o == f {
			continue
		}
		if victim == nil || o.last.Load() < victim.last.Load() {
			victim = o
		}
		if looked++; looked == 8 {
			break
		}
	}
	n.count.udpOut.limited.Add(1)
	delete(n.udp, victim)
	victim.cancel()
}

func (n *Network) removeUDP(f *udpFlow) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.udp, f)
}

// run moves datagrams both ways until the flow is idle or ctx ends, and closes
// the host's socket. refused is called when the host's side says that nobody
// listens there.
func (f *udpFlow) run(ctx context.Context, host *net.UDPConn, refused func()) {
	stop := context.AfterFunc(ctx, func() { host.Close() })
	defer stop()
	defer host.Close()
	f.out = host
	defer f.watch()()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer f.cancel()
		f.toGuest(ctx, host, refused)
	})
	f.toHost(ctx, refused)
	f.cancel()
	wg.Wait()
}

// watch cancels the flow once it was idle for long enough. It watches until
// stop is called.
func (f *udpFlow) watch() (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(f.idle, func() {
		mu.Lock()
		defer mu.Unlock()
		quiet := time.Since(time.Unix(0, f.last.Load()))
		if quiet >= f.idle {
			f.cancel()
		} else if timer != nil {
			timer.Reset(f.idle - quiet)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
		timer = nil
	}
}

// toHost passes on what the guest says until the flow ends.
func (f *udpFlow) toHost(ctx context.Context, refused func()) {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	f.wq.EventRegister(&entry)
	defer f.wq.EventUnregister(&entry)
	var buf lent
	defer buf.put()
	for {
		p, err := readInto(ctx, f.guest, ready, buf.get, buf.put)
		if err != nil {
			return
		}
		f.touch()
		if _, err := f.out.Write(p); errors.Is(err, econnrefused) {
			refused()
		} else if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// toGuest passes on what the host's side says until its socket is closed.
func (f *udpFlow) toGuest(ctx context.Context, host *net.UDPConn, refused func()) {
	in, err := newReader(host)
	if err != nil {
		return
	}
	var buf lent
	defer buf.put()
	for {
		p, err := in.read(&buf)
		if errors.Is(err, econnrefused) {
			refused()
			continue
		}
		if err != nil || ctx.Err() != nil {
			return
		}
		f.touch()
		writeDatagram(f.guest, p)
		buf.put()
	}
}

// writeDatagram sends p to the guest. A datagram that finds no room is lost,
// as datagrams may be.
func writeDatagram(ep tcpip.Endpoint, p []byte) {
	r := payload(p)
	_, _ = ep.Write(&r, tcpip.WriteOptions{})
}

// payload is a datagram as the netstack wants to read it.
type payload []byte

func (p *payload) Len() int { return len(*p) }

func (p *payload) Read(b []byte) (int, error) {
	n := copy(b, *p)
	*p = (*p)[n:]
	return n, nil
}

// udpStart returns the header of a datagram, as an ICMP error quotes it. The
// length and checksum, which are not known any more, are not what a sender
// looks at.
func udpStart(id stack.TransportEndpointID) [8]byte {
	return [8]byte{byte(id.RemotePort >> 8), byte(id.RemotePort), byte(id.LocalPort >> 8), byte(id.LocalPort), 0, udpLen}
}
