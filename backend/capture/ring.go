package capture

import (
	"encoding/binary"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

const (
	// slotLen is what is kept beside a frame: where it is, its length, time,
	// direction and flow.
	slotLen = 32

	minSegment = 128 << 10 // must hold the longest frame
	maxSegment = 1 << 20
	segments   = 64 // aimed at: what one eviction takes is 1/64 of the ring
)

// segment holds consecutive packets: frames from the front, a slot for each
// from the back, until they meet. What has been written is not written again
// while the segment is in the ring or a reader has it.
type segment struct {
	buf     []byte
	first   uint64 // number of its first packet
	count   int
	used    int // bytes of frames
	readers int
}

func (s *segment) room(n int) bool {
	return s.used+n+(s.count+1)*slotLen <= len(s.buf)
}

func (s *segment) slot(i int) []byte {
	end := len(s.buf) - i*slotLen
	return s.buf[end-slotLen : end]
}

// stored is a packet in a segment.
type stored struct {
	n     uint64
	at    time.Time
	dir   Direction
	wire  int // length on the wire
	flow  uint64
	frame []byte // what was kept; not to be changed, valid while the segment is held
}

func (s *segment) append(at time.Time, dir Direction, wire int, flow uint64, frame []byte) {
	b := s.slot(s.count)
	binary.LittleEndian.PutUint32(b[0:], uint32(s.used))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(frame)))
	binary.LittleEndian.PutUint32(b[8:], uint32(wire))
	b[12] = byte(dir)
	binary.LittleEndian.PutUint64(b[16:], uint64(at.UnixNano()))
	binary.LittleEndian.PutUint64(b[24:], flow)
	s.used += copy(s.buf[s.used:], frame)
	s.count++
}

func (s *segment) get(i int) stored {
	b := s.slot(i)
	off := int(binary.LittleEndian.Uint32(b[0:]))
	n := int(binary.LittleEndian.Uint32(b[4:]))
	return stored{
		n:     s.first + uint64(i),
		at:    time.Unix(0, int64(binary.LittleEndian.Uint64(b[16:]))),
		dir:   Direction(b[12]),
		wire:  int(binary.LittleEndian.Uint32(b[8:])),
		flow:  binary.LittleEndian.Uint64(b[24:]),
		frame: s.buf[off : off+n : off+n],
	}
}

// ring is the segments in order. Its methods are called with the Capture's lock
// held.
type ring struct {
	segSize int
	max     int // segments
	segs    []*segment
	spare   *segment
	next    uint64 // number of the next packet
}

func newRing(maxBytes int64) ring {
	size := min(max(int(maxBytes/segments), minSegment), maxSegment)
	return ring{segSize: size, max: int(maxBytes / int64(size)), next: 1}
}

// append stores a frame, whose length is at most packet.MaxFrame.
func (r *ring) append(at time.Time, dir Direction, wire int, flow uint64, frame []byte) {
	var s *segment
	if n := len(r.segs); n > 0 {
		s = r.segs[n-1]
	}
	if s == nil || !s.room(len(frame)) {
		s = r.grow()
	}
	s.append(at, dir, wire, flow, frame)
	r.next++
}

// grow adds an empty segment, at the cost of the oldest if there is no room.
func (r *ring) grow() *segment {
	if len(r.segs) == r.max {
		r.drop()
	}
	s := r.spare
	r.spare = nil
	if s == nil {
		s = &segment{buf: make([]byte, r.segSize)}
	}
	*s = segment{buf: s.buf, first: r.next}
	r.segs = append(r.segs, s)
	return s
}

// drop removes the oldest segment. Its memory is used again unless a reader
// still looks at it; then the collector gets it.
func (r *ring) drop() {
	s := r.segs[0]
	n := copy(r.segs, r.segs[1:])
	r.segs[n] = nil
	r.segs = r.segs[:n]
	if s.readers == 0 {
		r.spare = s
	}
}

// resize changes how many segments there may be. Their size stays, so that those
// that are there stay what they are.
func (r *ring) resize(maxBytes int64) {
	r.max = max(int(maxBytes/int64(r.segSize)), 1)
	for len(r.segs) > r.max {
		r.drop()
	}
	if len(r.segs) == r.max {
		r.spare = nil
	}
}

func (r *ring) clear() {
	clear(r.segs)
	r.segs, r.spare = r.segs[:0], nil
}

// bounds returns the numbers of the oldest and the newest packet; first is 0 if
// the ring is empty, last 0 if it always was.
func (r *ring) bounds() (first, last uint64) {
	if len(r.segs) > 0 {
		first = r.segs[0].first
	}
	return first, r.next - 1
}

func (r *ring) packets() uint64 {
	if len(r.segs) == 0 {
		return 0
	}
	return r.next - r.segs[0].first
}

func (r *ring) bytes() int64 {
	n := len(r.segs)
	if r.spare != nil {
		n++
	}
	return int64(n) * int64(r.segSize)
}

// find returns the segment that holds packet n; nil if none does.
func (r *ring) find(n uint64) *segment {
	lo, hi := 0, len(r.segs)
	for lo < hi {
		mid := (lo + hi) / 2
		if r.segs[mid].first <= n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 || n >= r.next {
		return nil
	}
	return r.segs[lo-1]
}

// chunk is a reader's hold on the packets of one segment that were complete
// when it was taken.
type chunk struct {
	seg   *segment
	first uint64
	count int
}

func (k *chunk) last() uint64        { return k.first + uint64(k.count) - 1 }
func (k *chunk) get(n uint64) stored { return k.seg.get(int(n - k.first)) }

// hold takes the segment that holds packet n, or nil. release must follow.
func (c *Capture) hold(n uint64) *chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.ring.find(n)
	if s == nil {
		return nil
	}
	s.readers++
	return &chunk{s, s.first, s.count}
}

func (c *Capture) release(k *chunk) {
	c.mu.Lock()
	k.seg.readers--
	c.mu.Unlock()
}

// A segment must take any frame when it is empty.
var _ [minSegment - packet.MaxFrame - slotLen]byte
