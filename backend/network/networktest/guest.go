// Package networktest plays the machine of a backend/network in tests: a
// second netstack on the other end of the link, with the machine's address and
// those of "containers" behind it. It needs no privileges, no virtual machine
// and no address of the host.
package networktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/slipway-desktop/slipway/backend/network/link"
)

// MAC is the guest's hardware address.
var MAC = net.HardwareAddr{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}

const nicID = 1

// Guest is a machine on a link.
type Guest struct {
	Stack *stack.Stack

	conn   link.Conn
	card   *channel.Endpoint
	cancel context.CancelFunc
	work   sync.WaitGroup
	leases chan *dhcpv4.DHCPv4

	mu sync.Mutex // guards writes to conn
}

// NewGuest plugs a guest into a link. It has no address until Configure or
// AddAddress. Close it before the test ends.
func NewGuest(conn link.Conn, mtu int) (*Guest, error) {
	g := &Guest{
		conn:   conn,
		card:   channel.New(4096, uint32(mtu+header.EthernetMinimumSize), tcpip.LinkAddress(MAC)),
		leases: make(chan *dhcpv4.DHCPv4, 16),
	}
	g.card.SupportedGSOKind = stack.GVisorGSOSupported
	g.Stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	recovery := tcpip.TCPRecovery(0)
	for _, opt := range []tcpip.SettableTransportProtocolOption{
		&recovery,
		&tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 8 << 20},
		&tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: 8 << 20},
	} {
		if err := g.Stack.SetTransportProtocolOption(tcp.ProtocolNumber, opt); err != nil {
			return nil, errors.New(err.String())
		}
	}
	if err := g.Stack.CreateNIC(nicID, ethernet.New(g.card)); err != nil {
		return nil, errors.New(err.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	g.work.Go(g.receive)
	g.work.Go(func() { g.transmit(ctx) })
	return g, nil
}

// Close unplugs the guest and waits until it is gone.
func (g *Guest) Close() {
	g.cancel()
	g.conn.Close()
	g.work.Wait()
	g.Stack.Destroy()
}

func (g *Guest) receive() {
	for {
		size, err := g.conn.Next()
		if err != nil {
			return
		}
		v := buffer.NewViewSize(size)
		if g.conn.Take(v.AsSlice()) != nil {
			return
		}
		g.lease(v.AsSlice())
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(v)})
		g.card.InjectInbound(0, pkt)
		pkt.DecRef()
	}
}

// lease hands DHCP answers to the client.
func (g *Guest) lease(frame []byte) {
	const start = 14 + 20 + 8
	if len(frame) < start || frame[12] != 8 || frame[14+9] != 17 || frame[14+20+2] != 0 || frame[14+20+3] != 68 {
		return
	}
	if m, err := dhcpv4.FromBytes(frame[start:]); err == nil {
		select {
		case g.leases <- m:
		default:
		}
	}
}

func (g *Guest) transmit(ctx context.Context) {
	for {
		pkt := g.card.ReadContext(ctx)
		if pkt == nil {
			return
		}
		g.mu.Lock()
		for pkt != nil {
			_, _ = g.conn.Add(pkt.AsSlices()...)
			pkt.DecRef()
			pkt = g.card.Read()
		}
		err := g.conn.Flush()
		g.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Send sends one frame as it is.
func (g *Guest) Send(frame []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := g.conn.Add(frame); err != nil {
		return err
	}
	return g.conn.Flush()
}

// Configure gets an address by DHCP and sets up the guest's stack with it. It
// returns the acknowledgement.
func (g *Guest) Configure(ctx context.Context) (*dhcpv4.DHCPv4, error) {
	discover, err := dhcpv4.NewDiscovery(MAC)
	if err != nil {
		return nil, err
	}
	offer, err := g.Exchange(ctx, discover)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	request, err := dhcpv4.NewRequestFromOffer(offer)
	if err != nil {
		return nil, err
	}
	ack, err := g.Exchange(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if ack.MessageType() != dhcpv4.MessageTypeAck {
		return ack, fmt.Errorf("answer to the request is %s", ack.MessageType())
	}
	addr, _ := netip.AddrFromSlice(ack.YourIPAddr.To4())
	ones, _ := ack.SubnetMask().Size()
	router, _ := netip.AddrFromSlice(ack.Router()[0].To4())
	subnet := netip.PrefixFrom(addr, ones)
	if err := g.AddAddress(subnet); err != nil {
		return nil, err
	}
	onLink := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(addr.As4()), PrefixLen: ones}.Subnet()
	g.Stack.SetRouteTable([]tcpip.Route{
		{Destination: onLink, NIC: nicID},
		{Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFrom4(router.As4()), NIC: nicID},
	})
	return ack, nil
}

// Exchange sends a DHCP message as a broadcast and returns the next answer to
// it.
func (g *Guest) Exchange(ctx context.Context, m *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
	zero, all := netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255})
	frame := UDPFrame(MAC, net.HardwareAddr{255, 255, 255, 255, 255, 255},
		netip.AddrPortFrom(zero, 68), netip.AddrPortFrom(all, 67), m.ToBytes())
	if err := g.Send(frame); err != nil {
		return nil, err
	}
	for {
		select {
		case answer := <-g.leases:
			if answer.TransactionID == m.TransactionID {
				return answer, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// AddAddress gives the guest one more address; give a container's as a /32.
func (g *Guest) AddAddress(p netip.Prefix) error {
	addr := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(p.Addr().As4()), PrefixLen: p.Bits()},
	}
	if err := g.Stack.AddProtocolAddress(nicID, addr, stack.AddressProperties{}); err != nil {
		return errors.New(err.String())
	}
	return nil
}

// DialTCP connects from one of the guest's addresses.
func (g *Guest) DialTCP(ctx context.Context, from netip.Addr, to netip.AddrPort) (*gonet.TCPConn, error) {
	return gonet.DialTCPWithBind(ctx, g.Stack, full(netip.AddrPortFrom(from, 0)), full(to), ipv4.ProtocolNumber)
}

// ListenTCP listens on one of the guest's addresses.
func (g *Guest) ListenTCP(at netip.AddrPort) (*gonet.TCPListener, error) {
	return gonet.ListenTCP(g.Stack, full(at), ipv4.ProtocolNumber)
}

// DialUDP returns a socket from one of the guest's addresses to a destination.
func (g *Guest) DialUDP(from netip.Addr, to netip.AddrPort) (*gonet.UDPConn, error) {
	l, r := full(netip.AddrPortFrom(from, 0)), full(to)
	return gonet.DialUDP(g.Stack, &l, &r, ipv4.ProtocolNumber)
}

// ListenUDP returns a socket bound to one of the guest's addresses.
func (g *Guest) ListenUDP(at netip.AddrPort) (*gonet.UDPConn, error) {
	l := full(at)
	return gonet.DialUDP(g.Stack, &l, nil, ipv4.ProtocolNumber)
}

// Ping sends one echo request and waits for its answer, whose payload it
// returns.
func (g *Guest) Ping(ctx context.Context, from, to netip.Addr, payload []byte) ([]byte, error) {
	var wq waiter.Queue
	ep, terr := g.Stack.NewEndpoint(icmp.ProtocolNumber4, ipv4.ProtocolNumber, &wq)
	if terr != nil {
		return nil, errors.New(terr.String())
	}
	defer ep.Close()
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	if err := ep.Bind(full(netip.AddrPortFrom(from, 0))); err != nil {
		return nil, errors.New(err.String())
	}
	if err := ep.Connect(full(netip.AddrPortFrom(to, 0))); err != nil {
		return nil, errors.New(err.String())
	}
	echo := make([]byte, header.ICMPv4MinimumSize, header.ICMPv4MinimumSize+len(payload))
	header.ICMPv4(echo).SetType(header.ICMPv4Echo)
	echo = append(echo, payload...)
	if _, err := ep.Write(bytes.NewReader(echo), tcpip.WriteOptions{}); err != nil {
		return nil, errors.New(err.String())
	}
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	answer := make(tcpip.SliceWriter, 65536)
	w := answer
	res, err := ep.Read(&w, tcpip.ReadOptions{})
	if err != nil {
		return nil, errors.New(err.String())
	}
	return answer[header.ICMPv4MinimumSize:res.Count], nil
}

// WaitFor polls until ok is true or the time is up.
func WaitFor(within time.Duration, ok func() bool) bool {
	for end := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}
}
