package network

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// acceptPause is how long accepting rests after an error that is not the end,
// such as too many open files.
const acceptPause = 100 * time.Millisecond

// serveTCP accepts connections and relays them until ctx ends.
func (f *forward) serveTCP(ctx context.Context, l *net.TCPListener) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := l.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return
		}
		if err != nil {
			f.n.cfg.Log.Warn("published port cannot accept", "forward", f.ID, "error", err)
			pause(ctx, acceptPause)
			continue
		}
		conns.Go(func() { f.connect(ctx, c) })
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// connect relays one connection. If the guest does not take it, the client is
// reset: its connection was made by the kernel already, so that is the nearest
// to a refusal.
func (f *forward) connect(ctx context.Context, c *net.TCPConn) {
	count := &f.n.count.tcpIn
	if f.n.tcpFull() {
		count.limited.Add(1)
		_ = c.SetLinger(0)
		c.Close()
		return
	}
	defer count.open()()
	f.conns.Add(1)
	f.active.Add(1)
	defer f.active.Add(-1)
	dial, cancel := context.WithTimeout(ctx, dialTime)
	guest, err := f.n.dialGuest(dial, f.Guest)
	cancel()
	if err != nil {
		count.failed.Add(1)
		_ = c.SetLinger(0)
		c.Close()
		return
	}
	relay(ctx, guest, c, &f.meter)
}

// client is one sender to a published UDP port, and where answers to it go.
type client struct {
	f    *forward
	pc   *net.UDPConn
	addr netip.AddrPort
}

func (c client) Write(p []byte) (int, error) {
	c.f.meter.fromGuest(len(p))
	return c.pc.WriteToUDPAddrPort(p, c.addr)
}

// clients are the flows of one published UDP port.
type clients struct {
	f     *forward
	mu    sync.Mutex
	flows map[netip.AddrPort]*udpFlow
	work  sync.WaitGroup
}

// serveUDP passes datagrams on until ctx ends, each client's from a source
// port of its own. On a wildcard address the answers leave from the address
// that the host's routes choose.
func (f *forward) serveUDP(ctx context.Context, pc *net.UDPConn) {
	stop := context.AfterFunc(ctx, func() { pc.Close() })
	defer stop()
	defer pc.Close()
	c := clients{f: f, flows: map[netip.AddrPort]*udpFlow{}}
	defer c.work.Wait()
	buf := make([]byte, 64<<10)
	for {
		size, from, err := pc.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return
		}
		if err != nil { // on some systems, an ICMP error about an earlier answer
			pause(ctx, time.Millisecond)
			continue
		}
		if flow := c.flow(ctx, pc, from); flow != nil {
			flow.touch()
			f.meter.toGuest(size)
			writeDatagram(flow.guest, buf[:size])
		}
	}
}

// flow returns a client's flow, making one for a new client. It returns nil if
// there are too many.
func (c *clients) flow(ctx context.Context, pc *net.UDPConn, from netip.AddrPort) *udpFlow {
	c.mu.Lock()
	defer c.mu.Unlock()
	if flow := c.flows[from]; flow != nil {
		return flow
	}
	count := &c.f.n.count.udpIn
	if len(c.flows) >= c.f.n.cfg.Limits.ForwardFlows {
		count.limited.Add(1)
		return nil
	}
	flow := &udpFlow{wq: new(waiter.Queue), idle: udpIdle, out: client{c.f, pc, from}}
	var err tcpip.Error
	if flow.guest, err = c.f.n.stack.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, flow.wq); err == nil {
		to := tcpip.FullAddress{NIC: nicID, Addr: toTCPIP(c.f.Guest.Addr()), Port: c.f.Guest.Port()}
		if err = flow.guest.Connect(to); err != nil {
			flow.guest.Close()
		}
	}
	if err != nil {
		count.failed.Add(1)
		return nil
	}
	ctx, flow.cancel = context.WithCancel(ctx)
	flow.touch()
	c.flows[from] = flow
	c.f.conns.Add(1)
	c.f.active.Add(1)
	done := count.open()
	c.work.Go(func() {
		defer done()
		defer c.f.active.Add(-1)
		defer flow.guest.Close()
		defer flow.cancel()
		defer flow.watch()()
		flow.toHost(ctx, func() {})
		c.mu.Lock()
		delete(c.flows, from)
		c.mu.Unlock()
	})
	return flow
}
