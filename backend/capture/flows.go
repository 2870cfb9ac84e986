package capture

import (
	"slices"
	"time"
)

// Flows returns the flow table, most recent change of each kind first.
func (c *Capture) Flows() []Flow { return c.FlowsSince(0).Changed }

// FlowsSince returns what changed since the call that returned seq; 0 asks for
// everything. A flow whose Rate moved on with time has changed too. Changed is
// in the order of TCP, datagrams, ended, and in each the newest change first.
func (c *Capture) FlowsSince(seq uint64) FlowChanges {
	now := c.now()
	var found []*flow

	c.mu.Lock()
	c.flows.expireAll(now)
	c.flows.roll(now)
	c.nameLate(now)
	removed, reset := c.flows.since(seq, func(f *flow) { found = append(found, f) })
	out := FlowChanges{Seq: c.flows.seq, Reset: reset}
	c.mu.Unlock()

	out.Removed = append([]uint64{}, removed...)
	out.Changed = make([]Flow, 0, len(found))
	// The flows are copied a few at a time, so that frames may pass between.
	// One that changes meanwhile is shown as it is by then, and again next time.
	var batch [64]namedFlow
	for part := range slices.Chunk(found, len(batch)) {
		c.mu.Lock()
		for i, f := range part {
			c.names.resolve(f, now)
			batch[i] = namedFlow{*f, c.names.srcName(f), c.names.dstName(f)}
		}
		c.mu.Unlock()
		for i := range part {
			out.Changed = append(out.Changed, batch[i].export(now))
		}
	}
	return out
}

// nameLate asks again about flows that were silent since they were last shown
// without a name: what a container is called may be known only after its first
// packets. Those that got one count as changed.
func (c *Capture) nameLate(now time.Time) {
	const most = 256 // flows of each list, the newest
	var late []*flow
	for _, l := range c.flows.lists() {
		for f, n := l.last, 0; f != nil && n < most; f, n = f.prev, n+1 {
			if now.Sub(f.last) <= nameGrace && (f.srcInfo.Name == "" || f.dstInfo.Name == "") {
				late = append(late, f)
			}
		}
	}
	for _, f := range late {
		src, dst := f.srcInfo.Name, f.dstInfo.Name
		if c.names.resolve(f, now); f.srcInfo.Name != src || f.dstInfo.Name != dst {
			c.flows.touch(f)
		}
	}
}

// namedFlow is a copy of a flow, to be formatted without the lock.
type namedFlow struct {
	flow
	srcName, dstName string
}

func (f *namedFlow) export(now time.Time) Flow {
	party := f.srcInfo
	if party.Container == "" {
		party = f.dstInfo
	}
	out := Flow{
		ID: f.id, Proto: protoName(f.key.proto),
		Src: f.src.Addr().String(), SrcPort: f.src.Port(), SrcName: f.srcName,
		Dst: f.dst.Addr().String(), DstPort: f.dst.Port(), DstName: f.dstName,
		Dir: f.dir.String(), App: f.app, Detail: f.detail, State: f.state,
		Start: f.start, Last: f.last,
		BytesOut: f.out.bytes, PacketsOut: f.out.packets,
		BytesIn: f.in.bytes, PacketsIn: f.in.packets,
		RTT: float64(f.rtt.Microseconds()) / 1000, Retransmits: f.resent, Rate: f.rates(now),
	}
	if party.Container != "" {
		out.Container, out.Image = party.Container, party.Image
		out.Project, out.Service = party.Project, party.Service
	}
	return out
}

func protoName(proto uint8) string {
	switch proto {
	case protoICMP:
		return "ICMP"
	case protoTCP:
		return "TCP"
	case protoUDP:
		return "UDP"
	case protoICMPv6:
		return "ICMPv6"
	}
	return "IP"
}
