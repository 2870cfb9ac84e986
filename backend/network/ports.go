package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// States of a Forward.
const (
	StateActive      = "active"      // listening
	StateUnavailable = "unavailable" // nothing listens, and Error says why; see Expose
)

// Forward is a published port: a listener on the host whose connections or
// datagrams go to an address behind the guest.
type Forward struct {
	ID    string         `json:"id"`    // set by Expose if empty: "tcp-127.0.0.1:8080"
	Proto string         `json:"proto"` // "tcp" or "udp"
	Host  netip.AddrPort `json:"host"`  // as asked to Expose; as bound in what it returns. Port 0 asks for any.
	Guest netip.AddrPort `json:"guest"` // a container, or the machine

	Origin string `json:"origin,omitempty"` // who asked: "docker", "manual"
	Note   string `json:"note,omitempty"`   // for people, such as a container's name

	// The rest is set by the network.

	Asked       netip.AddrPort `json:"asked"` // Host as it was asked for
	State       string         `json:"state"`
	Error       string         `json:"error,omitempty"`
	Connections uint64         `json:"connections"` // TCP connections or UDP clients, ever
	Active      int64          `json:"active"`      // of these, now
	BytesIn     uint64         `json:"bytesIn"`     // to the guest
	BytesOut    uint64         `json:"bytesOut"`    // from the guest
}

// Ports is the set of published ports.
type Ports struct {
	n *Network

	mu       sync.Mutex
	forwards map[string]*forward
	watchers map[chan struct{}]struct{}
}

func newPorts(n *Network) *Ports {
	return &Ports{n: n, forwards: map[string]*forward{}, watchers: map[chan struct{}]struct{}{}}
}

// forward is a Forward at work.
type forward struct {
	Forward
	n      *Network
	meter  meter
	conns  atomic.Uint64
	active atomic.Int64
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func (f *forward) snapshot() Forward {
	out := f.Forward
	out.Connections, out.Active = f.conns.Load(), f.active.Load()
	out.BytesIn, out.BytesOut = f.meter.in.Load(), f.meter.out.Load()
	return out
}

// Expose publishes a port and returns the forward as it stands: with its ID,
// and with the address and port that are really bound. It listens when Expose
// returns. Exposing what is exposed already, at the same address for the same
// guest, returns the forward that there is.
//
// Errors: *TakenError if the port is in use, *DeniedError if the host does not
// let us have it, and plain ones, with what to do, for a bad request. One case
// is not an error, since it stands for half of an ordinary request: a port
// asked for on :: when the host has no IPv6 is recorded as unavailable.
func (p *Ports) Expose(ctx context.Context, want Forward) (Forward, error) {
	if err := want.check(); err != nil {
		return Forward{}, err
	}
	if err := p.n.ready(ctx); err != nil {
		return Forward{}, err
	}
	got, err := p.expose(want)
	var taken *TakenError
	if errors.As(err, &taken) && taken.ForwardID == "" {
		taken.find(ctx) // outside the lock, since it looks at every process
	}
	return got, err
}

func (f *Forward) check() error {
	if f.Proto != "tcp" && f.Proto != "udp" {
		return fmt.Errorf("protocol %q cannot be published, give tcp or udp", f.Proto)
	}
	if !f.Guest.Addr().Unmap().Is4() || f.Guest.Port() == 0 || f.Guest.Addr().IsUnspecified() {
		return fmt.Errorf("guest address %s: give an IPv4 address and a port", f.Guest)
	}
	if !f.Host.Addr().IsValid() {
		f.Host = netip.AddrPortFrom(netip.IPv4Unspecified(), f.Host.Port())
	}
	f.Host = netip.AddrPortFrom(f.Host.Addr().Unmap(), f.Host.Port())
	f.Guest = netip.AddrPortFrom(f.Guest.Addr().Unmap(), f.Guest.Port())
	f.Asked = f.Host
	return nil
}

// narrow applies the publish policy to an address asked for.
func (n *Network) narrow(a netip.AddrPort) netip.AddrPort {
	if n.cfg.PublishAddress == PublishAsAsked || !a.Addr().IsUnspecified() {
		return a
	}
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
}

func (p *Ports) expose(want Forward) (Forward, error) {
	want.Host = p.n.narrow(want.Asked)
	p.mu.Lock()
	defer p.mu.Unlock()
	if same, err := p.existing(want); same != nil || err != nil {
		if err != nil {
			return Forward{}, err
		}
		return same.snapshot(), nil
	}
	if len(p.forwards) >= p.n.cfg.Limits.Forwards {
		return Forward{}, fmt.Errorf("%d ports are published, no more are possible: remove some", len(p.forwards))
	}
	f := &forward{Forward: want, n: p.n}
	f.State, f.Error = StateActive, ""
	ctx, cancel := context.WithCancel(p.n.ctx)
	f.cancel = cancel
	serve, err := f.listen(ctx)
	switch {
	case err != nil && want.Asked.Addr() == netip.IPv6Unspecified() && (errors.Is(err, eaddrnotav) || errors.Is(err, eafnosupport)):
		f.State, f.Error = StateUnavailable, "this host has no IPv6; the port is not reachable over it"
		serve = func() {}
	case err != nil:
		cancel()
		return Forward{}, refusal(want, err)
	}
	if f.ID == "" {
		f.ID = f.Proto + "-" + f.Host.String()
	}
	if !p.n.enter() {
		cancel()
		serve()
		return Forward{}, ErrStopped
	}
	p.forwards[f.ID] = f
	f.work.Go(func() {
		defer p.n.leave()
		serve()
	})
	p.changed()
	return f.snapshot(), nil
}

// existing finds the forward that already does what is wanted, or the one that
// is in its way.
func (p *Ports) existing(want Forward) (*forward, error) {
	for _, f := range p.forwards {
		at := f.Proto == want.Proto && (f.Host == want.Host || f.Asked == want.Asked && want.Asked.Port() != 0)
		switch {
		case f.ID == want.ID && want.Host.Port() == 0 && f.Proto == want.Proto && f.Asked == want.Asked && f.Guest == want.Guest,
			at && f.Guest == want.Guest:
			return f, nil
		case at:
			return nil, &TakenError{Proto: want.Proto, Addr: want.Host, ForwardID: f.ID, ForwardGuest: f.Guest}
		case f.ID == want.ID:
			return nil, fmt.Errorf("forward %s exists already for %s, remove it first", f.ID, f.Host)
		}
	}
	return nil, nil
}

// Unexpose takes a port back: it stops listening and ends its connections,
// and returns when that is done. Its error is ErrNoForward if there is no such
// forward.
func (p *Ports) Unexpose(ctx context.Context, id string) error {
	p.mu.Lock()
	f, ok := p.forwards[id]
	delete(p.forwards, id)
	if ok {
		p.changed()
	}
	p.mu.Unlock()
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoForward, id)
	}
	f.cancel()
	ended := make(chan struct{})
	go func() {
		f.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err() // the rest ends on its own, and Run waits for it
	}
}

// ErrNoForward is returned for an ID that no published port has.
var ErrNoForward = errors.New("no such published port")

// List returns the published ports, ordered by port, protocol and address.
func (p *Ports) List() []Forward {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Forward, 0, len(p.forwards))
	for _, f := range p.forwards {
		out = append(out, f.snapshot())
	}
	slices.SortFunc(out, func(a, b Forward) int {
		return cmp.Or(cmp.Compare(a.Host.Port(), b.Host.Port()), cmp.Compare(a.Proto, b.Proto), a.Host.Addr().Compare(b.Host.Addr()))
	})
	return out
}

// Watch returns a channel that gets a value after ports were published or
// taken back. Changes that come before the value is received share it. The
// channel is closed when ctx ends.
func (p *Ports) Watch(ctx context.Context) <-chan struct{} {
	w := make(chan struct{}, 1)
	p.mu.Lock()
	p.watchers[w] = struct{}{}
	p.mu.Unlock()
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, w)
		close(w)
	})
	return w
}

// changed tells the watchers. The lock must be held.
func (p *Ports) changed() {
	for w := range p.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// listen binds the forward's address, sets Host to what was bound, and returns
// what serves it until ctx ends.
func (f *forward) listen(ctx context.Context) (serve func(), err error) {
	version := "6"
	if f.Host.Addr().Is4() {
		version = "4"
	}
	lc := net.ListenConfig{KeepAliveConfig: hostKeepAlive}
	if f.Proto == "tcp" {
		l, err := lc.Listen(ctx, "tcp"+version, f.Host.String())
		if err != nil {
			return nil, err
		}
		f.Host = bound(f.Host, l.Addr().(*net.TCPAddr).Port)
		return func() { f.serveTCP(ctx, l.(*net.TCPListener)) }, nil
	}
	pc, err := lc.ListenPacket(ctx, "udp"+version, f.Host.String())
	if err != nil {
		return nil, err
	}
	f.Host = bound(f.Host, pc.LocalAddr().(*net.UDPAddr).Port)
	return func() { f.serveUDP(ctx, pc.(*net.UDPConn)) }, nil
}

func bound(a netip.AddrPort, port int) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), uint16(port))
}
