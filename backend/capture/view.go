package capture

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// label is the names of a flow's ends, in the flow's direction.
type label struct {
	dir                        Direction // which way frames of the source go
	srcName, dstName           string
	srcContainer, dstContainer string
}

// labelled is the names of one packet's ends, in the packet's direction.
type labelled struct {
	srcName, dstName           string
	srcContainer, dstContainer string
}

// maxLabels bounds what a view remembers of the names it asked for.
const maxLabels = 4096

// view is one reader's look at one packet after another. It makes each thing
// (headers, names, text) at most once a packet, and only if asked.
type view struct {
	stored
	parsed   packet.Parsed
	src, dst netip.Addr // IP or ARP addresses; not valid if there are none
	names    labelled
	text     []byte // all that a word is searched in, lower case

	decoded, named, rendered bool

	capture   *Capture
	flows     map[uint64]label      // names already asked for
	addresses map[netip.Addr]string // likewise, of packets that have no flow
	scratch   []byte
}

func (c *Capture) newView() *view {
	return &view{capture: c, flows: map[uint64]label{}, addresses: map[netip.Addr]string{}}
}

// forget drops the names asked for, so that those learned since are seen.
func (v *view) forget() {
	clear(v.flows)
	clear(v.addresses)
}

// show turns the view to a packet. It is valid while its segment is held.
func (v *view) show(s stored) {
	v.stored = s
	v.decoded, v.named, v.rendered = false, false, false
}

func (v *view) decode() {
	if v.decoded {
		return
	}
	v.decoded = true
	v.parsed.Decode(v.frame)
	v.src, v.dst = v.parsed.Src, v.parsed.Dst
	if v.parsed.Set.Has(packet.ARP) {
		v.src, v.dst = v.parsed.ARP.Sender, v.parsed.ARP.Target
	}
}

// label finds the packet's names: those of its flow, or else of its addresses.
func (v *view) label() {
	if v.named {
		return
	}
	v.named = true
	v.decode()
	v.names = labelled{}
	if l, ok := v.flowLabel(); ok {
		if l.dir == v.dir {
			v.names = labelled{l.srcName, l.dstName, l.srcContainer, l.dstContainer}
		} else {
			v.names = labelled{l.dstName, l.srcName, l.dstContainer, l.srcContainer}
		}
		return
	}
	v.names.srcName, v.names.dstName = v.address(v.src), v.address(v.dst)
}

func (v *view) flowLabel() (l label, ok bool) {
	if v.flow == 0 {
		return label{}, false
	}
	if l, ok = v.flows[v.flow]; ok {
		return l, true
	}
	c := v.capture
	c.mu.Lock()
	l, ok = c.labelOf(v.flow)
	c.mu.Unlock()
	if !ok {
		return label{}, false
	}
	if len(v.flows) >= maxLabels {
		clear(v.flows)
	}
	v.flows[v.flow] = l
	return l, true
}

// labelOf returns the names of a flow, whether it is in the table or was.
func (c *Capture) labelOf(id uint64) (label, bool) {
	f := c.flows.byID[id]
	if f == nil {
		l, ok := c.names.past.m[id]
		return l, ok
	}
	c.names.resolve(f, c.now())
	return c.names.label(f), true
}

func (v *view) address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	if name, ok := v.addresses[a]; ok {
		return name
	}
	c := v.capture
	c.mu.Lock()
	name := c.names.address(a)
	c.mu.Unlock()
	if len(v.addresses) >= maxLabels {
		clear(v.addresses)
	}
	v.addresses[a] = name
	return name
}

// render makes the text that words are searched in: one thing a line, so that
// no word matches across two of them.
func (v *view) render() {
	if v.rendered {
		return
	}
	v.rendered = true
	v.decode()
	v.label()
	p, b := &v.parsed, v.text[:0]
	if v.src.IsValid() {
		b = append(v.src.AppendTo(b), '\n')
		b = append(v.dst.AppendTo(b), '\n')
	}
	if p.Set.Any(packet.TCP | packet.UDP) {
		b = append(strconv.AppendUint(b, uint64(p.SrcPort), 10), '\n')
		b = append(strconv.AppendUint(b, uint64(p.DstPort), 10), '\n')
	}
	for _, s := range []string{v.names.srcName, v.names.dstName, v.names.srcContainer, v.names.dstContainer, p.Protocol()} {
		b = append(append(b, s...), '\n')
	}
	b = p.AppendInfo(b)
	v.text = lower(b)
}

// lower puts ASCII letters in lower case, in place.
func lower(b []byte) []byte {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return b
}

// hosts reports whether the lower-case word is part of a name or an address.
func (v *view) hosts(word []byte) bool {
	v.scratch = v.scratch[:0]
	for _, s := range []string{v.names.srcName, v.names.dstName, v.names.srcContainer, v.names.dstContainer} {
		v.scratch = append(append(v.scratch, s...), '\n')
	}
	if v.src.IsValid() {
		v.scratch = append(v.src.AppendTo(v.scratch), '\n')
		v.scratch = v.dst.AppendTo(v.scratch)
	}
	return bytes.Contains(lower(v.scratch), word)
}

// row makes the packet's line in the list.
func (v *view) row() Row {
	v.decode()
	v.label()
	p := &v.parsed
	v.scratch = p.AppendInfo(v.scratch[:0])
	r := Row{
		N: v.n, Time: v.at.UTC(), Dir: v.dir.String(), Flow: v.flow,
		SrcPort: p.SrcPort, DstPort: p.DstPort,
		SrcName: v.names.srcName, DstName: v.names.dstName,
		Proto: p.Protocol(), Length: v.wire, Info: string(v.scratch),
	}
	if v.src.IsValid() {
		r.Src, r.Dst = v.src.String(), v.dst.String()
	} else if p.Set.Has(packet.Ethernet) {
		r.Src, r.Dst = packet.MAC(p.EthSrc), packet.MAC(p.EthDst)
	}
	return r
}
