package packet

const (
	tcpLen  = 20
	udpLen  = 8
	icmpLen = 4
)

// TCPFlags are the control bits of a TCP header (RFC 9293 §3.1, RFC 3168).
type TCPFlags uint8

// The control bits.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// TCPFields are those of a TCP header and the options every stack sends.
type TCPFields struct {
	Seq, Ack uint32
	Flags    TCPFlags
	Window   uint16 // as sent, not scaled
	Len      int    // payload bytes claimed, Parsed.PayloadLen

	MSS           uint16 // 0: no such option
	WindowScale   int8   // shift; -1: no such option
	SACKPermitted bool
	SACKs         uint8 // how many of SACK are valid
	SACK          [4]SACKBlock
	HasTimestamps bool
	TSVal, TSEcr  uint32 // valid iff HasTimestamps (RFC 7323)
}

// SACKBlock is a range of sequence numbers received out of order (RFC 2018).
type SACKBlock struct{ Left, Right uint32 }

const (
	optEnd       = 0
	optNop       = 1
	optMSS       = 2
	optWScale    = 3
	optSACKPerm  = 4
	optSACK      = 5
	optTimestamp = 8
)

func (p *Parsed) decodeTCP(off, n int) {
	if n < tcpLen {
		p.Malformed |= TCP
		return
	}
	if len(p.Frame) < off+tcpLen {
		p.Truncated = true
		return
	}
	b := p.Frame[off:]
	hdr := int(b[12]>>4) * 4
	if hdr < tcpLen || hdr > n {
		p.Malformed |= TCP
		return
	}
	p.Set |= TCP
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	t := &p.TCP
	t.Seq, t.Ack = be32(b[4:]), be32(b[8:])
	t.Flags = TCPFlags(b[13])
	t.Window = be16(b[14:])
	t.WindowScale = -1
	t.Len = n - hdr
	p.decodeTCPOptions(b[tcpLen:min(hdr, len(b))])
	if len(b) < hdr {
		p.Truncated = true
		p.Payload = Span{len(p.Frame), len(p.Frame)}
		p.PayloadLen = n - hdr
		return
	}
	p.setPayload(off+hdr, n-hdr)
	p.decodeStream()
}

func (p *Parsed) decodeTCPOptions(b []byte) {
	t := &p.TCP
	for len(b) > 0 {
		switch b[0] {
		case optEnd:
			return
		case optNop:
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			if !p.Truncated {
				p.Malformed |= TCP
			}
			return
		}
		v := b[2:b[1]]
		switch {
		case b[0] == optMSS && len(v) == 2:
			t.MSS = be16(v)
		case b[0] == optWScale && len(v) == 1:
			t.WindowScale = int8(min(v[0], 14)) // RFC 7323 §2.3
		case b[0] == optSACKPerm && len(v) == 0:
			t.SACKPermitted = true
		case b[0] == optSACK:
			for t.SACKs = 0; len(v) >= 8 && int(t.SACKs) < len(t.SACK); t.SACKs++ {
				t.SACK[t.SACKs] = SACKBlock{be32(v), be32(v[4:])}
				v = v[8:]
			}
		case b[0] == optTimestamp && len(v) == 8:
			t.HasTimestamps = true
			t.TSVal, t.TSEcr = be32(v), be32(v[4:])
		}
		b = b[b[1]:]
	}
}

// decodeStream looks for a protocol at the start of a TCP segment. Ports are
// no guide to what containers speak, so TLS and HTTP are told by their bytes.
func (p *Parsed) decodeStream() {
	if p.Payload.Len() == 0 {
		return
	}
	if p.SrcPort == portDNS || p.DstPort == portDNS {
		p.decodeDNSOverTCP()
		return
	}
	if p.decodeTLS() {
		return
	}
	p.decodeHTTP()
}

func (p *Parsed) decodeUDP(off, n int) {
	if n < udpLen {
		p.Malformed |= UDP
		return
	}
	if len(p.Frame) < off+udpLen {
		p.Truncated = true
		return
	}
	b := p.Frame[off:]
	length := int(be16(b[4:]))
	if length == 0 {
		length = n // a jumbogram (RFC 2675 §4), or left to hardware
	}
	if length < udpLen || length > n && !p.MoreFragments {
		p.Malformed |= UDP
		return
	}
	p.Set |= UDP
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	p.setPayload(off+udpLen, min(length, n)-udpLen)
	if p.Payload.Len() == 0 {
		return
	}
	switch {
	case isDNSPort(p.SrcPort) || isDNSPort(p.DstPort):
		p.decodeDNS(p.Payload.Start, p.Payload.End)
	case isDHCPPort(p.SrcPort) && isDHCPPort(p.DstPort):
		p.decodeDHCP()
	}
}

func (p *Parsed) decodeICMP(off, n int) {
	layer := ICMPv4
	if p.Set.Has(IPv6) {
		layer = ICMPv6
	}
	if n < icmpLen {
		p.Malformed |= layer
		return
	}
	if len(p.Frame) < off+icmpLen {
		p.Truncated = true
		return
	}
	b := p.Frame[off:]
	p.Set |= layer
	p.ICMP.Type, p.ICMP.Code = b[0], b[1]
	hdr := icmpLen
	if n >= 8 && len(b) >= 8 {
		hdr = 8
		if p.Echo() {
			p.ICMP.ID, p.ICMP.Seq = be16(b[4:]), be16(b[6:])
		}
	}
	p.setPayload(off+hdr, n-hdr)
}

// The ICMP messages told apart here.
const (
	icmpEchoReply    = 0
	icmpUnreachable  = 3
	icmpRedirect     = 5
	icmpEchoRequest  = 8
	icmpTimeExceeded = 11

	icmp6Unreachable  = 1
	icmp6TooBig       = 2
	icmp6TimeExceeded = 3
	icmp6EchoRequest  = 128
	icmp6EchoReply    = 129
	icmp6RouterSol    = 133
	icmp6RouterAdv    = 134
	icmp6NeighborSol  = 135
	icmp6NeighborAdv  = 136
	icmp6MLDv2Report  = 143
)

// Echo reports whether p is an ICMP or ICMPv6 echo request or reply.
func (p *Parsed) Echo() bool { return p.EchoRequest() || p.echoReply() }

// EchoRequest reports whether p is an ICMP or ICMPv6 echo request.
func (p *Parsed) EchoRequest() bool {
	return p.Set.Has(ICMPv4) && p.ICMP.Type == icmpEchoRequest ||
		p.Set.Has(ICMPv6) && p.ICMP.Type == icmp6EchoRequest
}

func (p *Parsed) echoReply() bool {
	return p.Set.Has(ICMPv4) && p.ICMP.Type == icmpEchoReply ||
		p.Set.Has(ICMPv6) && p.ICMP.Type == icmp6EchoReply
}
