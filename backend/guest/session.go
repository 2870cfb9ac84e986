package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest/channel"
)

const (
	// The guest's clock runs away from the host's under emulation, and stands still
	// while the machine does.
	timeEvery = 5 * time.Minute
	// callTimeout bounds one question to the agent.
	callTimeout = 15 * time.Second
)

// Options is what the host does for the guest.
type Options struct {
	// Expose makes a port of the host lead to a container, and returns the request
	// as granted: a HostPort of 0 becomes the one chosen. Its error is what
	// `docker run` prints. The wildcard :: means IPv6 only, since Docker asks for
	// 0.0.0.0 as well.
	Expose func(ctx context.Context, port PortRequest) (PortRequest, error)
	// Unexpose takes back what Expose granted: its proxy in the guest ended, or the
	// session did.
	Unexpose func(port PortRequest)
	Log      *slog.Logger // nil discards
}

// A Session is the host's end of the channel to one running agent. Its methods may
// be called at any time, also before Run; once the session has ended they fail.
type Session struct {
	mux    *channel.Mux
	opts   Options
	log    *slog.Logger
	closed atomic.Bool // by this side

	mu    sync.Mutex
	over  bool           // no more tasks
	tasks sync.WaitGroup // goroutines of Run, WatchFacts and Stats
	facts Facts
	heard bool          // facts holds something
	news  chan struct{} // closed and replaced when facts change
}

// Connect waits for the agent on conn until ctx ends, and begins a session, which
// holds conn until Close or the end of Run. When it fails, conn is closed. An agent
// of another version is an error that matches channel.ErrVersion.
func Connect(ctx context.Context, conn io.ReadWriteCloser, opts Options) (*Session, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	mux, err := channel.Host(ctx, conn, opts.Log)
	if err != nil {
		return nil, fmt.Errorf("connect to the guest's agent: %w", err)
	}
	return &Session{mux: mux, opts: opts, log: opts.Log, news: make(chan struct{})}, nil
}

// Run keeps the facts up to date, sets the guest's clock now and again, and answers
// the guest's requests for ports. It returns nil when ctx ended or Close was called,
// and the reason when the guest ended the session; either way the session is over,
// all its ports are taken back, and all that it started has ended. Call it once.
func (s *Session) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	failed := make(chan error, 3)
	for _, task := range []func(context.Context) error{s.followFacts, s.servePorts, s.keepTime} {
		s.start(func() { failed <- task(ctx) })
	}

	var err error
	select {
	case err = <-failed:
	case <-s.mux.Done():
	}
	quit := s.closed.Load() || ctx.Err() != nil
	_ = s.mux.Close()
	if reason := s.mux.Err(); reason != nil {
		err = reason
	}
	stop()
	cancel()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.tasks.Wait()
	if quit {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the guest closed it")
	}
	return fmt.Errorf("channel to the guest's agent: %w", err)
}

// Close ends the session. Run, when it runs, returns soon after.
func (s *Session) Close() error {
	s.closed.Store(true)
	return s.mux.Close()
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.mux.Done() }

// start runs f as a task that Run waits for, unless the session is over.
func (s *Session) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.tasks.Go(f)
	return true
}

// keepTime sets the guest's clock until ctx ends.
func (s *Session) keepTime(ctx context.Context) error {
	tick := time.NewTicker(timeEvery)
	defer tick.Stop()
	for {
		if err := s.SetTime(ctx, time.Now()); err != nil && ctx.Err() == nil {
			select {
			case <-s.mux.Done(): // said elsewhere
			default:
				s.log.Warn("cannot set the guest's clock", "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Ping returns the time a message takes to the agent and back.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	var rtt time.Duration
	err := s.call(ctx, ServicePing, func(st *channel.Stream) error {
		start := time.Now()
		sent := PingMessage{N: uint64(start.UnixNano())}
		var got PingMessage
		if err := errors.Join(st.Send(sent), st.Receive(&got)); err != nil {
			return err
		}
		rtt = time.Since(start)
		if got != sent {
			return errors.New("the agent answers with another number")
		}
		return nil
	})
	return rtt, err
}

// SetTime sets the guest's clock to t, unless it is right within some milliseconds.
func (s *Session) SetTime(ctx context.Context, t time.Time) error {
	return s.ask(ctx, ServiceTime, TimeMessage{Time: t})
}

// Shutdown asks the agent to end the machine in good order, and returns when it has
// agreed; the session then ends by itself when the machine does.
func (s *Session) Shutdown(ctx context.Context) error {
	return s.ask(ctx, ServiceShutdown, nil)
}

// DialDocker connects to dockerd's socket in the guest. The connection keeps
// half-closes, see channel.Conn.
func (s *Session) DialDocker(ctx context.Context) (*channel.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	st, err := s.mux.Open(ctx, ServiceDocker)
	if err != nil {
		return nil, err
	}
	return st.Conn(), nil
}

// ask sends question, when there is one, and waits for the Reply.
func (s *Session) ask(ctx context.Context, service string, question any) error {
	return s.call(ctx, service, func(st *channel.Stream) error {
		if question != nil {
			if err := st.Send(question); err != nil {
				return err
			}
		}
		var reply Reply
		if err := st.Receive(&reply); err != nil {
			return err
		}
		if reply.Error != "" {
			return errors.New(plain(reply.Error, channel.MaxText))
		}
		return nil
	})
}

// call opens a stream for one question and its answer.
func (s *Session) call(ctx context.Context, service string, f func(*channel.Stream) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	st, err := s.mux.Open(ctx, service)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := st.Do(ctx, func() error { return f(st) }); err != nil {
		return fmt.Errorf("guest %s: %w", service, err)
	}
	return nil
}
