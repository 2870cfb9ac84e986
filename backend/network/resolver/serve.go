package resolver

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	maxStreams = 64               // TCP connections from guests at once
	streamIdle = 10 * time.Second // between two questions on one of them

	// maxFailures is how many errors in a row a socket may give before it
	// counts as broken. A single one may be no more than a guest's complaint
	// about an earlier answer, and must not end the service.
	maxFailures = 100
)

// ServePacket answers the questions that come to a datagram socket until ctx
// ends, then closes it and returns when no answer is being prepared any more.
func (r *Resolver) ServePacket(ctx context.Context, pc net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { pc.Close() })
	defer stop()
	defer pc.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	busy := make(chan struct{}, cap(r.pending))
	buf := make([]byte, 65535)
	for failures := 0; ; {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			if failures++; ctx.Err() != nil || failures > maxFailures {
				return ended(ctx, err)
			}
			continue
		}
		failures = 0
		select {
		case busy <- struct{}{}:
		default: // a flood: those that come in excess hear so at once
			r.refused.Add(1)
			if n >= headerLen && buf[2]&flagResponse == 0 {
				_, _ = pc.WriteTo(failure(buf[:n], rcodeServFail), from)
			}
			continue
		}
		query := append([]byte(nil), buf[:n]...)
		wg.Go(func() {
			defer func() { <-busy }()
			if answer := r.Answer(ctx, query, false); answer != nil {
				_, _ = pc.WriteTo(answer, from) // the guest asks again if it is lost
			}
		})
	}
}

// ServeStream is ServePacket for DNS over TCP.
func (r *Resolver) ServeStream(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	busy := make(chan struct{}, maxStreams)
	for failures := 0; ; {
		c, err := l.Accept()
		if err != nil {
			if failures++; ctx.Err() != nil || failures > maxFailures {
				return ended(ctx, err)
			}
			continue
		}
		failures = 0
		select {
		case busy <- struct{}{}:
		default:
			r.refused.Add(1)
			c.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-busy }()
			r.stream(ctx, c)
		})
	}
}

func (r *Resolver) stream(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for ctx.Err() == nil {
		_ = c.SetReadDeadline(time.Now().Add(streamIdle))
		query, err := readStream(c)
		if err != nil {
			return
		}
		answer := r.Answer(ctx, query, true)
		if answer == nil {
			return
		}
		_ = c.SetWriteDeadline(time.Now().Add(streamIdle))
		if writeStream(c, answer) != nil {
			return
		}
	}
}

// ended turns the error of a socket that was closed because ctx ended into
// that cause.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
