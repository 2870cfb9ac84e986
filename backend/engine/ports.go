package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine/settings"
	"github.com/slipway-desktop/slipway/backend/network"
)

const (
	originDocker = "docker"
	originManual = "manual"
)

// ports is the engine as control.Ports.
type ports Engine

// portID names a port by what can be bound only once.
func portID(proto string, host netip.AddrPort) string { return proto + "/" + host.String() }

// Ports lists what Docker published and what the user set up, the latter also
// while the machine is down.
func (p *ports) Ports(context.Context) ([]control.Port, error) {
	e := (*Engine)(p)
	b := e.currentBoot()
	list := []control.Port{}
	open := map[string]bool{}
	if b != nil {
		for _, f := range b.net.Ports().List() {
			if port := b.port(f); f.State == network.StateActive && !merge(list, port) {
				open[port.ID] = true
				list = append(list, port)
			}
		}
	}
	for _, f := range e.settings.Values().NetForwards {
		id := portID(f.Protocol, f.Listen)
		if open[id] {
			continue
		}
		port := control.Port{
			ID: id, Proto: f.Protocol, HostIP: f.Listen.Addr().String(), HostPort: int(f.Listen.Port()),
			Target: f.Target, TargetPort: int(f.Port), Origin: originManual, State: "waiting", Message: "The machine is not running.",
		}
		if b != nil {
			port.State, port.Message, port.Hint = b.manual.reason(id)
		}
		list = append(list, port)
	}
	slices.SortFunc(list, func(x, y control.Port) int {
		if x.HostPort != y.HostPort {
			return x.HostPort - y.HostPort
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list, nil
}

// port is an open forward as the tree shows it.
func (b *boot) port(f network.Forward) control.Port {
	p := control.Port{
		ID: portID(f.Proto, f.Host), Proto: f.Proto, HostIP: f.Host.Addr().String(), HostPort: int(f.Host.Port()),
		TargetIP: f.Guest.Addr().String(), TargetPort: int(f.Guest.Port()), Target: f.Guest.Addr().String(),
		Origin: f.Origin, State: "open", Connections: int(f.Active), BytesIn: f.BytesIn, BytesOut: f.BytesOut,
	}
	if end, ok := b.e.names.Name(0, f.Guest); ok {
		p.Target = end.Name
	}
	if f.Proto == "tcp" {
		host := f.Host.Addr()
		name := host.String()
		if host.IsLoopback() || host.IsUnspecified() {
			name = "localhost"
		}
		p.URL = "http://" + net.JoinHostPort(name, strconv.Itoa(int(f.Host.Port())))
	}
	return p
}

// merge adds a port to its twin in the list, if it has one: Docker publishes every
// port twice, for IPv4 and IPv6, and to a person it is one.
func merge(list []control.Port, p control.Port) bool {
	for i := range list {
		q := &list[i]
		if p.Origin == originDocker && q.Origin == originDocker && p.Proto == q.Proto && p.HostPort == q.HostPort &&
			p.TargetIP == q.TargetIP && p.TargetPort == q.TargetPort {
			q.Connections += p.Connections
			q.BytesIn += p.BytesIn
			q.BytesOut += p.BytesOut
			return true
		}
	}
	return false
}

// AddPort records a forward in the settings. If the machine runs, it is opened
// first, so that a taken port is refused before anything is written.
func (p *ports) AddPort(ctx context.Context, r control.PortRequest) (control.Port, error) {
	e := (*Engine)(p)
	line, err := forwardLine(r)
	if err != nil {
		return control.Port{}, err
	}
	forward, err := settings.ParseForward(line)
	if err != nil {
		return control.Port{}, &control.Error{Code: control.CodeInvalid, Message: err.Error(), Err: err}
	}
	values := e.settings.Values()
	id := portID(forward.Protocol, forward.Listen)
	for _, f := range values.NetForwards {
		if portID(f.Protocol, f.Listen) == id {
			return control.Port{}, control.Errorf(control.CodeExists, "port %s leads to %s:%d already", id, f.Target, f.Port).
				WithHint("remove that forward first")
		}
	}
	b := e.currentBoot()
	if b != nil {
		if err := b.manual.try(ctx, b, forward); err != nil {
			return control.Port{}, portError(err)
		}
	}
	if err := e.setForwards(ctx, append(slices.Clone(values.NetForwards), forward), "forward "+line); err != nil {
		if b != nil {
			b.settle() // the settings do not have it: close it again
		}
		return control.Port{}, err
	}
	list, err := p.Ports(ctx)
	if err != nil {
		return control.Port{}, err
	}
	for _, port := range list {
		if port.ID == id {
			return port, nil
		}
	}
	return control.Port{}, control.Errorf(control.CodeConflict, "forward %s was removed again meanwhile", id)
}

// forwardLine writes a request as a line of the setting net/forwards, with the
// port chosen if the request leaves it open.
func forwardLine(r control.PortRequest) (string, error) {
	if r.Proto == "" {
		r.Proto = "tcp"
	}
	if r.HostIP == "" {
		r.HostIP = "127.0.0.1"
	}
	if r.HostPort == 0 && r.Proto == "tcp" {
		l, err := net.Listen("tcp", net.JoinHostPort(r.HostIP, "0"))
		if err != nil {
			return "", &control.Error{Code: control.CodeInvalid, Message: "choose a port: " + err.Error(), Err: err}
		}
		r.HostPort = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	return fmt.Sprintf("%s %s -> %s", r.Proto, net.JoinHostPort(r.HostIP, strconv.Itoa(r.HostPort)), r.Target), nil
}

// RemovePort removes a forward from the settings. It takes a port's ID, or its
// address and port, or its port alone if only one forward has it.
func (p *ports) RemovePort(ctx context.Context, id string) error {
	e := (*Engine)(p)
	list, err := p.Ports(ctx)
	if err != nil {
		return err
	}
	var found []control.Port
	for _, port := range list {
		address := net.JoinHostPort(port.HostIP, strconv.Itoa(port.HostPort))
		if id == port.ID || id == address || id == strconv.Itoa(port.HostPort) {
			found = append(found, port)
		}
	}
	switch {
	case len(found) == 0:
		return control.Errorf(control.CodeNotFound, "there is no forward %s", id).WithHint("`slipway ports` lists them")
	case len(found) > 1:
		return control.Errorf(control.CodeInvalid, "%s could be %s or %s", id, found[0].ID, found[1].ID).WithHint("give the whole ID")
	case found[0].Origin == originDocker:
		return control.Errorf(control.CodeDenied, "port %d is published by container %s", found[0].HostPort, found[0].Target).
			WithHint("stop the container, or run it without -p")
	}
	rest := slices.DeleteFunc(slices.Clone(e.settings.Values().NetForwards), func(f settings.Forward) bool {
		return portID(f.Protocol, f.Listen) == found[0].ID
	})
	return e.setForwards(ctx, rest, "remove forward "+found[0].ID)
}

func (e *Engine) setForwards(ctx context.Context, list []settings.Forward, message string) error {
	lines := make([]string, len(list))
	for i, f := range list {
		lines[i] = f.String()
	}
	_, err := e.settings.Set(ctx, map[string]string{"net/forwards": strings.Join(lines, "\n")}, message, author())
	if err == nil {
		if b := e.currentBoot(); b != nil {
			b.settle()
		}
		e.hub.changed(control.TopicPorts)
	}
	return settingsError(err)
}

// portError explains why a port could not be bound.
func portError(err error) error {
	var taken *network.TakenError
	var ready *control.Error
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &taken):
		return &control.Error{Code: control.CodeTaken, Message: taken.Error(), Err: err}
	}
	return &control.Error{Code: control.CodeInvalid, Message: err.Error(), Err: err}
}
