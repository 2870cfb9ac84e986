package network

import (
	"encoding/binary"
	"net/netip"
)

// Offsets and numbers of the headers that inspect reads: IEEE 802.3, RFC 826
// (ARP), RFC 791 (IPv4), RFC 768 (UDP).
const (
	etherLen  = 14
	arpLen    = 28
	ipv4Len   = 20
	udpLen    = 8
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
	portDHCP  = 67
)

type mac [6]byte

// gatewayMAC is the hardware address of the gateway and host addresses. It is
// locally administered (second bit of the first byte) and spells SLP.
var gatewayMAC = mac{0x02, 0x53, 0x4c, 0x50, 0x00, 0x01}

var broadcastMAC = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// inspector judges the frames of a guest before the netstack sees them. The
// netstack accepts any destination and answers for any address, because it
// stands for the whole world outside; what keeps the guest from speaking in
// the name of the gateway, or from being told that its own address is taken,
// is decided here. It is a pure function of the frame.
type inspector struct {
	subnet             netip.Prefix
	broadcast          netip.Addr
	gateway, hostAlias netip.Addr
}

// inspect returns keep for a frame that the netstack may have, or why it may
// not. For a DHCP request it returns the message instead, which goes to the
// DHCP server and nowhere else.
func (i *inspector) inspect(frame []byte) (cause dropCause, dhcp []byte) {
	if len(frame) < etherLen {
		return dropMalformed, nil
	}
	dst, src := mac(frame[0:6]), mac(frame[6:12])
	if src[0]&1 != 0 || src == gatewayMAC {
		return dropSpoofed, nil
	}
	if dst != gatewayMAC && dst != broadcastMAC {
		return dropNotForUs, nil
	}
	switch binary.BigEndian.Uint16(frame[12:14]) {
	case etherARP:
		return i.arp(frame[etherLen:], src), nil
	case etherIPv4:
		return i.ipv4(frame[etherLen:])
	}
	return dropUnsupported, nil
}

func (i *inspector) ours(a netip.Addr) bool { return a == i.gateway || a == i.hostAlias }

// arp lets through only requests for our own addresses, and replies. A probe
// for any other address (RFC 5227) must stay unanswered.
func (i *inspector) arp(p []byte, src mac) dropCause {
	if len(p) < arpLen || binary.BigEndian.Uint64(p)>>16 != 0x0001_0800_0604 {
		return dropMalformed // not IPv4 over Ethernet
	}
	sender, target := addr4(p[14:]), addr4(p[24:])
	if mac(p[8:14]) != src || i.ours(sender) {
		return dropSpoofed
	}
	switch binary.BigEndian.Uint16(p[6:]) {
	case 1:
		if !i.ours(target) {
			return dropNotForUs
		}
	case 2:
		if !i.ours(target) || !i.subnet.Contains(sender) {
			return dropNotForUs
		}
	default:
		return dropUnsupported
	}
	return keep
}

func (i *inspector) ipv4(p []byte) (dropCause, []byte) {
	if len(p) < ipv4Len || p[0]>>4 != 4 {
		return dropMalformed, nil
	}
	head, total := int(p[0]&0xf)*4, int(binary.BigEndian.Uint16(p[2:]))
	if head < ipv4Len || total < head || total > len(p) {
		return dropMalformed, nil
	}
	src, dst := addr4(p[12:]), addr4(p[16:])
	if p[9] == protoUDP && binary.BigEndian.Uint16(p[6:])&0x3fff == 0 { // not a fragment
		if msg, ok := i.dhcp(p[head:total], src, dst); ok {
			return keep, msg
		}
	}
	switch {
	case i.ours(src), src.IsMulticast(), src.IsLoopback(), isReserved(src), src == i.broadcast:
		return dropSpoofed, nil
	case i.ours(dst):
		return keep, nil
	case dst.IsMulticast(), dst.IsLoopback(), isReserved(dst), i.subnet.Contains(dst):
		return dropNotForUs, nil
	}
	return keep, nil
}

// dhcp returns the message of a datagram to our DHCP server.
func (i *inspector) dhcp(p []byte, src, dst netip.Addr) ([]byte, bool) {
	if len(p) < udpLen || binary.BigEndian.Uint16(p[2:]) != portDHCP {
		return nil, false
	}
	if dst != i.gateway && dst != i.broadcast && dst != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return nil, false
	}
	if !src.IsUnspecified() && !i.subnet.Contains(src) {
		return nil, false
	}
	length := int(binary.BigEndian.Uint16(p[4:]))
	if length < udpLen || length > len(p) {
		return nil, false
	}
	return p[udpLen:length], true
}

// isReserved says whether an address names no station: "this network"
// (0.0.0.0/8) or the reserved top (240.0.0.0/4, with the broadcast address).
func isReserved(a netip.Addr) bool {
	b := a.As4()
	return b[0] == 0 || b[0] >= 240
}

func addr4(p []byte) netip.Addr { return netip.AddrFrom4([4]byte(p[:4])) }
