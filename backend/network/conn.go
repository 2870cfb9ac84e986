package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Keepalive of connections on both sides. It ends a connection whose peer is
// gone, never one that is merely silent; a guest that sleeps has a quarter of
// an hour to come back.
const (
	keepIdle     = time.Minute
	keepInterval = 75 * time.Second
	keepCount    = 9
)

// guestConn is the guest's side of a TCP connection.
type guestConn struct {
	*gonet.TCPConn
	ep tcpip.Endpoint
	wq *waiter.Queue
}

func newGuestConn(wq *waiter.Queue, ep tcpip.Endpoint) *guestConn {
	opts := ep.SocketOptions()
	opts.SetDelayOption(false)
	opts.SetKeepAlive(true)
	idle, interval := tcpip.KeepaliveIdleOption(keepIdle), tcpip.KeepaliveIntervalOption(keepInterval)
	_ = ep.SetSockOpt(&idle) // on a connection that has just ended these fail, and do not matter
	_ = ep.SetSockOpt(&interval)
	_ = ep.SetSockOptInt(tcpip.KeepaliveCountOption, keepCount)
	return &guestConn{TCPConn: gonet.NewTCPConn(wq, ep), ep: ep, wq: wq}
}

// abort resets the connection.
func (c *guestConn) abort() { c.ep.Abort() }

// DialGuest opens a TCP connection to the machine or to anything behind it,
// from the gateway's address. The connection is a net.Conn with CloseWrite.
// Errors are *net.OpError around a syscall.Errno where the guest told why.
func (n *Network) DialGuest(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	if err := n.ready(ctx); err != nil {
		return nil, err
	}
	if !n.enter() {
		return nil, ErrStopped
	}
	defer n.leave()
	c, err := n.dialGuest(ctx, addr)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (n *Network) dialGuest(ctx context.Context, addr netip.AddrPort) (*guestConn, error) {
	fail := func(err error) (*guestConn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: err}
	}
	if !addr.Addr().Unmap().Is4() {
		return fail(errors.New("only IPv4 addresses are behind the machine"))
	}
	var wq waiter.Queue
	ep, terr := n.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &wq)
	if terr != nil {
		return fail(errno(terr))
	}
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	terr = ep.Connect(tcpip.FullAddress{NIC: nicID, Addr: toTCPIP(addr.Addr().Unmap()), Port: addr.Port()})
	if _, started := terr.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ready:
			terr = ep.LastError()
		case <-ctx.Done():
			ep.Abort()
			return fail(context.Cause(ctx))
		case <-n.ctx.Done():
			ep.Abort()
			return fail(ErrStopped)
		}
	}
	if terr != nil {
		ep.Close()
		return fail(errno(terr))
	}
	return newGuestConn(&wq, ep), nil
}

// errno translates a netstack error into the one that the host's own sockets
// would give.
func errno(err tcpip.Error) error {
	switch err.(type) {
	case *tcpip.ErrConnectionRefused:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case *tcpip.ErrHostUnreachable:
		return os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	case *tcpip.ErrNetworkUnreachable:
		return os.NewSyscallError("connect", syscall.ENETUNREACH)
	case *tcpip.ErrTimeout:
		return os.NewSyscallError("connect", syscall.ETIMEDOUT)
	case *tcpip.ErrConnectionReset, *tcpip.ErrAborted, *tcpip.ErrConnectionAborted:
		return os.NewSyscallError("connect", syscall.ECONNRESET)
	}
	return errors.New(err.String())
}

// readInto reads once from the guest's end of a flow. While there is nothing
// to read it holds no buffer: get is called when there is. It returns io.EOF
// when the guest has said its last, and ctx's error when ctx ends.
func readInto(ctx context.Context, ep tcpip.Endpoint, ready <-chan struct{}, get func() []byte, put func()) ([]byte, error) {
	for {
		w := tcpip.SliceWriter(get())
		buf := []byte(w)
		res, err := ep.Read(&w, tcpip.ReadOptions{})
		switch err.(type) {
		case nil:
			return buf[:res.Count], nil
		case *tcpip.ErrWouldBlock:
		case *tcpip.ErrClosedForReceive:
			return nil, io.EOF
		default:
			return nil, errno(err)
		}
		put()
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
