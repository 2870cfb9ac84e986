// Package channel makes one ordered byte stream between host and guest into many:
// a handshake that finds its place in a stream with leftovers (handshake.go), then a
// multiplexer whose streams name the service they speak, carry bounded JSON messages
// or, as a Conn, raw bytes with a half-close in each direction.
//
// It knows no service; packages guest (the host's side) and serve (the agent's) do.
//
// The multiplexer is hashicorp/yamux behind a guard (guard.go), because yamux trusts
// its peer more than a guest deserves: each ping it receives costs a goroutine. All
// streams are opened by the host, so the guest cannot make the host hold more than
// one receive window for each stream the host itself wanted.
package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

const (
	// Keepalive finds a peer that is gone although the byte stream is not. The
	// times allow for a machine under software emulation on a loaded host.
	keepaliveInterval = 10 * time.Second
	writeTimeout      = 20 * time.Second
	// A stream that this side closed entirely and the other did not.
	closeTimeout = 30 * time.Second
	// Streams being opened at one time.
	backlog = 64
	window  = 256 << 10
	// Lines that yamux may log in one session; a hostile peer can cause any number.
	maxLogLines = 32
)

// A Mux is one session on a byte stream. It holds the stream until Close.
type Mux struct {
	yamux *yamux.Session
	guard *guard
}

// Host shakes hands with the guest on conn and returns the host's end of the session.
// It waits for the guest until ctx ends, closes conn when it fails, and owns it
// otherwise. Closing conn must end a Read or Write in progress.
func Host(ctx context.Context, conn io.ReadWriteCloser, log *slog.Logger) (*Mux, error) {
	return open(ctx, conn, log, true)
}

// Guest is Host for the guest's end.
func Guest(ctx context.Context, conn io.ReadWriteCloser, log *slog.Logger) (*Mux, error) {
	return open(ctx, conn, log, false)
}

func open(ctx context.Context, conn io.ReadWriteCloser, log *slog.Logger, host bool) (*Mux, error) {
	synced, err := handshake(ctx, conn)
	if err != nil {
		return nil, err
	}
	g := &guard{ReadWriteCloser: synced, refuseOpen: host, now: time.Now}
	config := &yamux.Config{
		AcceptBacklog:          backlog,
		EnableKeepAlive:        true,
		KeepAliveInterval:      keepaliveInterval,
		ConnectionWriteTimeout: writeTimeout,
		MaxStreamWindowSize:    window,
		StreamOpenTimeout:      writeTimeout,
		StreamCloseTimeout:     closeTimeout,
		Logger:                 &yamuxLog{log: log},
	}
	m := &Mux{guard: g}
	if host {
		m.yamux, err = yamux.Client(g, config)
	} else {
		m.yamux, err = yamux.Server(g, config)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("start multiplexer: %w", err)
	}
	return m, nil
}

// Open begins a stream of the named service and waits until the other side agreed.
// When it refused, the error is a *Refusal.
func (m *Mux) Open(ctx context.Context, service string) (*Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	y, err := m.yamux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("open %s stream: %w", service, err)
	}
	s := &Stream{y: y}
	err = s.Do(ctx, func() error { return s.request(service) })
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open %s stream: %w", service, err)
	}
	return s, nil
}

// Accept waits for the host to open a stream. Its Service must be called next.
func (m *Mux) Accept() (*Stream, error) {
	y, err := m.yamux.AcceptStream()
	if err != nil {
		return nil, err
	}
	return &Stream{y: y}, nil
}

// Done is closed when the session has ended.
func (m *Mux) Done() <-chan struct{} { return m.yamux.CloseChan() }

// Err says why the session ended, once it has: nil when this side closed it.
func (m *Mux) Err() error {
	if err := m.guard.err(); err != nil {
		return err
	}
	_, err := m.yamux.AcceptStream() // a session that ended returns its reason at once
	switch {
	case errors.Is(err, yamux.ErrSessionShutdown):
		return nil
	case errors.Is(err, yamux.ErrKeepAliveTimeout):
		return fmt.Errorf("the other side stopped answering: %w", err)
	}
	return err
}

// Close ends the session and every stream, and closes the byte stream.
func (m *Mux) Close() error { return m.yamux.Close() }

// yamuxLog passes a bounded number of yamux's lines on, as debug messages: whatever
// matters also arrives as an error.
type yamuxLog struct {
	log   *slog.Logger
	lines atomic.Int32
}

func (l *yamuxLog) Print(v ...any) { l.line(fmt.Sprint(v...)) }

func (l *yamuxLog) Printf(format string, v ...any) {
	if l.lines.Load() < maxLogLines {
		l.line(fmt.Sprintf(format, v...))
	}
}

func (l *yamuxLog) Println(v ...any) { l.line(fmt.Sprint(v...)) }

func (l *yamuxLog) line(text string) {
	if l.lines.Add(1) <= maxLogLines {
		l.log.Debug("guest channel", "yamux", strings.TrimSpace(text))
	}
}
