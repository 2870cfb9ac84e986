package channel

import (
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// The frame header of yamux (its spec.md): version, type, flags, stream, length,
// big-endian. Only a data frame has length bytes after it.
const (
	yamuxHeader   = 12
	yamuxData     = 0
	yamuxPing     = 2
	yamuxFlagSYN  = 1
	maxPings      = 20 // at once
	pingsEach     = time.Second
	maxMuxPayload = window // no sender may send more than the window it was given
)

var (
	errFlood  = errors.New("the other side sends too many pings")
	errOpen   = errors.New("the guest opened a stream, which only the host does")
	errTooBig = errors.New("the other side sent a frame larger than its window")
)

// guard reads along with yamux and ends the session when the peer sends what yamux
// would answer at a cost without bound.
type guard struct {
	io.ReadWriteCloser
	refuseOpen bool
	now        func() time.Time

	header [yamuxHeader]byte
	have   int    // bytes of header that are filled
	body   uint32 // bytes of a data frame still to come

	pings    int
	pingedAt time.Time
	failure  atomic.Pointer[error]
}

func (g *guard) err() error {
	if p := g.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Read fails with the violation in place of the bytes that hold it.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.ReadWriteCloser.Read(p)
	if bad := g.check(p[:n]); bad != nil {
		g.failure.Store(&bad)
		return 0, bad
	}
	return n, err
}

func (g *guard) check(b []byte) error {
	for len(b) > 0 {
		if g.body > 0 {
			n := min(uint32(len(b)), g.body)
			g.body -= n
			b = b[n:]
			continue
		}
		n := copy(g.header[g.have:], b)
		g.have += n
		b = b[n:]
		if g.have < yamuxHeader {
			return nil
		}
		g.have = 0
		if err := g.frame(); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) frame() error {
	kind := g.header[1]
	flags := binary.BigEndian.Uint16(g.header[2:])
	length := binary.BigEndian.Uint32(g.header[8:])
	switch {
	case kind == yamuxPing:
		if flags&yamuxFlagSYN != 0 && !g.allowPing() {
			return errFlood
		}
		return nil
	case g.refuseOpen && flags&yamuxFlagSYN != 0:
		return errOpen
	case kind == yamuxData:
		if length > maxMuxPayload {
			return errTooBig
		}
		g.body = length
	}
	return nil
}

// allowPing is a leaky bucket: maxPings at once, one more each pingsEach.
func (g *guard) allowPing() bool {
	now := g.now()
	leaked := int(now.Sub(g.pingedAt) / pingsEach)
	if leaked > 0 {
		g.pings = max(0, g.pings-leaked)
		g.pingedAt = now
	}
	g.pings++
	return g.pings <= maxPings
}
