package packet

import "fmt"

func (t *tree) ipv4() {
	p := t.p
	off := p.ip.Start
	b := p.Frame[off:]
	hdr := int(b[0]&0xf) * 4
	end := min(off+hdr, len(p.Frame))
	f := t.fields(end)
	f.add("ip.version", "Version", "4", off, 1)
	f.add("ip.hdr_len", "Header length", fmt.Sprintf("%d bytes", hdr), off, 1)
	f.traffic("ip.dsfield", b[1], off+1, 1)
	f.num("ip.len", "Total length", off+2, 2, "")
	f.hex("ip.id", "Identification", off+4, 2, "")
	flags := f.sub()
	flags.bit("ip.flags.rb", "Reserved bit", off+6, 1, 0x80)
	flags.bit("ip.flags.df", "Don't fragment", off+6, 1, 0x40)
	flags.bit("ip.flags.mf", "More fragments", off+6, 1, 0x20)
	f.add("ip.flags", "Flags", fmt.Sprintf("0x%x", b[6]>>5), off+6, 1, flags.list...)
	f.add("ip.frag_offset", "Fragment offset", plural(p.FragOffset, "byte"), off+6, 2)
	f.num("ip.ttl", "Time to live", off+8, 1, "")
	f.num("ip.proto", "Protocol", off+9, 1, ipProtoName(b[9]))
	f.hex("ip.checksum", "Header checksum", off+10, 2, "")
	f.ip4("ip.src", "Source address", off+12)
	f.ip4("ip.dst", "Destination address", off+16)
	f.ipOptions(off+ipv4Len, end)
	t.add("ip", fmt.Sprintf("Internet Protocol Version 4, Src: %s, Dst: %s", p.Src, p.Dst), off, end, f)
}

// traffic adds the DS field and ECN bits (RFC 2474, RFC 3168), v being their
// byte's value.
func (f *fields) traffic(name string, v byte, off, n int) {
	sub := f.sub()
	sub.add(name+".dscp", "Differentiated services", fmt.Sprint(v>>2), off, n)
	sub.add(name+".ecn", "Congestion notification", fmt.Sprint(v&3), off, n)
	f.add(name, "Traffic class", fmt.Sprintf("0x%02x", v), off, n, sub.list...)
}

// ipOptions adds the options of an IPv4 header (RFC 791 §3.1).
func (f *fields) ipOptions(off, end int) {
	for off < end {
		typ, n := f.b[off], 1
		if typ > 1 {
			if off+1 >= end || f.b[off+1] < 2 || off+int(f.b[off+1]) > end {
				f.raw("", "Malformed options", off, end-off)
				return
			}
			n = int(f.b[off+1])
		}
		sub := f.sub()
		sub.num("ip.opt.type", "Type", off, 1, "")
		if n > 1 {
			sub.num("ip.opt.len", "Length", off+1, 1, "")
			sub.raw("", "Value", off+2, n-2)
		}
		f.add("", "Option", ipOptionName(typ), off, n, sub.list...)
		if typ == 0 {
			return
		}
		off += n
	}
}

func ipOptionName(typ byte) string {
	switch typ {
	case 0:
		return "End of options"
	case 1:
		return "No operation"
	case 7:
		return "Record route"
	case 68:
		return "Timestamp"
	case 131:
		return "Loose source route"
	case 137:
		return "Strict source route"
	case 148:
		return "Router alert"
	}
	return fmt.Sprintf("Option %d", typ)
}

func (t *tree) ipv6() {
	p := t.p
	off := p.ip.Start
	b := p.Frame[off:]
	f := t.fields(off + ipv6Len)
	f.add("ipv6.version", "Version", "6", off, 1)
	class := byte(be16(b) >> 4)
	sub := f.sub()
	sub.add("ipv6.tclass.dscp", "Differentiated services", fmt.Sprint(class>>2), off, 4)
	sub.add("ipv6.tclass.ecn", "Congestion notification", fmt.Sprint(class&3), off, 4)
	f.add("ipv6.tclass", "Traffic class", fmt.Sprintf("0x%02x", class), off, 4, sub.list...)
	f.add("ipv6.flow", "Flow label", fmt.Sprintf("0x%05x", be32(b)&0xfffff), off+1, 3)
	f.num("ipv6.plen", "Payload length", off+4, 2, "")
	f.num("ipv6.nxt", "Next header", off+6, 1, extHeaderName(b[6]))
	f.num("ipv6.hlim", "Hop limit", off+7, 1, "")
	f.ip6("ipv6.src", "Source address", off+8)
	f.ip6("ipv6.dst", "Destination address", off+24)
	t.add("ipv6", fmt.Sprintf("Internet Protocol Version 6, Src: %s, Dst: %s", p.Src, p.Dst), off, off+ipv6Len, f)
	t.extHeaders(b[6], off+ipv6Len)
}

// extHeaders adds the extension headers up to the header Decode came to.
func (t *tree) extHeaders(next byte, off int) {
	p := t.p
	for off < p.l4 && off+8 <= len(p.Frame) {
		n := (int(p.Frame[off+1]) + 1) * 8
		switch next {
		case protoFragment:
			n = 8
		case protoAH:
			n = (int(p.Frame[off+1]) + 2) * 4
		}
		end := min(off+n, p.l4)
		name, prefix := extHeaderAbbrev(next)
		f := t.fields(end)
		f.num(prefix+".nxt", "Next header", off, 1, extHeaderName(p.Frame[off]))
		if next == protoFragment {
			f.add("ipv6.fraghdr.offset", "Offset", fmt.Sprint(p.FragOffset), off+2, 2)
			f.bit("ipv6.fraghdr.more", "More fragments", off+2, 2, 1)
			f.hex("ipv6.fraghdr.ident", "Identification", off+4, 4, "")
		} else {
			f.num(prefix+".len", "Length", off+1, 1, "")
			f.raw("", "Content", off+2, end-off-2)
		}
		t.add(name, extHeaderName(next), off, end, f)
		next, off = p.Frame[off], end
	}
}

func extHeaderAbbrev(next byte) (name, prefix string) {
	switch next {
	case protoHopByHop:
		return "ipv6.hopopts", "ipv6.hopopts"
	case protoRouting:
		return "ipv6.routing", "ipv6.routing"
	case protoFragment:
		return "ipv6.fraghdr", "ipv6.fraghdr"
	case protoDstOpts:
		return "ipv6.dstopts", "ipv6.dstopts"
	case protoAH:
		return "ah", "ah"
	}
	return "mipv6", "mip6"
}

func (t *tree) icmp() {
	p := t.p
	name, title := "icmp", "Internet Control Message Protocol"
	if p.Set.Has(ICMPv6) {
		name, title = "icmpv6", "Internet Control Message Protocol v6"
	}
	off, end := p.l4, p.Payload.Start
	f := t.fields(len(p.Frame))
	f.num(name+".type", "Type", off, 1, icmpTypeName(p.Set.Has(ICMPv6), p.ICMP.Type))
	f.num(name+".code", "Code", off+1, 1, p.unreachableReason())
	f.hex(name+".checksum", "Checksum", off+2, 2, "")
	target, isND := p.ndTarget()
	switch {
	case end < off+8:
	case p.Echo() && p.Set.Has(ICMPv6):
		f.hex("icmpv6.echo.identifier", "Identifier", off+4, 2, "")
		f.num("icmpv6.echo.sequence_number", "Sequence number", off+6, 2, "")
	case p.Echo():
		f.num("icmp.ident", "Identifier", off+4, 2, "")
		f.num("icmp.seq", "Sequence number", off+6, 2, "")
	case p.Set.Has(ICMPv4) && p.ICMP.Type == icmpUnreachable && p.ICMP.Code == 4:
		f.num("icmp.mtu", "MTU of next hop", off+6, 2, "")
	case p.Set.Has(ICMPv6) && p.ICMP.Type == icmp6TooBig:
		f.num("icmpv6.mtu", "MTU", off+4, 4, "")
	case isND:
		kind := "na"
		if p.ICMP.Type == icmp6NeighborSol {
			kind = "ns"
		}
		f.add("icmpv6.nd."+kind+".target_address", "Target address", target.String(), end, 16)
	}
	t.add(name, title+": "+string(p.icmpInfo(nil)), off, end, f)
}
