package guest

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest/channel"
)

const (
	maxPorts = 4096
	// exposeTimeout leaves the agent and dockerd, who give up after 12 and 16
	// seconds, time to pass on the host's own reason.
	exposeTimeout = 8 * time.Second
)

// Check says whether p is a request that can be met at all.
func (p PortRequest) Check() error {
	switch {
	case p.Proto != "tcp" && p.Proto != "udp":
		return fmt.Errorf("a %.16q port cannot be published: only tcp and udp can", p.Proto)
	case !p.HostIP.IsValid():
		return errors.New("the port to publish has no host address")
	case !p.ContainerIP.IsValid() || p.ContainerIP.IsUnspecified() || p.ContainerPort == 0:
		return errors.New("the port to publish leads to no container")
	case p.HostIP.Zone() != "" || p.ContainerIP.Zone() != "":
		return errors.New("addresses with a zone cannot be published")
	}
	return nil
}

// exposed is the ports of one session, by the number the agent gave them.
type exposed map[uint64]PortRequest

// servePorts answers the agent's requests one after the other, in order, until the
// stream ends, and then takes back all ports.
func (s *Session) servePorts(ctx context.Context) error {
	st, err := s.mux.Open(ctx, ServicePorts)
	if err != nil {
		return err
	}
	defer st.Close()
	ports := make(exposed)
	defer func() {
		for _, p := range ports {
			s.unexpose(p)
		}
	}()
	for {
		var m PortMessage
		if err := st.Receive(&m); err != nil {
			return fmt.Errorf("receive port request: %w", err)
		}
		reply := PortReply{ID: m.ID}
		port, held := ports[m.ID]
		switch {
		case m.Port == nil && held:
			delete(ports, m.ID)
			s.unexpose(port)
		case m.Port == nil:
			reply.Error = "no such port"
		case held:
			return fmt.Errorf("the guest used port number %d twice", m.ID)
		default:
			granted, err := s.expose(ctx, ports, m)
			reply.Port, reply.Error = &granted, channel.Text(err)
		}
		if err := st.Send(reply); err != nil {
			return fmt.Errorf("answer port request: %w", err)
		}
	}
}

func (s *Session) expose(ctx context.Context, ports exposed, m PortMessage) (PortRequest, error) {
	p := *m.Port
	if err := p.Check(); err != nil {
		return p, err
	}
	if len(ports) >= maxPorts {
		return p, fmt.Errorf("%d ports are published already, which is the limit", maxPorts)
	}
	if s.opts.Expose == nil {
		return p, errors.New("ports cannot be published: the network is not running")
	}
	ctx, cancel := context.WithTimeout(ctx, exposeTimeout)
	defer cancel()
	granted, err := s.opts.Expose(ctx, p)
	if p.HostIP.Is6() && p.HostIP.IsUnspecified() && noIPv6(err) {
		// Docker asks for :: beside 0.0.0.0, whether or not the host has IPv6.
		s.log.Debug("host has no IPv6: port is published on IPv4 only", "port", p.HostPort)
		return p, nil
	}
	if err != nil {
		return p, err
	}
	ports[m.ID] = granted
	return granted, nil
}

func (s *Session) unexpose(p PortRequest) {
	if s.opts.Unexpose != nil {
		s.opts.Unexpose(p)
	}
}

func noIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}
