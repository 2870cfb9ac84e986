package capture

import (
	"net/netip"
	"slices"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58

	// Silence after which a flow is taken for dead. Two hours is what hosts
	// must allow an idle TCP connection (RFC 1122 §4.2.3.6, RFC 5382 REQ-5);
	// UDP has no end, so that one is a guess that suits DNS and QUIC.
	idleTCP      = 2*time.Hour + 4*time.Minute
	idleDatagram = time.Minute
	// keepDone is how long a flow is shown after it ended.
	keepDone = 5 * time.Minute
	// keepRemoved is how many removals FlowsSince can tell of.
	keepRemoved = 4096
)

// flowKey is a conversation, the same whichever way a frame went: the lesser
// endpoint is first. It holds no pointers, so the map over it is cheap.
type flowKey struct {
	a, b         [16]byte
	aPort, bPort uint16
	proto        uint8
}

// keyOf returns the key of p's flow, and whether p's source is the key's second
// endpoint. ok is false if p belongs to no flow.
func keyOf(p *packet.Parsed) (key flowKey, swapped, ok bool) {
	switch {
	case p.Set.Any(packet.TCP | packet.UDP):
		key = flowKey{p.Src.As16(), p.Dst.As16(), p.SrcPort, p.DstPort, p.IPProto}
	case p.Echo():
		// One run of ping is one flow: both ends carry the identifier.
		key = flowKey{p.Src.As16(), p.Dst.As16(), p.ICMP.ID, p.ICMP.ID, p.IPProto}
	default:
		return flowKey{}, false, false
	}
	swapped = string(key.a[:]) > string(key.b[:]) || key.a == key.b && key.aPort > key.bPort
	if swapped {
		key.a, key.b, key.aPort, key.bPort = key.b, key.a, key.bPort, key.aPort
	}
	return key, swapped, true
}

// side is one of the two directions of a flow.
type side struct {
	packets, bytes uint64
	nextSeq        uint32 // after the furthest TCP byte seen
	seenSeq        bool
	fin            bool
}

// flow is a conversation in the table.
type flow struct {
	id       uint64
	key      flowKey
	src, dst netip.AddrPort // for ICMP the ports are the identifier
	swapped  bool           // src is the key's second endpoint
	dir      Direction      // of the first packet of src
	state    string
	start    time.Time
	last     time.Time
	rtt      time.Duration
	out, in  side // from src, from dst
	resent   uint64

	app, detail      string
	srcInfo, dstInfo Endpoint // zero: not known

	rate    [RateSeconds]uint32
	rateEnd int64 // the second that rate's newest count is for
	rateAt  int   // where in rate it is

	changed    uint64 // FlowsSince's sequence number
	list       *flowList
	prev, next *flow
}

func (f *flow) done() bool {
	return f.state == StateClosed || f.state == StateReset || f.state == StateRefused
}

// flowList is a doubly linked list in order of change, oldest first.
type flowList struct{ first, last *flow }

func (l *flowList) remove(f *flow) {
	if f.prev == nil {
		l.first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		l.last = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.prev, f.next, f.list = nil, nil, nil
}

func (l *flowList) append(f *flow) {
	f.prev, f.list = l.last, l
	if l.last == nil {
		l.first = f
	} else {
		l.last.next = f
	}
	l.last = f
}

// removal is a flow that left the table.
type removal struct{ seq, id uint64 }

// flowTable holds flows in three lists by how long they may be silent, each in
// order of change, so that both "what is too old" and "what is new" are found
// at an end. Its methods are called with the Capture's lock held.
type flowTable struct {
	max     int
	live    map[flowKey]*flow // those a packet may belong to: all but ended TCP
	byID    map[uint64]*flow
	tcp     flowList
	dgram   flowList
	ended   flowList
	seq     uint64
	lastID  uint64
	removed []removal // a ring once keepRemoved long
	oldest  int       // where in removed the ring begins
	lost    uint64    // greatest sequence number no longer in removed
	dropped uint64
	gone    func(*flow) // called with each flow that leaves
	rolled  int64       // the second roll was last called in
}

func newFlowTable(maxFlows int, gone func(*flow)) flowTable {
	return flowTable{max: maxFlows, live: map[flowKey]*flow{}, byID: map[uint64]*flow{}, gone: gone}
}

// add counts p, of length wire, to its flow. began is true if that flow is new.
func (t *flowTable) add(p *packet.Parsed, at time.Time, dir Direction, wire int) (f *flow, began bool) {
	t.expire(at)
	key, swapped, ok := keyOf(p)
	if !ok {
		return nil, false
	}
	f = t.live[key]
	if f != nil && f.done() && p.IPProto == protoTCP && p.TCP.Flags&packet.SYN != 0 {
		f = nil // the same ports again: another conversation
	}
	if f == nil {
		f, began = t.begin(p, key, swapped, at, dir), true
	}
	fromSrc := swapped == f.swapped
	s := &f.in
	if fromSrc {
		s = &f.out
	}
	s.packets++
	s.bytes += uint64(wire)
	f.last = at
	f.count(at, wire)
	if p.IPProto == protoTCP {
		f.tcp(p, s, fromSrc, at)
	} else {
		f.datagram(fromSrc, at)
	}
	t.touch(f)
	return f, began
}

// begin enters a new flow. Its source is the sender of p, unless p is plainly an
// answer to something that passed before the capture saw it.
func (t *flowTable) begin(p *packet.Parsed, key flowKey, swapped bool, at time.Time, dir Direction) *flow {
	if len(t.byID) >= t.max {
		t.evict()
	}
	t.lastID++
	f := &flow{
		id: t.lastID, key: key, swapped: swapped, dir: dir,
		state: StateOpen, start: at, last: at,
	}
	srcPort, dstPort := p.SrcPort, p.DstPort
	if p.Echo() {
		srcPort, dstPort = p.ICMP.ID, p.ICMP.ID
	}
	f.src, f.dst = netip.AddrPortFrom(p.Src, srcPort), netip.AddrPortFrom(p.Dst, dstPort)
	if isAnswer(p) {
		f.src, f.dst = f.dst, f.src
		f.swapped = !swapped
		f.dir = 1 - dir
	}
	t.live[key] = f
	t.byID[f.id] = f
	return f
}

func isAnswer(p *packet.Parsed) bool {
	const synAck = packet.SYN | packet.ACK
	switch {
	case p.Set.Has(packet.TCP):
		return p.TCP.Flags&synAck == synAck
	case p.Set.Has(packet.DNS):
		return p.DNS.Response()
	}
	return p.Echo() && !p.EchoRequest()
}

// touch notes that f changed, and files it where its state belongs.
func (t *flowTable) touch(f *flow) {
	t.seq++
	f.changed = t.seq
	if f.list != nil {
		f.list.remove(f)
	}
	switch {
	case f.done():
		t.ended.append(f)
	case f.key.proto == protoTCP:
		t.tcp.append(f)
	default:
		t.dgram.append(f)
	}
}

// expire ends what has been silent too long and removes what ended long ago:
// at most a few a call, so that no frame pays for many.
func (t *flowTable) expire(now time.Time) {
	for range 2 {
		if f := t.dgram.first; f != nil && now.Sub(f.last) > idleDatagram {
			f.state = StateClosed
			t.touch(f)
		}
		if f := t.tcp.first; f != nil && now.Sub(f.last) > idleTCP {
			f.state = StateClosed
			t.touch(f)
		}
		if f := t.ended.first; f != nil && now.Sub(f.last) > keepDone {
			t.remove(f)
		}
	}
}

// expireAll does all that is due, for a reader, who has the time.
func (t *flowTable) expireAll(now time.Time) {
	for before := t.seq + 1; before != t.seq; {
		before = t.seq
		t.expire(now)
	}
}

func (t *flowTable) lists() [3]*flowList { return [...]*flowList{&t.tcp, &t.dgram, &t.ended} }

// roll counts flows as changed whose rate moves on though they are silent: once
// a second, those that have a rate or had one a second ago.
func (t *flowTable) roll(now time.Time) {
	if now.Unix() == t.rolled {
		return
	}
	t.rolled = now.Unix()
	var moved []*flow
	for _, l := range t.lists() {
		// All of them: flows also change without a packet, so the list is not
		// in the order of their rates.
		for f := l.last; f != nil; f = f.prev {
			if now.Unix()-f.rateEnd <= RateSeconds {
				moved = append(moved, f)
			}
		}
	}
	slices.Reverse(moved)
	for _, f := range moved {
		t.touch(f)
	}
}

// evict makes room for a flow: an ended one if there is any, else the datagram
// flow, else the connection, that has been silent longest.
func (t *flowTable) evict() {
	for _, l := range []*flowList{&t.ended, &t.dgram, &t.tcp} {
		if l.first != nil {
			t.remove(l.first)
			t.dropped++
			return
		}
	}
}

func (t *flowTable) remove(f *flow) {
	t.gone(f)
	f.list.remove(f)
	delete(t.byID, f.id)
	if t.live[f.key] == f {
		delete(t.live, f.key)
	}
	t.seq++
	r := removal{t.seq, f.id}
	if len(t.removed) < keepRemoved {
		t.removed = append(t.removed, r)
		return
	}
	t.lost = t.removed[t.oldest].seq
	t.removed[t.oldest] = r
	t.oldest = (t.oldest + 1) % keepRemoved
}

// clear empties the table; FlowsSince will say Reset to everybody.
func (t *flowTable) clear() {
	next := newFlowTable(t.max, t.gone)
	next.seq, next.lastID = t.seq+1, t.lastID
	next.lost = next.seq
	*t = next
}

// since calls each with every flow changed after seq, newest change first, and
// returns the flows removed after it. reset is true if it cannot tell, and then
// each gets every flow.
func (t *flowTable) since(seq uint64, each func(*flow)) (removed []uint64, reset bool) {
	if seq < t.lost || seq == 0 || seq > t.seq {
		seq, reset = 0, true
	}
	for _, l := range t.lists() {
		for f := l.last; f != nil && f.changed > seq; f = f.prev {
			each(f)
		}
	}
	if reset {
		return nil, true
	}
	for i := len(t.removed) - 1; i >= 0; i-- {
		r := t.removed[(t.oldest+i)%len(t.removed)]
		if r.seq <= seq {
			break
		}
		removed = append(removed, r.id)
	}
	return removed, false
}

// tcp follows the connection's state, its first round trip, and what is sent
// twice. It is an observer's view: enough to say what happened, not a stack.
func (f *flow) tcp(p *packet.Parsed, s *side, fromSrc bool, at time.Time) {
	t := &p.TCP
	length := uint32(t.Len)
	if t.Flags&(packet.SYN|packet.FIN) != 0 {
		length++
	}
	end := t.Seq + length
	switch {
	case length == 0:
	case !s.seenSeq || int32(end-s.nextSeq) > 0:
		s.nextSeq, s.seenSeq = end, true
	case length == 1 && t.Len == 1 && end == s.nextSeq:
		// A keep-alive repeats the last byte on purpose (RFC 1122 §4.2.3.6).
	default:
		f.resent++
	}
	switch {
	case t.Flags&packet.RST != 0:
		if f.state == StateOpen && !fromSrc {
			f.state = StateRefused
		} else if !f.done() {
			f.state = StateReset
		}
		return
	case t.Flags&packet.SYN != 0:
		if !fromSrc && f.rtt == 0 && f.out.packets > 0 && f.resent == 0 {
			f.rtt = at.Sub(f.start)
		}
		if !fromSrc && f.state == StateOpen {
			f.state = StateEstablished
		}
		return
	case f.state == StateOpen && (f.in.packets > 0 || f.out.packets == 1):
		// Both have spoken, or the capture began in the middle.
		f.state = StateEstablished
	}
	if t.Flags&packet.FIN != 0 {
		s.fin = true
	}
	switch {
	case f.done():
	case f.out.fin && f.in.fin:
		f.state = StateClosed
	case f.out.fin || f.in.fin:
		f.state = StateClosing
	}
}

func (f *flow) datagram(fromSrc bool, at time.Time) {
	switch {
	case f.state == StateClosed: // it was only silent
		f.state = StateOpen
		if f.in.packets > 0 && f.out.packets > 0 {
			f.state = StateEstablished
		}
	case f.state == StateOpen && !fromSrc && f.out.packets > 0:
		f.state = StateEstablished
		if f.in.packets == 1 {
			f.rtt = at.Sub(f.start)
		}
	}
}

// count adds bytes to the second that at is in.
func (f *flow) count(at time.Time, bytes int) {
	f.turn(at.Unix())
	f.rate[f.rateAt] += uint32(bytes)
}

// turn makes now the newest second of the rate. A clock that went back counts
// towards the newest second there is.
func (f *flow) turn(now int64) {
	gap := now - f.rateEnd
	if gap <= 0 {
		return
	}
	if gap >= RateSeconds {
		clear(f.rate[:])
	} else {
		for range gap {
			f.rateAt = (f.rateAt + 1) % RateSeconds
			f.rate[f.rateAt] = 0
		}
	}
	f.rateEnd = now
}

// rates returns the rate as of now, oldest second first; nil if all are 0.
func (f *flow) rates(now time.Time) []uint32 {
	if now.Unix()-f.rateEnd >= RateSeconds {
		return nil
	}
	g := *f
	g.turn(now.Unix())
	out := make([]uint32, RateSeconds)
	for i := range out {
		out[i] = g.rate[(g.rateAt+1+i)%RateSeconds]
	}
	return out
}
