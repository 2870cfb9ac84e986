package packet

import (
	"encoding/binary"
	"net/netip"
)

// MaxFrame is the longest frame the rest of the program handles: an IP packet
// of the greatest length (RFC 791: 65535) behind an Ethernet header.
const MaxFrame = 65535 + ethernetLen

// Set is the set of layers found in a frame.
type Set uint32

// The layers Decode knows, lowest first.
const (
	Ethernet Set = 1 << iota
	VLAN
	ARP
	IPv4
	IPv6
	ICMPv4
	ICMPv6
	UDP
	TCP
	DNS
	DHCP
	TLS
	HTTP
)

// Has reports whether every layer of want is in the set.
func (s Set) Has(want Set) bool { return s&want == want }

// Any reports whether some layer of want is in the set.
func (s Set) Any(want Set) bool { return s&want != 0 }

// Span is a range of bytes in the frame: Frame[Start:End]. The zero Span is
// empty and means "not there".
type Span struct{ Start, End int }

// Len is the number of bytes in the span.
func (s Span) Len() int { return s.End - s.Start }

// Parsed is what the packet list needs of one frame. It is filled in place by
// Decode and refers to the frame it was given: neither outlives the other.
type Parsed struct {
	Frame []byte
	Set   Set

	Truncated bool // the frame ends before its headers say it does
	Malformed Set  // layers whose bytes contradict each other

	EthDst, EthSrc [6]byte // valid iff Set has Ethernet
	EtherType      uint16  // of the payload behind any VLAN tags; a length below 0x600
	VLANID         uint16  // outermost tag; valid iff Set has VLAN

	ARP ARPFields // valid iff Set has ARP

	// Valid iff Set has IPv4 or IPv6.
	Src, Dst      netip.Addr
	IPProto       uint8  // of the payload, behind any IPv6 extension headers
	TTL           uint8  // or hop limit
	IPID          uint32 // valid iff IPv4, or an IPv6 fragment
	FragOffset    int    // bytes; nothing above IP is decoded unless 0
	MoreFragments bool
	ip            Span // from the IP header to the end of the packet, present bytes only

	SrcPort, DstPort uint16     // valid iff Set has TCP or UDP
	TCP              TCPFields  // valid iff Set has TCP
	ICMP             ICMPFields // valid iff Set has ICMPv4 or ICMPv6
	l4               int        // offset of the header above IP

	Payload    Span // bytes above TCP, UDP or (when nothing above is known) IP
	PayloadLen int  // what the headers claim; more than Payload holds if Truncated

	DNS  DNSFields  // valid iff Set has DNS
	DHCP DHCPFields // valid iff Set has DHCP
	TLS  TLSFields  // valid iff Set has TLS
	HTTP HTTPFields // valid iff Set has HTTP
}

// ARPFields are those of an ARP packet for IPv4 over Ethernet (RFC 826).
type ARPFields struct {
	Op                   uint16 // 1 request, 2 reply
	SenderMAC, TargetMAC [6]byte
	Sender, Target       netip.Addr
}

// ICMPFields are the common header of ICMP (RFC 792) and ICMPv6 (RFC 4443),
// and the identifier and sequence number of echo messages.
type ICMPFields struct {
	Type, Code uint8
	ID, Seq    uint16
}

// Fragment reports whether the frame carries a part of a larger IP packet.
func (p *Parsed) Fragment() bool { return p.MoreFragments || p.FragOffset > 0 }

// Bytes returns the frame's bytes in s.
func (p *Parsed) Bytes(s Span) []byte { return p.Frame[s.Start:s.End] }

// Decode replaces p with what frame says. It does not allocate, and keeps a
// reference to frame.
func (p *Parsed) Decode(frame []byte) {
	*p = Parsed{Frame: frame}
	if len(frame) < ethernetLen {
		p.Truncated = true
		return
	}
	p.Set = Ethernet
	copy(p.EthDst[:], frame[0:6])
	copy(p.EthSrc[:], frame[6:12])
	p.EtherType = be16(frame[12:])
	off := ethernetLen
	for isVLAN(p.EtherType) {
		if len(frame) < off+vlanLen {
			p.Truncated = true
			p.setPayload(off, len(frame)-off)
			return
		}
		if !p.Set.Has(VLAN) {
			p.Set |= VLAN
			p.VLANID = be16(frame[off:]) & 0xfff
		}
		p.EtherType = be16(frame[off+2:])
		off += vlanLen
	}
	switch p.EtherType {
	case etherTypeARP:
		p.decodeARP(off)
	case etherTypeIPv4:
		p.decodeIPv4(off)
	case etherTypeIPv6:
		p.decodeIPv6(off)
	default:
		p.setPayload(off, len(frame)-off)
	}
}

// setPayload records n claimed bytes from off, of which those present count.
func (p *Parsed) setPayload(off, n int) {
	p.PayloadLen = max(n, 0)
	p.Payload = Span{off, min(off+p.PayloadLen, len(p.Frame))}
	if p.Payload.End < off+p.PayloadLen {
		p.Truncated = true
	}
}

// Protocol is the name of the highest layer decoded, as the list's column
// shows it.
func (p *Parsed) Protocol() string {
	switch s := p.Set; {
	case s.Has(DNS):
		return dnsFlavour(p.SrcPort, p.DstPort)
	case s.Has(DHCP):
		return "DHCP"
	case s.Has(TLS):
		return "TLS"
	case s.Has(HTTP):
		return "HTTP"
	case s.Has(TCP):
		return "TCP"
	case s.Has(UDP):
		return "UDP"
	case s.Has(ICMPv4):
		return "ICMP"
	case s.Has(ICMPv6):
		return "ICMPv6"
	case s.Any(IPv4 | IPv6):
		if name := ipProtoName(p.IPProto); name != "" && !p.Fragment() && p.Malformed == 0 {
			return name
		}
		if s.Has(IPv4) {
			return "IPv4"
		}
		return "IPv6"
	case s.Has(ARP):
		return "ARP"
	}
	return "Ethernet"
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
