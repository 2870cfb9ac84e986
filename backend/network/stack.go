package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const nicID = 1

// Socket buffers of the netstack, in bytes. They start at what keeps a local
// link busy, and grow with a connection that needs more: a larger start gains
// nothing that the benchmark shows, and lets idle connections hold more.
const (
	bufferMin     = 4 << 10
	bufferDefault = 256 << 10
	bufferMax     = 8 << 20
)

// timeWait is how long a closed TCP connection is remembered. The usual minute
// is for segments lost in the Internet; on a link that keeps their order a few
// seconds do, and ports are free again sooner.
const timeWait = 5 * time.Second

// newStack builds the netstack: one card, two addresses, every route through
// the guest, and a forwarder for each transport.
func (n *Network) newStack() (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	if err := configure(s, n); err != nil {
		s.Destroy()
		return nil, err
	}
	forwarder := tcp.NewForwarder(s, bufferDefault, n.cfg.Limits.TCPPending, n.forwardTCP)
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, n.tcpHandler(forwarder))
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, n.forwardUDP).HandlePacket)
	s.SetTransportProtocolHandler(icmp.ProtocolNumber4, n.forwardICMP)
	return s, nil
}

func configure(s *stack.Stack, n *Network) error {
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	control, wait := tcpip.CongestionControlOption("cubic"), tcpip.TCPTimeWaitTimeoutOption(timeWait)
	recovery := tcpip.TCPRecovery(0) // RACK's timers cost more than the losses of a local link
	for _, opt := range []tcpip.SettableTransportProtocolOption{
		&sack, &moderate, &control, &wait, &recovery,
		&tcpip.TCPReceiveBufferSizeRangeOption{Min: bufferMin, Default: bufferDefault, Max: bufferMax},
		&tcpip.TCPSendBufferSizeRangeOption{Min: bufferMin, Default: bufferDefault, Max: bufferMax},
	} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, opt); err != nil {
			return fmt.Errorf("set TCP option %T: %s", opt, err)
		}
	}
	if err := s.CreateNIC(nicID, n.link); err != nil {
		return fmt.Errorf("create the network card: %s", err)
	}
	for _, a := range []struct {
		prefix  netip.Prefix
		primary stack.PrimaryEndpointBehavior
	}{
		{netip.PrefixFrom(n.cfg.Gateway, n.cfg.Subnet.Bits()), stack.CanBePrimaryEndpoint},
		{netip.PrefixFrom(n.cfg.Host, 32), stack.NeverPrimaryEndpoint}, // connections never come from it
	} {
		addr := tcpip.ProtocolAddress{
			Protocol:          ipv4.ProtocolNumber,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: toTCPIP(a.prefix.Addr()), PrefixLen: a.prefix.Bits()},
		}
		if err := s.AddProtocolAddress(nicID, addr, stack.AddressProperties{PEB: a.primary}); err != nil {
			return fmt.Errorf("add address %s: %s", a.prefix.Addr(), err)
		}
	}
	// Take packets for every address of the world, and answer as it.
	if err := s.SetPromiscuousMode(nicID, true); err != nil {
		return fmt.Errorf("accept every destination: %s", err)
	}
	if err := s.SetSpoofing(nicID, true); err != nil {
		return fmt.Errorf("send from every source: %s", err)
	}
	subnet, err := tcpip.NewSubnet(toTCPIP(n.cfg.Subnet.Addr()),
		tcpip.MaskFromBytes(net.CIDRMask(n.cfg.Subnet.Bits(), 32)))
	if err != nil {
		return fmt.Errorf("subnet %s: %w", n.cfg.Subnet, err)
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: subnet, NIC: nicID},
		{Destination: header.IPv4EmptySubnet, Gateway: toTCPIP(n.cfg.Guest), NIC: nicID},
	})
	return nil
}

// serveDNS starts the DNS forwarder on the gateway.
func (n *Network) serveDNS(ctx context.Context, group *errgroup.Group) error {
	at := tcpip.FullAddress{NIC: nicID, Addr: toTCPIP(n.cfg.Gateway), Port: 53}
	pc, err := gonet.DialUDP(n.stack, &at, nil, ipv4.ProtocolNumber)
	if err != nil {
		return fmt.Errorf("listen for DNS over UDP: %w", err)
	}
	l, err := gonet.ListenTCP(n.stack, at, ipv4.ProtocolNumber)
	if err != nil {
		pc.Close()
		return fmt.Errorf("listen for DNS over TCP: %w", err)
	}
	group.Go(func() error { return n.dns.ServePacket(ctx, pc) })
	group.Go(func() error { return n.dns.ServeStream(ctx, stoppable{l}) })
	return nil
}

// stoppable makes Close end an Accept that waits.
type stoppable struct{ *gonet.TCPListener }

func (s stoppable) Close() error {
	s.Shutdown()
	return s.TCPListener.Close()
}

func toTCPIP(a netip.Addr) tcpip.Address { return tcpip.AddrFrom4(a.As4()) }

func fromTCPIP(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}
