package engine

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/docker"
)

// traffic is the engine as control.Traffic.
type traffic Engine

func (t *traffic) Flows(context.Context) ([]capture.Flow, error) { return t.capture.Flows(), nil }

func (t *traffic) CaptureStatus(context.Context) (capture.Status, error) {
	return t.capture.Status(), nil
}

func (t *traffic) CaptureControl(_ context.Context, action control.CaptureAction) error {
	switch action {
	case control.CapturePause:
		t.capture.Pause()
	case control.CaptureResume:
		t.capture.Resume()
	case control.CaptureClear:
		t.capture.Clear()
	default:
		return control.Errorf(control.CodeInvalid, "%q is not something a recording can do", action).
			WithHint("use pause, resume or clear")
	}
	t.hub.changed(control.TopicCapture, control.TopicFlows)
	return nil
}

func (t *traffic) Packets(_ context.Context, q capture.Query) (capture.Page, error) {
	page, err := t.capture.Packets(q)
	return page, trafficError(err)
}

func (t *traffic) Packet(_ context.Context, n uint64) (capture.Detail, error) {
	detail, err := t.capture.Packet(n)
	if err != nil {
		e := control.Errorf(control.CodeNotFound, "packet %d is not in the recording", n).
			WithHint("it was pushed out by newer ones; give the recording more room with capture/memory")
		e.Err = err
		return detail, e
	}
	return detail, nil
}

func (t *traffic) Pcapng(ctx context.Context, filter string, live bool, w io.Writer) error {
	if live {
		return trafficError(t.capture.Follow(ctx, w, filter))
	}
	_, err := t.capture.WritePcapng(ctx, w, filter)
	return trafficError(err)
}

// trafficError marks a filter that does not make sense as the caller's error.
func trafficError(err error) error {
	var filter *capture.FilterError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &filter):
		return &control.Error{Code: control.CodeInvalid, Message: "filter: " + filter.Msg, Hint: filter.Hint, Err: err}
	case errors.Is(err, capture.ErrTooManyFollowers):
		return &control.Error{Code: control.CodeUnavailable, Message: err.Error(), Hint: "end one of those that follow", Err: err}
	}
	return controlError(err)
}

// names tells the recording who an address is. Addresses of containers are their
// own on the wire, so the address is enough.
type names struct {
	mu    sync.RWMutex
	fixed map[netip.Addr]capture.Endpoint // the machine, the gateway, the host
	known map[netip.Addr]capture.Endpoint // containers
}

func newNames() *names {
	return &names{fixed: map[netip.Addr]capture.Endpoint{}, known: map[netip.Addr]capture.Endpoint{}}
}

// Name is called for each new flow with the recording's lock held.
func (n *names) Name(proto uint8, ep netip.AddrPort) (capture.Endpoint, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	addr := ep.Addr().Unmap()
	if end, ok := n.known[addr]; ok {
		return end, true
	}
	end, ok := n.fixed[addr]
	if end.Kind == capture.KindGateway && proto == protoTCP && ep.Port() != portDNS {
		// Published ports and forwards dial from the gateway's address, and for
		// itself it only answers: so this is a client on the computer.
		return hostEndpoint, true
	}
	return end, ok
}

const (
	protoTCP = 6 // IANA
	portDNS  = 53
)

var hostEndpoint = capture.Endpoint{Kind: capture.KindHost, Name: "host"}

// place says which addresses of the network are whose.
func (n *names) place(a addresses) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fixed = map[netip.Addr]capture.Endpoint{
		a.guest:   {Kind: capture.KindGuest, Name: "machine"},
		a.gateway: {Kind: capture.KindGateway, Name: "gateway"},
		a.host:    hostEndpoint,
	}
}

// learn replaces what is known of containers.
func (n *names) learn(list []docker.Container) {
	known := map[netip.Addr]capture.Endpoint{}
	for _, c := range list {
		for _, text := range c.Addresses {
			if addr, err := netip.ParseAddr(text); err == nil {
				known[addr.Unmap()] = capture.Endpoint{
					Kind: capture.KindContainer, Name: c.Name, Container: c.Name, Image: c.Image,
					Project: c.Compose.Project, Service: c.Compose.Service,
				}
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = known
}

// forget drops the containers: the machine is down.
func (n *names) forget() { n.learn(nil) }
