//go:build linux

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/guest/channel"
)

const (
	// exposeTimeout is longer than the host's own limit and shorter than the proxy's.
	exposeTimeout   = 12 * time.Second
	unexposeTimeout = 3 * time.Second
	maxProxyRequest = 4 << 10
)

var errNoHost = errors.New("the port cannot be published: Slipway on the host does not answer the machine; is it running?")

// A book holds the ports that containers publish now, each for as long as its proxy
// process lives, over any number of sessions with the host: to each new session it
// says all of them again.
type book struct {
	log      *slog.Logger
	announce func() // problem may have changed

	mu     sync.Mutex
	last   uint64
	ports  map[uint64]*port
	link   *link         // nil while there is no host
	linked chan struct{} // closed and replaced when link is set
}

type port struct {
	request guest.PortRequest
	failure string // why the present host did not take it
}

// A link is the ports stream of one session.
type link struct {
	st   *channel.Stream
	dead chan struct{}

	mu      sync.Mutex
	waiting map[uint64]chan guest.PortReply
}

func newBook(log *slog.Logger, announce func()) *book {
	return &book{log: log, announce: announce, ports: map[uint64]*port{}, linked: make(chan struct{})}
}

// problem says which published ports do not work now; empty when all do.
func (b *book) problem() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, p := range b.ports {
		if p.failure != "" {
			lines = append(lines, fmt.Sprintf("Port %d/%s is no longer published: %s", p.request.HostPort, p.request.Proto, p.failure))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// serveHost is the ports service.
func (b *book) serveHost(_ context.Context, st *channel.Stream) error {
	l := &link{st: st, dead: make(chan struct{}), waiting: map[uint64]chan guest.PortReply{}}
	if err := b.sayAll(l); err != nil {
		return err
	}
	defer func() {
		b.mu.Lock()
		if b.link == l {
			b.link = nil
		}
		b.mu.Unlock()
		close(l.dead)
	}()
	for {
		var reply guest.PortReply
		if err := st.Receive(&reply); err != nil {
			return err
		}
		l.mu.Lock()
		if ch := l.waiting[reply.ID]; ch != nil {
			delete(l.waiting, reply.ID)
			ch <- reply // has room
		}
		l.mu.Unlock()
	}
}

// sayAll tells a new host of all ports, and makes l the link.
func (b *book) sayAll(l *link) error {
	said := map[uint64]bool{}
	for {
		id, p, gone := b.unsaid(l, said)
		if gone {
			delete(said, id)
		} else if p == nil {
			return nil
		} else {
			said[id] = true
		}
		if err := l.st.Send(guest.PortMessage{ID: id, Port: p}); err != nil {
			return err
		}
		var reply guest.PortReply
		if err := l.st.Receive(&reply); err != nil {
			return err
		}
		if !gone {
			b.note(id, reply.Error)
		}
	}
}

// unsaid returns a port that the host of l does not know of, or one that it knows
// and that is gone. When there is neither, l becomes the link.
func (b *book) unsaid(l *link, said map[uint64]bool) (id uint64, p *guest.PortRequest, gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range said {
		if b.ports[id] == nil {
			return id, nil, true
		}
	}
	for id, p := range b.ports {
		if !said[id] {
			return id, &p.request, false
		}
	}
	b.link = l
	close(b.linked)
	b.linked = make(chan struct{})
	return 0, nil, false
}

func (b *book) note(id uint64, failure string) {
	b.mu.Lock()
	p := b.ports[id]
	changed := p != nil && p.failure != failure
	if changed {
		p.failure = failure
	}
	b.mu.Unlock()
	if changed {
		b.log.Warn("published port changed", "port", p.request.HostPort, "failure", failure)
		b.announce()
	}
}

// expose asks the host for r and returns the number it holds the port under. It waits
// for a host that is not there yet.
func (b *book) expose(ctx context.Context, r guest.PortRequest) (uint64, guest.PortRequest, error) {
	ctx, cancel := context.WithTimeout(ctx, exposeTimeout)
	defer cancel()
	b.mu.Lock()
	b.last++
	id := b.last
	b.mu.Unlock()
	for {
		l, err := b.waitLink(ctx)
		if err != nil {
			return 0, r, err
		}
		reply, err := l.ask(ctx, guest.PortMessage{ID: id, Port: &r})
		switch {
		case err != nil && ctx.Err() != nil:
			_ = l.st.Send(guest.PortMessage{ID: id}) // in case it is granted yet
			return 0, r, errNoHost
		case err != nil:
			continue // this host went: try the next
		case reply.Error != "":
			return 0, r, errors.New(reply.Error)
		}
		granted := r
		if reply.Port != nil {
			granted = *reply.Port
		}
		if b.hold(id, granted, l) {
			return id, granted, nil
		}
	}
}

// hold enters a port that the host of l granted, unless that host is gone.
func (b *book) hold(id uint64, r guest.PortRequest, l *link) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.link != l {
		return false
	}
	b.ports[id] = &port{request: r}
	return true
}

func (b *book) waitLink(ctx context.Context) (*link, error) {
	for {
		b.mu.Lock()
		l, linked := b.link, b.linked
		b.mu.Unlock()
		if l != nil {
			return l, nil
		}
		select {
		case <-linked:
		case <-ctx.Done():
			return nil, errNoHost
		}
	}
}

// unexpose gives the port back and waits until the host has done so, since Docker may
// ask for the same one next.
func (b *book) unexpose(id uint64) {
	b.mu.Lock()
	p, l := b.ports[id], b.link
	delete(b.ports, id)
	b.mu.Unlock()
	if l != nil {
		ctx, cancel := context.WithTimeout(context.Background(), unexposeTimeout)
		defer cancel()
		if _, err := l.ask(ctx, guest.PortMessage{ID: id}); err != nil {
			b.log.Debug("the host did not confirm the end of a port", "error", err)
		}
	}
	if p != nil && p.failure != "" {
		b.announce()
	}
}

var errLinkDead = errors.New("the session with the host has ended")

func (l *link) ask(ctx context.Context, m guest.PortMessage) (guest.PortReply, error) {
	ch := make(chan guest.PortReply, 1)
	l.mu.Lock()
	l.waiting[m.ID] = ch
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiting, m.ID)
		l.mu.Unlock()
	}()
	if err := l.st.Send(m); err != nil {
		return guest.PortReply{}, err
	}
	select {
	case reply := <-ch:
		return reply, nil
	case <-l.dead:
		return guest.PortReply{}, errLinkDead
	case <-ctx.Done():
		return guest.PortReply{}, ctx.Err()
	}
}

// listenProxies makes the socket for the proxies; only PID 1's user, root, may use it.
func listenProxies(path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make socket for proxies: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("make socket for proxies: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("make socket for proxies: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("make socket for proxies: %w", err)
	}
	return l, nil
}

// serveProxies answers the proxy processes until ctx ends.
func (b *book) serveProxies(ctx context.Context, listener *net.UnixListener) {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var proxies sync.WaitGroup
	defer proxies.Wait()
	for {
		c, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if err != nil { // out of descriptors: wait for some to be freed
			b.log.Warn("cannot accept a proxy", "error", err)
			select {
			case <-time.After(retryLast):
			case <-ctx.Done():
			}
			continue
		}
		proxies.Go(func() { b.serveProxy(ctx, c) })
	}
}

// serveProxy exposes the port that one proxy asks for until it ends its side of c,
// gives the port back, and then ends its own.
func (b *book) serveProxy(ctx context.Context, c *net.UnixConn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	var r guest.PortRequest
	in := json.NewDecoder(io.LimitReader(c, maxProxyRequest))
	if err := in.Decode(&r); err != nil {
		b.log.Debug("malformed request of a proxy", "error", err)
		return
	}
	id, granted, err := b.expose(ctx, r)
	if err == nil {
		defer b.unexpose(id)
	}
	if json.NewEncoder(c).Encode(guest.PortReply{Port: &granted, Error: channel.Text(err)}) != nil || err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, c) // until the proxy ends
}
