//go:build linux

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/guest/channel"
)

const (
	statsEvery = time.Second
	// timeSlack is how wrong the clock may be before it is set: less is within what
	// the message takes on a loaded host, and a clock that jumps harms programs more.
	timeSlack = 20 * time.Millisecond
)

// serve answers one stream until it or ctx ends.
func (s *server) serve(ctx context.Context, st *channel.Stream) {
	defer st.Close()
	name, err := st.Service()
	if err != nil {
		s.Log.Debug("stream without a service", "error", err)
		return
	}
	if name == guest.ServiceDocker {
		s.serveDocker(ctx, st)
		return
	}
	f, known := map[string]func(context.Context, *channel.Stream) error{
		guest.ServiceFacts:    s.serveFacts,
		guest.ServiceStats:    s.serveStats,
		guest.ServiceTime:     s.serveTime,
		guest.ServicePing:     s.servePing,
		guest.ServiceShutdown: s.serveShutdown,
		guest.ServicePorts:    s.ports.serveHost,
	}[name]
	if !known {
		_ = st.Refuse(fmt.Errorf("the machine's agent has no service %.40q: its image is older than the engine", name))
		return
	}
	if err := st.Accept(); err != nil {
		return
	}
	// The host ends a stream by closing it, so that its end is no news.
	if err := f(ctx, st); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		s.Log.Debug("stream ended", "service", name, "error", err)
	}
}

func (s *server) serveFacts(ctx context.Context, st *channel.Stream) error {
	gone := closedByHost(st)
	defer func() { _ = st.Close(); <-gone }()
	for {
		facts, news := s.facts()
		if err := st.Send(facts); err != nil {
			return err
		}
		select {
		case <-news:
		case <-gone:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *server) serveStats(ctx context.Context, st *channel.Stream) error {
	gone := closedByHost(st)
	defer func() { _ = st.Close(); <-gone }()
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	m := meter{dataDir: s.DataDir}
	for {
		stats, err := m.read()
		if err != nil {
			return err
		}
		if err := st.Send(stats); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-gone:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// closedByHost watches for the end of a stream on which the host says nothing. The
// channel is closed then, or when st is closed here.
func closedByHost(st *channel.Stream) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var nothing struct{}
		for st.Receive(&nothing) == nil {
		}
	}()
	return gone
}

func (s *server) serveTime(_ context.Context, st *channel.Stream) error {
	var m guest.TimeMessage
	if err := st.Receive(&m); err != nil {
		return err
	}
	var err error
	if off := time.Until(m.Time); off.Abs() > s.timeSlack {
		err = s.SetTime(m.Time)
		s.Log.Debug("clock set", "off", off, "error", err)
	}
	return st.Send(guest.Reply{Error: channel.Text(err)})
}

func (s *server) servePing(_ context.Context, st *channel.Stream) error {
	for {
		var m guest.PingMessage
		if err := st.Receive(&m); err != nil {
			return err
		}
		if err := st.Send(m); err != nil {
			return err
		}
	}
}

func (s *server) serveShutdown(_ context.Context, st *channel.Stream) error {
	err := st.Send(guest.Reply{})
	s.PowerOff() // even when the host did not stay for the answer
	return err
}

// serveDocker joins st and dockerd's socket until both directions have ended or
// either side is gone.
func (s *server) serveDocker(ctx context.Context, st *channel.Stream) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", s.DockerSocket)
	if err != nil {
		_ = st.Refuse(fmt.Errorf("dockerd is not running in the machine: %w", err))
		return
	}
	docker := c.(*net.UnixConn)
	defer docker.Close()
	if err := st.Accept(); err != nil {
		return
	}
	host := st.Conn()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.Copy(docker, host); err == nil && docker.CloseWrite() == nil {
			<-host.Gone()
		}
		_ = docker.Close()
		_ = host.Close()
	}()
	if _, err := io.Copy(host, docker); err != nil || host.CloseWrite() != nil {
		_ = host.Close()
	}
	<-done
}
