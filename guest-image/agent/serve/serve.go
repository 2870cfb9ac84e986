//go:build linux

// Package serve is the guest's end of the engine's private channel: it tells the
// host what the machine is and does, carries connections to dockerd, and asks the
// host for the ports that containers publish. PID 1 runs it for as long as the
// machine lives; the host may go and come back any number of times meanwhile.
//
// The protocol and its messages are packages guest's and channel's. The host is
// trusted here, since it owns the machine.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/guest/channel"
)

// Config is what PID 1 lends to the channel.
type Config struct {
	// Open opens the device of the channel. It is called again after each session
	// and after each failure, at most twice a second. Closing what it returns must
	// end a Read or Write in progress; for a virtio port that means a file in
	// non-blocking mode.
	Open func(ctx context.Context) (io.ReadWriteCloser, error)
	// Facts returns the present facts; it is called at the start of a session and
	// after each receive from Changed, by any goroutine.
	Facts   func() guest.Facts
	Changed <-chan struct{}
	// PowerOff starts the machine's orderly end and returns at once. It may be
	// called more than once.
	PowerOff func()
	SetTime  func(time.Time) error
	// DockerSocket is dockerd's Unix socket, ProxySocket the one on which ProxyMain's
	// processes find this agent ("" for DefaultProxySocket), DataDir the mount point
	// of the data disk.
	DockerSocket string
	ProxySocket  string
	DataDir      string
	// HostAway, when set, is called each time the host, having been there, has
	// stayed away for 60 s.
	HostAway func()
	Log      *slog.Logger // nil discards
}

const (
	awayAfter  = time.Minute
	retryFirst = 20 * time.Millisecond
	retryLast  = 500 * time.Millisecond
)

type server struct {
	Config
	ports     *book
	host      chan bool // the host came or went
	awayAfter time.Duration
	timeSlack time.Duration

	mu   sync.Mutex
	news chan struct{} // closed and replaced when facts change
}

// Run serves the host until ctx ends, and returns when all that it started has ended.
// It fails only when it cannot begin: ProxySocket cannot be made.
func Run(ctx context.Context, cfg Config) error {
	return newServer(cfg).run(ctx)
}

func newServer(cfg Config) *server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.ProxySocket == "" {
		cfg.ProxySocket = DefaultProxySocket
	}
	s := &server{Config: cfg, host: make(chan bool), awayAfter: awayAfter, timeSlack: timeSlack, news: make(chan struct{})}
	s.ports = newBook(cfg.Log, s.announce)
	return s
}

func (s *server) run(ctx context.Context) error {
	listener, err := listenProxies(s.ProxySocket)
	if err != nil {
		return err
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { s.ports.serveProxies(ctx, listener) })
	tasks.Go(func() { s.watchChanges(ctx) })
	tasks.Go(func() { s.watchHost(ctx) })
	s.serveHosts(ctx)
	tasks.Wait()
	return nil
}

// serveHosts holds one session after the other until ctx ends.
func (s *server) serveHosts(ctx context.Context) {
	wait := retryFirst
	said := ""
	for ctx.Err() == nil {
		met, err := s.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if met {
			wait, said = retryFirst, ""
			s.Log.Info("host went away", "reason", err)
		} else if err != nil && !errors.Is(err, io.EOF) && err.Error() != said {
			said = err.Error()
			s.Log.Warn("cannot reach the host", "error", err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, retryLast)
	}
}

// session opens the channel and serves it until it ends; met tells whether there was
// a host at the other end.
func (s *server) session(ctx context.Context) (met bool, err error) {
	conn, err := s.Open(ctx)
	if err != nil {
		return false, fmt.Errorf("open channel: %w", err)
	}
	mux, err := channel.Guest(ctx, conn, s.Log)
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = mux.Close() })
	defer stop()
	s.tell(ctx, true)
	defer s.tell(ctx, false)

	ctx, cancel := context.WithCancel(ctx)
	var streams sync.WaitGroup
	for {
		st, err := mux.Accept()
		if err != nil {
			break
		}
		streams.Go(func() { s.serve(ctx, st) })
	}
	cancel()
	_ = mux.Close()
	streams.Wait()
	return true, mux.Err()
}

func (s *server) tell(ctx context.Context, present bool) {
	select {
	case s.host <- present:
	case <-ctx.Done():
	}
}

// watchHost calls HostAway when the host stays away.
func (s *server) watchHost(ctx context.Context) {
	var timeout <-chan time.Time
	for {
		select {
		case present := <-s.host:
			timeout = nil
			if !present {
				timeout = time.After(s.awayAfter)
			}
		case <-timeout:
			timeout = nil
			if s.HostAway != nil {
				s.HostAway()
			}
		case <-ctx.Done():
			return
		}
	}
}

// watchChanges announces the changes that PID 1 tells of.
func (s *server) watchChanges(ctx context.Context) {
	changed := s.Changed
	for {
		select {
		case _, open := <-changed:
			if !open {
				changed = nil
			}
			s.announce()
		case <-ctx.Done():
			return
		}
	}
}

// announce wakes all that wait for news.
func (s *server) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

// facts returns the present facts and a channel that is closed when they change.
func (s *server) facts() (guest.Facts, <-chan struct{}) {
	s.mu.Lock()
	news := s.news
	s.mu.Unlock()
	f := s.Facts()
	if p := s.ports.problem(); p != "" {
		if f.Problem != "" {
			f.Problem += "\n"
		}
		f.Problem += p
	}
	return f, news
}
