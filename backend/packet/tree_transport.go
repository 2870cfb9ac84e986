package packet

import (
	"fmt"
	"strconv"
)

func (t *tree) udp() {
	p, off := t.p, t.p.l4
	f := t.fields(off + udpLen)
	f.num("udp.srcport", "Source port", off, 2, "")
	f.num("udp.dstport", "Destination port", off+2, 2, "")
	f.num("udp.length", "Length", off+4, 2, "")
	f.hex("udp.checksum", "Checksum", off+6, 2, "")
	t.add("udp", fmt.Sprintf("User Datagram Protocol, Src Port: %d, Dst Port: %d", p.SrcPort, p.DstPort), off, off+udpLen, f)
}

func (t *tree) tcp() {
	p, off := t.p, t.p.l4
	hdr := int(p.Frame[off+12]>>4) * 4
	end := min(off+hdr, len(p.Frame))
	f := t.fields(end)
	f.num("tcp.srcport", "Source port", off, 2, "")
	f.num("tcp.dstport", "Destination port", off+2, 2, "")
	f.num("tcp.seq_raw", "Sequence number", off+4, 4, "")
	f.num("tcp.ack_raw", "Acknowledgment number", off+8, 4, "")
	f.add("tcp.hdr_len", "Header length", fmt.Sprintf("%d bytes", hdr), off+12, 1)
	flags := f.sub()
	for _, x := range [...]struct {
		name, label string
		bit         uint64
	}{
		{"tcp.flags.cwr", "Congestion window reduced", 0x80}, {"tcp.flags.ece", "ECN-Echo", 0x40},
		{"tcp.flags.urg", "Urgent", 0x20}, {"tcp.flags.ack", "Acknowledgment", 0x10},
		{"tcp.flags.push", "Push", 0x08}, {"tcp.flags.reset", "Reset", 0x04},
		{"tcp.flags.syn", "Syn", 0x02}, {"tcp.flags.fin", "Fin", 0x01},
	} {
		flags.bit(x.name, x.label, off+13, 1, x.bit)
	}
	f.add("tcp.flags", "Flags", fmt.Sprintf("%s (0x%03x)", p.TCP.Flags, be16(p.Frame[off+12:])&0xfff), off+12, 2, flags.list...)
	f.num("tcp.window_size_value", "Window", off+14, 2, "")
	f.hex("tcp.checksum", "Checksum", off+16, 2, "")
	f.num("tcp.urgent_pointer", "Urgent pointer", off+18, 2, "")
	if end > off+tcpLen {
		opts := f.tcpOptions(off+tcpLen, end)
		f.add("tcp.options", "Options", plural(end-off-tcpLen, "byte"), off+tcpLen, end-off-tcpLen, opts...)
	}
	summary := fmt.Sprintf("Transmission Control Protocol, Src Port: %d, Dst Port: %d, Len: %d", p.SrcPort, p.DstPort, p.TCP.Len)
	t.add("tcp", summary, off, end, f)
}

// tcpOptions returns the fields of the options in b[off:end] (RFC 9293 §3.2).
func (f *fields) tcpOptions(off, end int) []Field {
	o := f.sub()
	for off < end {
		kind, n := f.b[off], 1
		if kind > optNop {
			if off+1 >= end || f.b[off+1] < 2 || off+int(f.b[off+1]) > end {
				o.raw("", "Malformed options", off, end-off)
				break
			}
			n = int(f.b[off+1])
		}
		v := off + 2
		switch {
		case kind == optEnd:
			o.add("tcp.options.eol", "End of options", "", off, 1)
			return o.list
		case kind == optNop:
			o.add("tcp.options.nop", "No operation", "", off, 1)
		case kind == optMSS && n == 4:
			o.num("tcp.options.mss_val", "Maximum segment size", v, 2, "")
		case kind == optWScale && n == 3:
			o.num("tcp.options.wscale.shift", "Window scale shift", v, 1, "")
		case kind == optSACKPerm && n == 2:
			o.add("tcp.options.sack_perm", "SACK permitted", "", off, n)
		case kind == optSACK:
			sub := o.sub()
			for i := v; i+8 <= off+n; i += 8 {
				sub.num("tcp.options.sack_le", "Left edge", i, 4, "")
				sub.num("tcp.options.sack_re", "Right edge", i+4, 4, "")
			}
			o.add("tcp.options.sack", "SACK", plural((n-2)/8, "block"), off, n, sub.list...)
		case kind == optTimestamp && n == 10:
			sub := o.sub()
			sub.num("tcp.options.timestamp.tsval", "Value", v, 4, "")
			sub.num("tcp.options.timestamp.tsecr", "Echo reply", v+4, 4, "")
			o.add("tcp.options.timestamp", "Timestamps", "", off, n, sub.list...)
		default:
			o.add("", "Option "+strconv.Itoa(int(kind)), hexOf(f.b[min(v, off+n):off+n]), off, n)
		}
		off += n
	}
	return o.list
}
