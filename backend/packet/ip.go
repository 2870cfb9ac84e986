package packet

import "net/netip"

const (
	ipv4Len = 20
	ipv6Len = 40

	protoHopByHop = 0
	protoICMP     = 1
	protoIGMP     = 2
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoESP      = 50
	protoAH       = 51
	protoICMPv6   = 58
	protoNoNext   = 59
	protoDstOpts  = 60
	protoSCTP     = 132
	protoMobility = 135

	// maxExtHeaders bounds the chain of IPv6 extension headers. RFC 8200 §4.1
	// names seven; more than this many is an attack on a decoder.
	maxExtHeaders = 16
)

// decodeIPv4 reads an IPv4 header (RFC 791).
func (p *Parsed) decodeIPv4(off int) {
	b := p.Frame[off:]
	if len(b) < ipv4Len {
		p.Truncated = true
		p.setPayload(off, len(b))
		return
	}
	hdr := int(b[0]&0xf) * 4
	total := int(be16(b[2:]))
	if total == 0 {
		// A sender that leaves segmentation to its hardware may say nothing.
		total = len(b)
	}
	if b[0]>>4 != 4 || hdr < ipv4Len || total < hdr {
		p.Malformed |= IPv4
		p.setPayload(off, len(b))
		return
	}
	p.Set |= IPv4
	p.Src = netip.AddrFrom4([4]byte(b[12:16]))
	p.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	p.IPID = uint32(be16(b[4:]))
	p.TTL, p.IPProto = b[8], b[9]
	flags := be16(b[6:])
	p.MoreFragments = flags&0x2000 != 0
	p.FragOffset = int(flags&0x1fff) * 8
	p.ip = Span{off, min(off+total, len(p.Frame))}
	if hdr > len(b) {
		p.Truncated = true
		p.l4 = p.ip.End
		p.setPayload(p.ip.End, 0)
		return
	}
	p.decodeTransport(off+hdr, total-hdr)
}

// decodeIPv6 reads an IPv6 header and its extension headers (RFC 8200).
func (p *Parsed) decodeIPv6(off int) {
	b := p.Frame[off:]
	if len(b) < ipv6Len {
		p.Truncated = true
		p.setPayload(off, len(b))
		return
	}
	if b[0]>>4 != 6 {
		p.Malformed |= IPv6
		p.setPayload(off, len(b))
		return
	}
	p.Set |= IPv6
	p.Src = netip.AddrFrom16([16]byte(b[8:24]))
	p.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	p.TTL = b[7]
	left := int(be16(b[4:]))
	if left == 0 && b[6] != protoNoNext {
		// A jumbogram (RFC 2675), or segmentation left to hardware.
		left = len(b) - ipv6Len
	}
	p.ip = Span{off, min(off+ipv6Len+left, len(p.Frame))}
	next := b[6]
	off += ipv6Len
	for range maxExtHeaders {
		n, ok := p.extHeader(next, off, left)
		if n == 0 {
			p.IPProto = next
			if !ok {
				p.l4 = off
				p.setPayload(off, left)
				return
			}
			p.decodeTransport(off, left)
			return
		}
		next = p.Frame[off]
		off, left = off+n, left-n
	}
	p.Malformed |= IPv6
	p.IPProto = next
	p.l4 = off
	p.setPayload(off, left)
}

// extHeader returns the length of the extension header of type next at off, or
// 0 if next is no extension header (ok) or cannot be followed (not ok).
func (p *Parsed) extHeader(next uint8, off, left int) (n int, ok bool) {
	if !isExtHeader(next) {
		return 0, true
	}
	if left < 8 {
		p.Malformed |= IPv6
		return 0, false
	}
	if len(p.Frame) < off+8 {
		p.Truncated = true
		return 0, false
	}
	switch next {
	case protoFragment:
		n = 8
		f := be16(p.Frame[off+2:])
		p.FragOffset = int(f &^ 7)
		p.MoreFragments = f&1 != 0
		p.IPID = be32(p.Frame[off+4:])
	case protoAH:
		n = (int(p.Frame[off+1]) + 2) * 4
	default:
		n = (int(p.Frame[off+1]) + 1) * 8
	}
	if n > left {
		p.Malformed |= IPv6
		return 0, false
	}
	if off+n > len(p.Frame) {
		p.Truncated = true
		return 0, false
	}
	return n, true
}

func isExtHeader(next uint8) bool {
	switch next {
	case protoHopByHop, protoRouting, protoFragment, protoAH, protoDstOpts, protoMobility:
		return true
	}
	return false
}

// decodeTransport reads what IP carries: n claimed bytes from off.
func (p *Parsed) decodeTransport(off, n int) {
	p.l4 = off
	p.setPayload(off, n)
	if p.FragOffset > 0 {
		return
	}
	switch {
	case p.IPProto == protoTCP:
		p.decodeTCP(off, n)
	case p.IPProto == protoUDP:
		p.decodeUDP(off, n)
	case p.IPProto == protoICMP && p.Set.Has(IPv4), p.IPProto == protoICMPv6 && p.Set.Has(IPv6):
		p.decodeICMP(off, n)
	}
}

func ipProtoName(proto uint8) string {
	switch proto {
	case protoICMP:
		return "ICMP"
	case protoIGMP:
		return "IGMP"
	case protoTCP:
		return "TCP"
	case protoUDP:
		return "UDP"
	case 47:
		return "GRE"
	case protoESP:
		return "ESP"
	case protoAH:
		return "AH"
	case protoICMPv6:
		return "ICMPv6"
	case protoSCTP:
		return "SCTP"
	}
	return ""
}

func extHeaderName(next uint8) string {
	switch next {
	case protoHopByHop:
		return "IPv6 Hop-by-Hop Option"
	case protoRouting:
		return "Routing Header for IPv6"
	case protoFragment:
		return "Fragment Header for IPv6"
	case protoAH:
		return "Authentication Header"
	case protoNoNext:
		return "No Next Header for IPv6"
	case protoDstOpts:
		return "Destination Options for IPv6"
	case protoMobility:
		return "Mobility Header"
	}
	return ipProtoName(next)
}
