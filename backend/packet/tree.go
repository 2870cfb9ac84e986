package packet

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
)

// Layer is one protocol of a frame, for the detail view.
type Layer struct {
	Name    string  `json:"name"`    // Wireshark's short name: "eth", "ip", "tcp"
	Summary string  `json:"summary"` // one line
	Start   int     `json:"start"`   // the layer's own bytes are frame[Start:End]
	End     int     `json:"end"`
	Fields  []Field `json:"fields"`
}

// Field is a value in a layer and the bytes it was read from. Fields that have
// Fields are groups; some of those have no Value.
type Field struct {
	Name   string  `json:"name"`  // as in a display filter: "tcp.dstport"; empty for pure groups
	Label  string  `json:"label"` // for people: "Destination port"
	Value  string  `json:"value"`
	Start  int     `json:"start"` // the field's bytes are frame[Start:End]
	End    int     `json:"end"`
	Fields []Field `json:"fields,omitempty"`
}

// MAC formats a hardware address.
func MAC(a [6]byte) string { return string(appendMAC(nil, a)) }

const (
	// maxItems bounds the repeated fields of one layer (records, options,
	// headers); what is beyond is one field that says so.
	maxItems = 128
	// maxValue bounds the bytes of a frame shown in one value.
	maxValue = 1024
)

// fields gathers the fields of a layer or group. Fields that the bytes do not
// hold are left out.
type fields struct {
	b    []byte // the frame, up to the layer's end
	list []Field
}

func (f *fields) has(off, n int) bool { return n >= 0 && off >= 0 && off+n <= len(f.b) }

// add appends a field of n bytes at off.
func (f *fields) add(name, label, value string, off, n int, sub ...Field) {
	if f.has(off, n) {
		f.list = append(f.list, Field{name, label, value, off, off + n, sub})
	}
}

// more appends what stands for items left out.
func (f *fields) more(off int) {
	f.add("", "More", "not shown", off, len(f.b)-off)
}

// sub returns an empty group over the same bytes.
func (f *fields) sub() fields { return fields{b: f.b} }

// num appends an unsigned number of n bytes in decimal; what explains it.
func (f *fields) num(name, label string, off, n int, what string) {
	if !f.has(off, n) {
		return
	}
	v := strconv.FormatUint(f.uint(off, n), 10)
	if what != "" {
		v = what + " (" + v + ")"
	}
	f.add(name, label, v, off, n)
}

// hex appends an unsigned number of n bytes in hexadecimal.
func (f *fields) hex(name, label string, off, n int, what string) {
	if !f.has(off, n) {
		return
	}
	v := fmt.Sprintf("0x%0*x", 2*n, f.uint(off, n))
	if what != "" {
		v = what + " (" + v + ")"
	}
	f.add(name, label, v, off, n)
}

func (f *fields) uint(off, n int) (v uint64) {
	for _, c := range f.b[off : off+n] {
		v = v<<8 | uint64(c)
	}
	return v
}

func (f *fields) mac(name, label string, off int) {
	if f.has(off, 6) {
		f.add(name, label, MAC([6]byte(f.b[off:])), off, 6)
	}
}

func (f *fields) ip4(name, label string, off int) {
	if f.has(off, 4) {
		f.add(name, label, netip.AddrFrom4([4]byte(f.b[off:])).String(), off, 4)
	}
}

func (f *fields) ip6(name, label string, off int) {
	if f.has(off, 16) {
		f.add(name, label, netip.AddrFrom16([16]byte(f.b[off:])).String(), off, 16)
	}
}

// text appends n bytes as text, raw appends them as hexadecimal digits.
func (f *fields) text(name, label string, off, n int) {
	if f.has(off, n) {
		f.add(name, label, textOf(f.b[off:off+n]), off, n)
	}
}

func (f *fields) raw(name, label string, off, n int) {
	if n > 0 && f.has(off, n) {
		f.add(name, label, hexOf(f.b[off:off+n]), off, n)
	}
}

// bit appends a flag that is mask in the n bytes at off.
func (f *fields) bit(name, label string, off, n int, mask uint64) {
	if !f.has(off, n) {
		return
	}
	value := "Not set"
	if f.uint(off, n)&mask != 0 {
		value = "Set"
	}
	f.add(name, label, value, off, n)
}

func textOf(b []byte) string {
	var out []byte
	for i, c := range b {
		if i == maxValue {
			return string(out) + "…"
		}
		out = appendPrintable(out, c)
	}
	return string(out)
}

func hexOf(b []byte) string {
	if len(b) > maxValue {
		return hex.EncodeToString(b[:maxValue]) + "…"
	}
	return hex.EncodeToString(b)
}

// Layers returns the frame's layers, lowest first, for the detail view. It
// reads the frame again and allocates; call it for the one packet looked at.
func (p *Parsed) Layers() []Layer {
	t := &tree{p: p, layers: []Layer{}}
	if len(p.Frame) < ethernetLen {
		t.data(0, len(p.Frame))
		return t.layers
	}
	off := t.link()
	switch {
	case p.Set.Has(ARP):
		t.arp(off)
	case p.Set.Has(IPv4):
		t.ipv4()
	case p.Set.Has(IPv6):
		t.ipv6()
	}
	switch {
	case p.Set.Has(TCP):
		t.tcp()
	case p.Set.Has(UDP):
		t.udp()
	case p.Set.Any(ICMPv4 | ICMPv6):
		t.icmp()
	}
	switch {
	case p.Set.Has(DNS):
		t.dns()
	case p.Set.Has(DHCP):
		t.dhcp()
	case p.Set.Has(TLS):
		t.tls()
	case p.Set.Has(HTTP):
		t.http()
	default:
		t.data(p.Payload.Start, p.Payload.End)
	}
	return t.layers
}

// tree gathers the layers of p.
type tree struct {
	p      *Parsed
	layers []Layer
}

// fields starts the fields of a layer that ends at end.
func (t *tree) fields(end int) fields { return fields{b: t.p.Frame[:end]} }

func (t *tree) add(name, summary string, start, end int, f fields) {
	if f.list == nil {
		f.list = []Field{}
	}
	t.layers = append(t.layers, Layer{name, summary, start, end, f.list})
}

// data adds the bytes nothing here knows more about.
func (t *tree) data(start, end int) {
	if start >= end {
		return
	}
	f := t.fields(end)
	f.raw("data.data", "Data", start, end-start)
	t.add("data", fmt.Sprintf("Data (%s)", plural(end-start, "byte")), start, end, f)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}
