package network

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	xicmp "golang.org/x/net/icmp"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// pingIdle is how long an answer to the last ping of a row is waited for.
const pingIdle = 10 * time.Second

// pingKey names a row of pings: who sends them, to whom, with which identifier.
type pingKey struct {
	src, dst netip.Addr
	ident    uint16
}

// ping is the host's socket for one row of pings.
type ping struct {
	key  pingKey
	to   netip.Addr // where key.dst is reached
	conn *xicmp.PacketConn
	raw  bool   // the socket sees every ICMP message of the host
	id   uint16 // identifier on the outside, for a raw socket
}

// forwardICMP takes ICMP messages of the guest. It answers false for those
// that the netstack handles itself: pings to our own addresses, and errors.
func (n *Network) forwardICMP(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	dst, src := fromTCPIP(id.LocalAddress), fromTCPIP(id.RemoteAddress)
	head := header.ICMPv4(pkt.TransportHeader().Slice())
	if n.inspector.ours(dst) || head.Type() != header.ICMPv4Echo {
		return false
	}
	target, ok := n.destination(netip.AddrPortFrom(dst, 0))
	if !ok {
		n.count.icmp.failed.Add(1)
		return true
	}
	p := n.ping(pingKey{src, dst, head.Ident()}, target.Addr())
	if p == nil {
		return true
	}
	echo := make([]byte, 0, header.ICMPv4MinimumSize+pkt.Data().Size())
	echo = append(echo, head[:header.ICMPv4MinimumSize]...)
	echo = append(echo, pkt.Data().AsRange().ToSlice()...)
	p.send(echo, header.IPv4(pkt.NetworkHeader().Slice()).TTL())
	return true
}

// ping returns the socket of a row of pings, opening it for the first. It
// returns nil if there are too many, or the host grants no such socket.
func (n *Network) ping(key pingKey, to netip.Addr) *ping {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.pings[key]; p != nil {
		_ = p.conn.SetReadDeadline(time.Now().Add(pingIdle))
		return p
	}
	c := &n.count.icmp
	if len(n.pings) >= n.cfg.Limits.ICMPFlows {
		c.limited.Add(1)
		return nil
	}
	if n.closing {
		return nil
	}
	p := &ping{key: key, to: to, id: uint16(c.total.Load())}
	var err error
	if p.conn, err = xicmp.ListenPacket("udp4", "0.0.0.0"); err != nil {
		p.raw = true
		p.conn, err = xicmp.ListenPacket("ip4:icmp", "0.0.0.0")
	}
	if err != nil {
		c.failed.Add(1)
		return nil
	}
	_ = p.conn.SetReadDeadline(time.Now().Add(pingIdle))
	n.pings[key] = p
	n.work.Add(1)
	done := c.open()
	go func() {
		defer n.leave()
		defer done()
		n.receivePings(p)
	}()
	return p
}

// send passes one echo request on, with its time to live: a trace of the route
// starts beyond the gateway.
func (p *ping) send(echo []byte, ttl uint8) {
	if p.raw {
		binary.BigEndian.PutUint16(echo[4:], p.id)
	}
	header.ICMPv4(echo).SetChecksum(0)
	header.ICMPv4(echo).SetChecksum(^checksum.Checksum(echo, 0))
	_ = p.conn.IPv4PacketConn().SetTTL(max(int(ttl), 1))
	var addr net.Addr = &net.UDPAddr{IP: p.to.AsSlice()}
	if p.raw {
		addr = &net.IPAddr{IP: p.to.AsSlice()}
	}
	_, _ = p.conn.WriteTo(echo, addr) // an unsent ping is a lost ping
}

// receivePings returns answers to the guest until none came for a while.
func (n *Network) receivePings(p *ping) {
	stop := context.AfterFunc(n.ctx, func() { p.conn.Close() })
	defer stop()
	defer p.conn.Close()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.pings, p.key)
	}()
	buf := make([]byte, 64<<10)
	for {
		size, from, err := p.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		echo := header.ICMPv4(buf[:size])
		if size < header.ICMPv4MinimumSize || echo.Type() != header.ICMPv4EchoReply {
			continue
		}
		if p.raw && (echo.Ident() != p.id || !sameHost(from, p.to)) {
			continue // another program's
		}
		echo.SetIdent(p.key.ident)
		echo.SetChecksum(0)
		echo.SetChecksum(^checksum.Checksum(echo, 0))
		n.sendICMP(p.key.dst, p.key.src, echo)
		_ = p.conn.SetReadDeadline(time.Now().Add(pingIdle))
	}
}

func sameHost(a net.Addr, want netip.Addr) bool {
	ip, ok := a.(*net.IPAddr)
	if !ok {
		return false
	}
	got, _ := netip.AddrFromSlice(ip.IP)
	return got.Unmap() == want
}

// sendUnreachable tells the guest that a packet of it could not be delivered
// (RFC 792). start is how the packet's transport header began. "Port
// unreachable" comes from the destination itself, the rest from the gateway.
func (n *Network) sendUnreachable(code uint8, proto uint8, id stack.TransportEndpointID, start [8]byte) {
	msg := make([]byte, header.ICMPv4MinimumSize+ipv4Len+len(start))
	icmp := header.ICMPv4(msg)
	icmp.SetType(header.ICMPv4DstUnreachable)
	icmp.SetCode(header.ICMPv4Code(code))
	quoted := header.IPv4(msg[header.ICMPv4MinimumSize:])
	quoted.Encode(&header.IPv4Fields{
		TotalLength: ipv4Len + uint16(len(start)), TTL: 64, Protocol: proto,
		SrcAddr: id.RemoteAddress, DstAddr: id.LocalAddress,
	})
	quoted.SetChecksum(^quoted.CalculateChecksum())
	copy(msg[header.ICMPv4MinimumSize+ipv4Len:], start[:])
	icmp.SetChecksum(^checksum.Checksum(msg, 0))
	from := n.cfg.Gateway
	if code == codePort {
		from = fromTCPIP(id.LocalAddress)
	}
	n.sendICMP(from, fromTCPIP(id.RemoteAddress), msg)
}

// sendICMP sends the guest one ICMP message, complete with its checksum.
func (n *Network) sendICMP(from, to netip.Addr, msg []byte) {
	route, err := n.stack.FindRoute(nicID, toTCPIP(from), toTCPIP(to), ipv4.ProtocolNumber, false)
	if err != nil {
		return
	}
	defer route.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(route.MaxHeaderLength()),
		Payload:            buffer.MakeWithData(msg),
	})
	defer pkt.DecRef()
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: header.ICMPv4ProtocolNumber, TTL: 64}, pkt)
}
