package network

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// relayBuffer is how much one turn of a relay moves. It is what a host socket
// usually has ready when data flows, and four frames of the largest MTU.
const relayBuffer = 256 << 10

var relayBuffers = sync.Pool{New: func() any { b := make([]byte, relayBuffer); return &b }}

// lent is a buffer borrowed from the pool while there is something to put in
// it, so that idle flows hold none. It belongs to one goroutine.
type lent struct{ b *[]byte }

func (l *lent) get() []byte {
	if l.b == nil {
		l.b = relayBuffers.Get().(*[]byte)
	}
	return *l.b
}

func (l *lent) put() {
	if l.b != nil {
		relayBuffers.Put(l.b)
		l.b = nil
	}
}

// relay joins the two sides of a connection until both directions have ended,
// or ctx has. The end of one direction is passed on and leaves the other
// open; a side that breaks takes the other with it, as a reset.
func relay(ctx context.Context, guest *guestConn, host *net.TCPConn, m *meter) {
	ctx, cancel := context.WithCancel(ctx)
	abort := sync.OnceFunc(func() {
		cancel()
		guest.abort()
		_ = host.SetLinger(0)
		host.Close()
	})
	stop := context.AfterFunc(ctx, abort)
	var wg sync.WaitGroup
	wg.Go(func() {
		if toHost(ctx, host, guest, m) != nil {
			abort()
		}
	})
	if toGuest(ctx, guest, host, m) != nil {
		abort()
	}
	wg.Wait()
	if stop() { // nothing broke
		cancel()
		guest.Close()
		host.Close()
	}
}

// toHost copies what the guest sends until its end of stream, and passes that
// on.
func toHost(ctx context.Context, host *net.TCPConn, guest *guestConn, m *meter) error {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	guest.wq.EventRegister(&entry)
	defer guest.wq.EventUnregister(&entry)
	var buf lent
	defer buf.put()
	for {
		p, err := readInto(ctx, guest.ep, ready, buf.get, buf.put)
		if err == io.EOF {
			return host.CloseWrite()
		}
		if err != nil {
			return err
		}
		guest.ep.ModerateRecvBuf(len(p))
		m.fromGuest(len(p))
		if _, err := host.Write(p); err != nil {
			return err
		}
	}
}

// toGuest copies what the host sends until its end of stream, and passes that
// on.
func toGuest(ctx context.Context, guest *guestConn, host *net.TCPConn, m *meter) error {
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	guest.wq.EventRegister(&entry)
	defer guest.wq.EventUnregister(&entry)
	in, err := newReader(host)
	if err != nil {
		return err
	}
	var buf lent
	defer buf.put()
	for {
		p, err := in.read(&buf)
		if err != nil {
			return err
		}
		if len(p) == 0 {
			return guest.CloseWrite()
		}
		m.toGuest(len(p))
		if err := writeAll(ctx, guest.ep, ready, p); err != nil {
			return err
		}
	}
}

// writeAll writes p to the guest, waiting for room as often as it takes.
func writeAll(ctx context.Context, ep tcpip.Endpoint, ready <-chan struct{}, p []byte) error {
	var r bytes.Reader
	for len(p) > 0 {
		r.Reset(p)
		n, err := ep.Write(&r, tcpip.WriteOptions{})
		p = p[n:]
		switch err.(type) {
		case nil:
			continue
		case *tcpip.ErrWouldBlock:
		default:
			return errno(err)
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
