package ninep

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// conn is one client.
//
// One goroutine at a time has the connection's turn: it reads a request, and
// answers it itself, which saves waking another. If the call into the tree takes
// longer than patience, or is one that waits, the turn is handed over: another
// goroutine reads on, and the first ends with its answer. So a call that blocks
// delays nobody, and calls that do not block cost no goroutine.
type conn struct {
	limits Limits
	log    *slog.Logger
	nc     net.Conn
	in     *bufio.Reader
	tree   Tree
	memory *semaphore.Weighted
	base   context.Context // of all requests
	stats  *counters

	// Of who has the turn.
	msize    int // 0 before the first Tversion
	codec    codec
	handlers sync.WaitGroup // the calls that go on

	turn    atomic.Pointer[request] // the call that who has the turn is in
	armed   atomic.Bool             // watch is set
	watch   *time.Timer
	watched *request      // what watch has seen; used by it alone
	slow    atomic.Uint64 // the kinds that took long last time, a bit for each
	waiting atomic.Int64  // reads in Waiter.Wait, and since
	soon    atomic.Bool   // somebody is about to flush
	group   sync.WaitGroup
	over    chan error // receives why the connection ended

	mu       sync.Mutex // never held during a call into the tree or a write
	requests map[uint16]*request
	fids     map[uint32]*fid
	claims   map[uint32]*claim
	out      outbox
}

// patience is how long a call may keep the turn.
const patience = 100 * time.Microsecond

func newConn(s *Server, nc net.Conn, tree Tree) *conn {
	c := &conn{
		limits:   s.Limits.withDefaults(),
		log:      s.log(),
		nc:       nc,
		in:       bufio.NewReaderSize(nc, 32<<10),
		tree:     tree,
		stats:    &s.counters,
		requests: map[uint16]*request{},
		fids:     map[uint32]*fid{},
		claims:   map[uint32]*claim{},
		over:     make(chan error, 1),
	}
	c.memory = semaphore.NewWeighted(c.limits.Memory)
	c.out = outbox{nc: nc, room: sync.NewCond(&c.mu)}
	return c
}

// run serves until the connection ends or breaks the protocol.
func (c *conn) run(ctx context.Context) error {
	c.base = ctx
	c.watch = time.AfterFunc(time.Hour, c.look)
	c.watch.Stop()
	c.group.Go(c.lead)
	err := <-c.over
	// A call may be stuck in a write to a client that does not read: closing
	// comes before the wait for it.
	c.nc.Close()
	c.endSession()
	c.group.Wait()
	c.watch.Stop()
	if isGone(err) {
		return nil
	}
	return err
}

// isGone tells whether err only means that the other side went away.
func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed) || isReset(err)
}

// endSession cancels what goes on, waits for it, and closes every fid.
func (c *conn) endSession() {
	c.mu.Lock()
	for _, r := range c.requests {
		r.cancel()
	}
	c.mu.Unlock()
	c.handlers.Wait()
	for _, f := range c.fids {
		c.drop(f)
	}
	c.stats.fids.Add(-int64(len(c.fids)))
	clear(c.fids)
}

// lead has the turn until it hands it over, or the connection ends.
func (c *conn) lead() {
	idle := &request{c: c}
	for {
		if !c.buffered() && !c.guard(idle, c.flush) {
			return
		}
		r, err := c.next()
		if err != nil {
			c.over <- err
			return
		}
		if r == nil {
			continue // it is answered
		}
		if !c.guard(r, func() { c.handle(r) }) {
			c.flushSoon()
			return
		}
	}
}

// guard calls f while r has the turn. It reports whether it still has it then.
func (c *conn) guard(r *request, f func()) bool {
	c.turn.Store(r)
	if r.m != nil && c.slow.Load()&kindBit(r.m) != 0 {
		c.handOver(r)
		start := time.Now()
		f()
		if time.Since(start) < patience/2 {
			c.slow.And(^kindBit(r.m))
		}
		return false
	}
	if !c.armed.Load() {
		c.armed.Store(true)
		c.watch.Reset(patience)
	}
	f()
	return c.turn.CompareAndSwap(r, nil)
}

func kindBit(m message) uint64 { return 1 << (m.kind() / 2) }

// look hands over the turn of a call that had it already when look came last.
func (c *conn) look() {
	r := c.turn.Load()
	if r != nil && r == c.watched {
		if r.m != nil {
			c.slow.Or(kindBit(r.m))
		}
		c.handOver(r)
	}
	c.watched = r
	if r == nil {
		c.armed.Store(false)
		// Who began a call before that saw no need to set the timer.
		if c.turn.Load() == nil || !c.armed.CompareAndSwap(false, true) {
			return
		}
	}
	c.watch.Reset(patience)
}

// handOver lets another goroutine read on if r has the turn.
func (c *conn) handOver(r *request) {
	if !c.turn.CompareAndSwap(r, nil) {
		return
	}
	if fid, ok := claimed(r.m); ok {
		c.mu.Lock()
		if !r.answered {
			r.claim = &claim{fid, make(chan struct{}), c.claims[fid]}
			c.claims[fid] = r.claim
		}
		c.mu.Unlock()
	}
	c.group.Go(c.lead)
}

// buffered tells whether a whole message can be read without waiting.
func (c *conn) buffered() bool {
	n := c.in.Buffered()
	if n < headerLen {
		return false
	}
	h, _ := c.in.Peek(4)
	return uint64(binary.LittleEndian.Uint32(h)) <= uint64(n)
}

// next reads one message and begins its request. The request is nil if it was
// answered at once: it was refused, or has to keep its place among the others.
func (c *conn) next() (*request, error) {
	h, err := c.in.Peek(headerLen)
	if err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(h)
	kind, tag := h[4], binary.LittleEndian.Uint16(h[5:])
	limit := uint32(c.msize)
	if limit == 0 {
		limit = minMessage
	}
	if size < headerLen || size > limit {
		c.stats.broken.Add(1)
		return nil, fmt.Errorf("message of %d bytes, may be %d to %d", size, headerLen, limit)
	}
	c.stats.bytesIn.Add(uint64(size))
	r := &request{c: c, tag: tag}
	r.codec.dialect = c.codec.dialect
	m, ok, err := c.body(r, kind, int(size))
	if err != nil {
		return nil, err
	}
	if err == nil && !ok && r.err != nil { // no memory
		return nil, c.refuse(r, ENOMEM)
	}
	r.m = m
	return c.begin(r, kind, ok)
}

// body reads and parses the message whose header is next. A message without data
// is parsed where it is; one with data keeps memory, which it may wait for.
func (c *conn) body(r *request, kind uint8, size int) (m message, ok bool, err error) {
	if size <= smallBuffer && kind != kindTwrite && kind != kindTwstat {
		b, err := c.in.Peek(size)
		if err != nil {
			return nil, false, err
		}
		m, ok = c.codec.parseMessage(kind, b[headerLen:])
		_, err = c.in.Discard(size)
		return m, ok, err
	}
	n := size - headerLen
	if _, err := c.in.Discard(headerLen); err != nil {
		return nil, false, err
	}
	if n > smallBuffer {
		if !c.reserve(int64(n)) {
			r.err = ENOMEM
			_, err := c.in.Discard(n)
			return nil, false, err
		}
		r.weight = int64(n)
	}
	r.frame = getBuffer(n)
	if _, err := io.ReadFull(c.in, *r.frame); err != nil {
		c.free(r)
		return nil, false, err
	}
	m, ok = c.codec.parseMessage(kind, *r.frame)
	return m, ok, nil
}

// reserve takes memory for a message, within a second.
func (c *conn) reserve(n int64) bool {
	if !c.memory.TryAcquire(n) {
		c.flush() // it may be what holds the memory
		wait, cancel := context.WithTimeout(c.base, time.Second)
		defer cancel()
		if c.memory.Acquire(wait, n) != nil {
			c.stats.noMemory.Add(1)
			return false
		}
	}
	c.stats.memory.Add(n)
	return true
}

// begin checks a message and enters it among the requests.
func (c *conn) begin(r *request, kind uint8, ok bool) (*request, error) {
	if v, isVersion := r.m.(*tVersion); isVersion && ok {
		return nil, c.version(r, v)
	}
	switch {
	case c.msize == 0:
		c.free(r)
		c.stats.broken.Add(1)
		return nil, fmt.Errorf("message type %d before Tversion", kind)
	case kind%2 != 0:
		c.free(r)
		c.stats.broken.Add(1)
		return nil, fmt.Errorf("message type %d is not a request", kind)
	case !ok:
		return nil, c.refuse(r, EINVAL)
	}
	f, isFlush := r.m.(*tFlush)
	_, isClunk := r.m.(*tClunk)
	c.mu.Lock()
	if c.requests[r.tag] != nil {
		c.mu.Unlock()
		c.free(r)
		c.stats.broken.Add(1)
		return nil, fmt.Errorf("tag %d used again before its reply", r.tag)
	}
	if isFlush {
		old := c.requests[f.old]
		if old != nil {
			// It is answered right after old is. There are only flushes of earlier
			// requests, so that there is no circle.
			old.flushes = append(old.flushes, r)
			c.requests[r.tag] = r
			c.stats.requests.Add(1)
		}
		c.mu.Unlock()
		c.stats.flushed.Add(1)
		if old == nil {
			c.answer(r, &rEmpty{kindTflush + 1}, nil)
		} else {
			old.cancel()
		}
		return nil, nil
	}
	if len(c.requests) >= c.limits.Requests && !isClunk {
		c.mu.Unlock()
		c.stats.noRequest.Add(1)
		return nil, c.refuse(r, EAGAIN)
	}
	c.requests[r.tag] = r
	c.mu.Unlock()
	c.stats.requests.Add(1)
	c.handlers.Add(1)
	return r, nil
}

// refuse answers a request that never was one.
func (c *conn) refuse(r *request, err Errno) error {
	c.answer(r, nil, err)
	c.free(r)
	return nil
}

// handle answers one request.
func (c *conn) handle(r *request) {
	defer c.handlers.Done()
	answer, err := c.call(r)
	c.answer(r, answer, err)
	c.free(r)
	r.cancel()
}

// call is the handler with a panic of the tree turned into an error: it must not
// take down whatever else the process does.
func (c *conn) call(r *request) (answer message, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.stats.panics.Add(1)
			c.log.Error("9P handler panicked", "panic", fmt.Sprint(p), "message", fmt.Sprintf("%T", r.m), "stack", string(debug.Stack()))
			answer, err = nil, EIO
		}
	}()
	return c.serve(r, r.m)
}

// free gives back the memory of a request's message.
func (c *conn) free(r *request) {
	if r.frame == nil {
		return
	}
	putBuffer(r.frame)
	r.frame = nil
	if r.weight > 0 {
		c.memory.Release(r.weight)
		c.stats.memory.Add(-r.weight)
	}
}

// version starts a new session: whatever the old one had ends first.
func (c *conn) version(r *request, m *tVersion) error {
	c.endSession()
	c.msize = 0
	c.codec.dialect, r.codec.dialect = Dialect9P2000L, Dialect9P2000L
	dialect, name, ok := negotiate(m.version)
	switch {
	case !ok:
		c.answer(r, &rVersion{m.msize, versionUnknown}, nil)
	case m.msize < minMessage:
		r.codec.dialect = dialect
		c.answer(r, nil, EMSGSIZE)
	default:
		c.msize = int(min(int64(m.msize), int64(c.limits.MessageSize)))
		c.codec.dialect = dialect
		c.answer(r, &rVersion{uint32(c.msize), name}, nil)
	}
	c.free(r)
	return nil
}
