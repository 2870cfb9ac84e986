package packet

import "strconv"

// maxText is how much of a name, a path or a phrase Info shows.
const maxText = 256

// AppendInfo appends the line that the packet list shows: what this frame is
// for, in a few words. It does not allocate beyond dst.
func (p *Parsed) AppendInfo(dst []byte) []byte {
	switch s := p.Set; {
	case s.Has(DNS):
		dst = p.dnsInfo(dst)
	case s.Has(DHCP):
		dst = p.dhcpInfo(dst)
	case s.Has(TLS):
		dst = p.tlsInfo(dst)
	case s.Has(HTTP):
		dst = p.httpInfo(dst)
	case s.Has(TCP):
		dst = p.tcpInfo(dst)
	case s.Has(UDP):
		dst = strconv.AppendUint(dst, uint64(p.SrcPort), 10)
		dst = append(dst, " → "...)
		dst = strconv.AppendUint(dst, uint64(p.DstPort), 10)
		dst = appendInt(dst, " [len ", p.PayloadLen)
		dst = append(dst, ']')
	case s.Any(ICMPv4 | ICMPv6):
		dst = p.icmpInfo(dst)
	case s.Any(IPv4 | IPv6):
		dst = p.ipInfo(dst)
	case s.Has(ARP):
		dst = p.arpInfo(dst)
	default:
		dst = append(dst, "EtherType 0x"...)
		dst = appendHex16(dst, p.EtherType)
		dst = appendInt(dst, " [len ", p.PayloadLen)
		dst = append(dst, ']')
	}
	if p.Malformed != 0 {
		dst = append(dst, " [malformed]"...)
	}
	if p.Truncated {
		dst = append(dst, " [truncated]"...)
	}
	return dst
}

func (p *Parsed) tcpInfo(dst []byte) []byte {
	t := &p.TCP
	dst = t.Flags.appendTo(dst)
	dst = append(dst, " → "...)
	dst = strconv.AppendUint(dst, uint64(p.DstPort), 10)
	dst = appendInt(dst, " [win ", int(t.Window))
	if t.Len > 0 {
		dst = appendInt(dst, ", len ", t.Len)
	}
	if t.MSS > 0 {
		dst = appendInt(dst, ", mss ", int(t.MSS))
	}
	if t.SACKs > 0 {
		dst = append(dst, ", sack"...)
	}
	return append(dst, ']')
}

// appendTo appends the names of the bits that are set, SYN and FIN first, as
// people say them.
func (f TCPFlags) appendTo(dst []byte) []byte {
	names := [...]struct {
		bit  TCPFlags
		name string
	}{{SYN, "SYN"}, {FIN, "FIN"}, {RST, "RST"}, {PSH, "PSH"}, {ACK, "ACK"}, {URG, "URG"}, {ECE, "ECE"}, {CWR, "CWR"}}
	n := 0
	for _, x := range names {
		if f&x.bit == 0 {
			continue
		}
		if n++; n > 1 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, x.name...)
	}
	if n == 0 {
		dst = append(dst, "no flags"...)
	}
	return dst
}

// String names the bits that are set: "SYN, ACK".
func (f TCPFlags) String() string { return string(f.appendTo(nil)) }

func (p *Parsed) dnsInfo(dst []byte) []byte {
	d := &p.DNS
	dst = append(dst, "Standard query"...)
	if d.Response() {
		dst = append(dst, " response"...)
	}
	if d.QName > 0 {
		dst = append(dst, ' ')
		dst = appendDNSType(dst, d.QType)
		dst = append(dst, ' ')
		dst = p.AppendQName(dst)
	}
	if !d.Response() {
		return dst
	}
	if code := d.RCode(); code != 0 {
		dst = append(dst, ": "...)
		return append(dst, rcodeName(code)...)
	}
	const shown = 4
	sep := ": "
	for it := p.DNSRecords(); it.Next() && it.Index() < int(d.Answers); sep = ", " {
		if it.Index() == shown {
			return append(dst, ", …"...)
		}
		r := it.Record()
		dst = append(dst, sep...)
		switch {
		case r.Addr.IsValid():
			dst = r.Addr.AppendTo(dst)
		case r.Type == TypeCNAME || r.Type == TypePTR || r.Type == TypeNS:
			dst = appendDNSType(dst, r.Type)
			dst = append(dst, ' ')
			dst = it.AppendName(dst, r.Data.Start)
		default:
			dst = appendDNSType(dst, r.Type)
		}
	}
	return dst
}

func appendDNSType(dst []byte, t uint16) []byte {
	if name := dnsTypeName(t); name != "" {
		return append(dst, name...)
	}
	return appendInt(dst, "TYPE", int(t)) // RFC 3597 §5
}

func (p *Parsed) dhcpInfo(dst []byte) []byte {
	d := &p.DHCP
	dst = append(dst, "DHCP "...)
	dst = append(dst, dhcpTypeName(d.Type)...)
	switch {
	case d.YourIP.IsValid() && !d.YourIP.IsUnspecified():
		dst = append(dst, ' ')
		dst = d.YourIP.AppendTo(dst)
		dst = append(dst, " for "...)
	case d.Requested.IsValid():
		dst = append(dst, ' ')
		dst = d.Requested.AppendTo(dst)
		dst = append(dst, " by "...)
	default:
		dst = append(dst, " by "...)
	}
	return appendMAC(dst, d.ClientMAC)
}

func (p *Parsed) tlsInfo(dst []byte) []byte {
	t := &p.TLS
	if t.Handshake == handshakeClientHello {
		dst = append(dst, "Client Hello"...)
		if t.ServerName.Len() > 0 {
			dst = append(dst, " (SNI="...)
			dst = appendText(dst, p.Bytes(t.ServerName))
			dst = append(dst, ')')
		}
		return dst
	}
	if t.Record == recordHandshake && t.Handshake != 0 {
		dst = append(dst, handshakeName(t.Handshake)...)
	} else if t.Record == recordHandshake {
		dst = append(dst, "Encrypted Handshake Message"...)
	} else {
		dst = append(dst, recordName(t.Record)...)
	}
	return p.moreRecords(dst)
}

// moreRecords names the kinds of record after the first, a few of them.
func (p *Parsed) moreRecords(dst []byte) []byte {
	const shown = 4
	b := p.Bytes(p.Payload)
	for n := 0; ; n++ {
		next := tlsRecordLen + int(be16(b[3:]))
		if next >= len(b) || !isTLSRecord(b[next:]) {
			return dst
		}
		if n == shown {
			return append(dst, ", …"...)
		}
		b = b[next:]
		dst = append(dst, ", "...)
		dst = append(dst, recordName(b[0])...)
	}
}

func (p *Parsed) httpInfo(dst []byte) []byte {
	h := &p.HTTP
	if !h.Request {
		dst = appendText(dst, p.Bytes(h.Version))
		dst = appendInt(dst, " ", h.Status)
		if h.Reason.Len() > 0 {
			dst = append(dst, ' ')
			dst = appendText(dst, p.Bytes(h.Reason))
		}
		return dst
	}
	dst = appendText(dst, p.Bytes(h.Method))
	dst = append(dst, ' ')
	dst = appendText(dst, p.Bytes(h.Target))
	if h.Version.Len() > 0 {
		dst = append(dst, ' ')
		dst = appendText(dst, p.Bytes(h.Version))
	}
	return dst
}

func (p *Parsed) ipInfo(dst []byte) []byte {
	if p.Fragment() {
		dst = append(dst, "Fragment of "...)
	}
	if name := ipProtoName(p.IPProto); name != "" {
		dst = append(dst, name...)
	} else {
		dst = appendInt(dst, "IP protocol ", int(p.IPProto))
	}
	if p.Fragment() {
		dst = appendInt(dst, " at ", p.FragOffset)
		dst = append(dst, ", ID 0x"...)
		dst = strconv.AppendUint(dst, uint64(p.IPID), 16)
		if !p.MoreFragments {
			dst = append(dst, ", last"...)
		}
	}
	dst = appendInt(dst, " [len ", p.PayloadLen)
	return append(dst, ']')
}

func (p *Parsed) arpInfo(dst []byte) []byte {
	a := &p.ARP
	switch {
	case !a.Target.IsValid():
		return append(dst, "ARP"...)
	case a.Op == 1 && a.Sender == a.Target:
		dst = append(dst, "Announcement of "...)
		return a.Sender.AppendTo(dst)
	case a.Op == 1:
		dst = append(dst, "Who has "...)
		dst = a.Target.AppendTo(dst)
		dst = append(dst, "? Tell "...)
		return a.Sender.AppendTo(dst)
	case a.Op == 2:
		dst = a.Sender.AppendTo(dst)
		dst = append(dst, " is at "...)
		return appendMAC(dst, a.SenderMAC)
	}
	return appendInt(dst, "ARP operation ", int(a.Op))
}

func (p *Parsed) icmpInfo(dst []byte) []byte {
	name := icmpTypeName(p.Set.Has(ICMPv6), p.ICMP.Type)
	if name == "" {
		dst = appendInt(dst, "Type ", int(p.ICMP.Type))
	} else {
		dst = append(dst, name...)
	}
	if p.Echo() {
		dst = append(dst, " id=0x"...)
		dst = appendHex16(dst, p.ICMP.ID)
		return appendInt(dst, " seq=", int(p.ICMP.Seq))
	}
	if why := p.unreachableReason(); why != "" {
		dst = append(dst, " ("...)
		dst = append(dst, why...)
		return append(dst, ')')
	}
	if target, ok := p.ndTarget(); ok {
		dst = append(dst, " for "...)
		return target.AppendTo(dst)
	}
	return dst
}

func appendInt(dst []byte, before string, n int) []byte {
	return strconv.AppendInt(append(dst, before...), int64(n), 10)
}

const hexDigits = "0123456789abcdef"

func appendHex16(dst []byte, v uint16) []byte {
	return append(dst, hexDigits[v>>12], hexDigits[v>>8&15], hexDigits[v>>4&15], hexDigits[v&15])
}

func appendMAC(dst []byte, mac [6]byte) []byte {
	for i, c := range mac {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// appendText appends bytes of a frame as safe text, cut at maxText of them.
func appendText(dst, b []byte) []byte {
	cut := len(b) > maxText
	if cut {
		b = b[:maxText]
	}
	for _, c := range b {
		dst = appendPrintable(dst, c)
	}
	if cut {
		dst = append(dst, "…"...)
	}
	return dst
}

func appendPrintable(dst []byte, c byte) []byte {
	if c < 0x20 || c > 0x7e {
		return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, c)
}
