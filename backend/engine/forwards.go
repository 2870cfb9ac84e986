package engine

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine/settings"
	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/network"
)

// retryForwards is how often a forward that could not be opened is tried again:
// whoever holds the port may let go of it.
const retryForwards = 5 * time.Second

// forwards are the user's own forwards while the machine is there: what the
// settings ask for, brought together with where the containers are now.
type forwards struct {
	mu     sync.Mutex
	open   map[string]opened
	failed map[string]*control.Error
	wake   chan struct{} // capacity 1
}

type opened struct {
	forward string // the network's ID
	target  netip.AddrPort
}

func newForwards() forwards {
	return forwards{open: map[string]opened{}, failed: map[string]*control.Error{}, wake: make(chan struct{}, 1)}
}

// settle asks for another look at the forwards; it does not wait for it.
func (b *boot) settle() {
	select {
	case b.manual.wake <- struct{}{}:
	default:
	}
}

// watchForwards keeps the open forwards as the settings and the containers want
// them.
func (b *boot) watchForwards(ctx context.Context) error {
	again := time.NewTicker(retryForwards)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.manual.wake:
		case <-again.C:
		}
		if b.manual.settle(ctx, b) {
			b.e.hub.changed(control.TopicPorts)
		}
	}
}

// settle opens and closes what differs. It reports whether anything changed.
func (m *forwards) settle(ctx context.Context, b *boot) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := map[string]bool{}
	for _, f := range b.e.settings.Values().NetForwards {
		id := portID(f.Protocol, f.Listen)
		wanted[id] = true
		target, found := b.target(f)
		if o, ok := m.open[id]; ok {
			if found && o.target == target {
				continue
			}
			m.close(ctx, b, id)
			changed = true
		}
		var problem *control.Error
		if !found {
			problem = control.Errorf(control.CodeNotFound, "container %s is not running", f.Target)
		} else if err := m.expose(ctx, b, f, target); err != nil {
			problem, _ = portError(err).(*control.Error)
		}
		before := m.failed[id]
		if problem == nil {
			delete(m.failed, id)
			changed = true
		} else if before == nil || before.Message != problem.Message {
			m.failed[id] = problem
			changed = true
		}
	}
	for id := range m.open {
		if !wanted[id] {
			m.close(ctx, b, id)
			changed = true
		}
	}
	for id := range m.failed {
		if !wanted[id] {
			delete(m.failed, id)
		}
	}
	return changed
}

// try opens a forward that is not in the settings yet. A target that is not there
// is no error: the forward will wait for it.
func (m *forwards) try(ctx context.Context, b *boot, f settings.Forward) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	target, found := b.target(f)
	if !found {
		target = netip.AddrPortFrom(b.plan.guest, f.Port) // only to learn whether the port is free
	}
	if err := m.expose(ctx, b, f, target); err != nil {
		return err
	}
	if !found {
		m.close(ctx, b, portID(f.Protocol, f.Listen))
	}
	return nil
}

func (m *forwards) expose(ctx context.Context, b *boot, f settings.Forward, target netip.AddrPort) error {
	granted, err := b.net.Ports().Expose(ctx, network.Forward{
		Proto: f.Protocol, Host: f.Listen, Guest: target, Origin: originManual, Note: f.Target,
	})
	if err == nil {
		m.open[portID(f.Protocol, f.Listen)] = opened{granted.ID, target}
	}
	return err
}

func (m *forwards) close(ctx context.Context, b *boot, id string) {
	if err := b.net.Ports().Unexpose(ctx, m.open[id].forward); err != nil {
		b.e.log.Error("close a forward", "forward", id, "err", err)
	}
	delete(m.open, id)
}

// reason tells why a forward is not open.
func (m *forwards) reason(id string) (state, message, hint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch problem := m.failed[id]; {
	case problem == nil:
		return "waiting", "The machine is starting.", ""
	case problem.Code == control.CodeNotFound:
		return "waiting", problem.Message, problem.Hint
	default:
		return "failed", problem.Message, problem.Hint
	}
}

// target finds where a forward leads now: an address, or a running container's.
func (b *boot) target(f settings.Forward) (netip.AddrPort, bool) {
	if addr, err := netip.ParseAddr(f.Target); err == nil {
		return netip.AddrPortFrom(addr, f.Port), true
	}
	for _, c := range b.listed() {
		if c.Name != f.Target || c.State != "running" {
			continue
		}
		for _, text := range c.Addresses {
			if addr, err := netip.ParseAddr(text); err == nil && addr.Is4() {
				return netip.AddrPortFrom(addr, f.Port), true
			}
		}
	}
	return netip.AddrPort{}, false
}

// expose answers the guest's request to publish a port.
func (b *boot) expose(ctx context.Context, r guest.PortRequest) (guest.PortRequest, error) {
	granted, err := b.net.Ports().Expose(ctx, network.Forward{
		Proto: r.Proto, Host: netip.AddrPortFrom(r.HostIP, r.HostPort),
		Guest: netip.AddrPortFrom(r.ContainerIP, r.ContainerPort), Origin: originDocker,
	})
	if err != nil {
		return r, err
	}
	r.HostPort = granted.Host.Port()
	b.mu.Lock()
	b.published[r] = granted.ID
	b.mu.Unlock()
	b.e.hub.changed(control.TopicPorts)
	return r, nil
}

// unexpose takes back what expose granted.
func (b *boot) unexpose(r guest.PortRequest) {
	b.mu.Lock()
	id, ok := b.published[r]
	delete(b.published, r)
	b.mu.Unlock()
	if !ok {
		return
	}
	if err := b.net.Ports().Unexpose(b.ctx, id); err != nil && b.ctx.Err() == nil {
		b.e.log.Error("take a published port back", "port", r.HostPort, "err", err)
	}
	b.e.hub.changed(control.TopicPorts)
}
