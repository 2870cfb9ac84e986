package ninep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Limits bound what clients can make a server hold. A zero field means its default.
type Limits struct {
	Connections int   // 512; further ones are closed at once
	MessageSize int   // MaxMessage; at most LargestMessage
	Fids        int   // 65536 a connection; then ENFILE
	Requests    int   // 2048 unanswered ones a connection; then EAGAIN
	Memory      int64 // 64 MiB of data on its way, a connection; then clients wait
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Connections, 512)
	setDefault(&l.MessageSize, MaxMessage)
	setDefault(&l.Fids, 65536)
	setDefault(&l.Requests, 2048)
	setDefault(&l.Memory, 64<<20)
	l.MessageSize = max(minMessage, min(l.MessageSize, LargestMessage))
	l.Memory = max(l.Memory, int64(l.MessageSize))
	return l
}

func setDefault[T int | int64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Server serves trees. Its fields must not change while it serves.
type Server struct {
	// NewTree makes the tree of a new connection. An error refuses the connection.
	NewTree func(c net.Conn) (Tree, error)
	Log     *slog.Logger // nil discards
	Limits  Limits

	counters counters
}

// Serve accepts connections from l until ctx ends, then closes l and all
// connections, and returns when every handler has ended. The error is nil if ctx
// ended, else why it could not go on accepting.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer func() {
		if stop() {
			l.Close()
		}
	}()

	log := s.log()
	slots := make(chan struct{}, s.Limits.withDefaults().Connections)
	var pause time.Duration
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			return nil
		}
		if err != nil {
			if !passing(err) {
				return fmt.Errorf("accept 9P connection: %w", err)
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			log.Warn("cannot accept 9P connection, waiting", "error", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		select {
		case slots <- struct{}{}:
		default:
			s.counters.noConnection.Add(1)
			log.Warn("refused 9P connection: too many", "limit", cap(slots))
			nc.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-slots }()
			if err := s.ServeConn(ctx, nc); err != nil {
				log.Info("9P connection ended", "error", err)
			}
		})
	}
}

// passing tells whether Accept may succeed later: out of descriptors, or a client
// that gave up before it was accepted.
func passing(err error) bool {
	return !errors.Is(err, net.ErrClosed) && isPassingErrno(err)
}

// ServeConn serves one connection until it or ctx ends, closes it, and returns
// when its handlers have ended. The error says what the client did wrong; it is
// nil if it went away or ctx ended.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	defer nc.Close()
	tree, err := s.NewTree(nc)
	if err != nil {
		return fmt.Errorf("make tree: %w", err)
	}
	defer tree.Close()
	s.counters.connections.Add(1)
	defer s.counters.connections.Add(-1)
	c := newConn(s, nc, tree)
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	err = c.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
