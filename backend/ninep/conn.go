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
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// conn is one client. Its reader goroutine (run) owns the session: it alone
// starts handlers and waits for them, so that a new session and the end of the
// connection find none left.
type conn struct {
	limits Limits
	log    *slog.Logger
	nc     net.Conn
	in     *bufio.Reader
	tree   Tree
	memory *semaphore.Weighted

	// Of the session; written by the reader while no handler runs.
	msize    int // 0 before the first Tversion
	ctx      context.Context
	cancel   context.CancelFunc
	handlers sync.WaitGroup

	// sending is held while a reply is written, and while its tag is given up:
	// whoever then finds the tag unused writes after that reply.
	sending sync.Mutex

	mu       sync.Mutex // never held during a call into the tree or a write
	requests map[uint16]*request
	fids     map[uint32]*fid
}

// request is a T-message that has not been answered.
type request struct {
	tag    uint16
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when its reply is written
	frame  *[]byte       // the memory of the message
	weight int64         // of frame, in conn.memory
}

func newConn(limits Limits, log *slog.Logger, nc net.Conn, tree Tree) *conn {
	return &conn{
		limits:   limits,
		log:      log,
		nc:       nc,
		in:       bufio.NewReaderSize(nc, 16<<10),
		tree:     tree,
		memory:   semaphore.NewWeighted(limits.Memory),
		requests: map[uint16]*request{},
		fids:     map[uint32]*fid{},
	}
}

// run reads requests until the connection ends or breaks the protocol.
func (c *conn) run(ctx context.Context) error {
	c.ctx, c.cancel = context.WithCancel(ctx)
	defer c.endSession()
	// A handler may be stuck in a write to a client that does not read: closing
	// comes before the wait for it.
	defer c.nc.Close()
	for {
		kind, tag, frame, weight, err := c.readFrame()
		if err != nil {
			if isGone(err) {
				return nil
			}
			return err
		}
		if frame == nil { // refused for want of memory
			if err := c.reply(tag, nil, ENOMEM); err != nil {
				return err
			}
			continue
		}
		if err := c.dispatch(ctx, kind, tag, frame, weight); err != nil {
			return err
		}
	}
}

// isGone tells whether err only means that the other side went away.
func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed) || isReset(err)
}

// endSession cancels what goes on, waits for it, and closes every fid.
func (c *conn) endSession() {
	c.cancel()
	c.handlers.Wait()
	for _, f := range c.fids {
		c.drop(f)
	}
	clear(c.fids)
}

// readFrame reads one message. The frame is nil, and the message skipped, if the
// connection holds too much memory for a second.
func (c *conn) readFrame() (kind uint8, tag uint16, frame *[]byte, weight int64, err error) {
	var h [headerLen]byte
	if _, err = io.ReadFull(c.in, h[:]); err != nil {
		return
	}
	size := binary.LittleEndian.Uint32(h[:])
	kind, tag = h[4], binary.LittleEndian.Uint16(h[5:])
	limit := uint32(c.msize)
	if limit == 0 {
		limit = minMessage
	}
	if size < headerLen || size > limit {
		err = fmt.Errorf("message of %d bytes, may be %d to %d", size, headerLen, limit)
		return
	}
	n := int(size) - headerLen
	if n > smallBuffer {
		weight = int64(n)
		wait, cancel := context.WithTimeout(c.ctx, time.Second)
		err = c.memory.Acquire(wait, weight)
		cancel()
		if err != nil {
			_, err = c.in.Discard(n)
			return kind, tag, nil, 0, err
		}
	}
	frame = getBuffer(n)
	_, err = io.ReadFull(c.in, *frame)
	return
}

// dispatch starts the handler of one message, or answers at once what must keep
// its place in the order of messages. An error ends the connection.
func (c *conn) dispatch(ctx context.Context, kind uint8, tag uint16, frame *[]byte, weight int64) error {
	r := &request{tag: tag, frame: frame, weight: weight}
	m, ok := parseMessage(kind, *frame)
	if v, isVersion := m.(*tVersion); isVersion && ok {
		defer c.free(r)
		return c.version(ctx, tag, v)
	}
	if c.msize == 0 {
		c.free(r)
		return fmt.Errorf("message type %d before Tversion", kind)
	}
	if !ok || kind%2 != 0 {
		defer c.free(r)
		if kind%2 != 0 {
			return fmt.Errorf("message type %d is not a request", kind)
		}
		return c.reply(tag, nil, EINVAL)
	}

	f, isFlush := m.(*tFlush)
	_, isClunk := m.(*tClunk)
	c.mu.Lock()
	if c.requests[tag] != nil {
		c.mu.Unlock()
		c.free(r)
		return fmt.Errorf("tag %d used again before its reply", tag)
	}
	var old *request
	if isFlush {
		old = c.requests[f.old]
	}
	if old == nil && isFlush || len(c.requests) >= c.limits.Requests && !isFlush && !isClunk {
		c.mu.Unlock()
		c.free(r)
		if isFlush {
			return c.reply(tag, &rEmpty{kindTflush + 1}, nil)
		}
		return c.reply(tag, nil, EAGAIN)
	}
	r.ctx, r.cancel = context.WithCancel(c.ctx)
	r.done = make(chan struct{})
	c.requests[tag] = r
	c.mu.Unlock()

	if old != nil {
		old.cancel()
	}
	c.handlers.Go(func() { c.handle(r, m, old) })
	return nil
}

// handle runs in its own goroutine: it answers one request.
func (c *conn) handle(r *request, m message, flushed *request) {
	defer c.free(r)
	defer close(r.done)
	defer r.cancel()
	var answer message
	var err error
	if flushed != nil {
		// Requests wait only for earlier ones, so there is no circle.
		<-flushed.done
		answer = &rEmpty{kindTflush + 1}
	} else {
		answer, err = c.call(r, m)
	}
	if err := c.reply(r.tag, answer, err); err != nil {
		// The client is gone or does not read: end the reader too.
		c.nc.Close()
	}
}

// call is the handler with a panic of the tree turned into an error: it must not
// take down whatever else the process does.
func (c *conn) call(r *request, m message) (answer message, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("9P handler panicked", "panic", fmt.Sprint(p), "message", fmt.Sprintf("%T", m), "stack", string(debug.Stack()))
			answer, err = nil, EIO
		}
	}()
	return c.serve(r, m)
}

// free gives back the memory of a request's message.
func (c *conn) free(r *request) {
	putBuffer(r.frame)
	if r.weight > 0 {
		c.memory.Release(r.weight)
	}
}

// rawReply is an Rread or Rreaddir whose frame is complete but for size and tag.
type rawReply struct {
	message
	buffer *[]byte
	weight int64
}

// reply writes an answer, or err as Rlerror, and gives up the tag.
func (c *conn) reply(tag uint16, m message, err error) error {
	var frame *[]byte
	raw, isRaw := m.(*rawReply)
	if isRaw {
		frame = raw.buffer
		finishFrame(*frame, tag)
		if raw.weight > 0 {
			defer c.memory.Release(raw.weight)
		}
	} else {
		if err != nil {
			m = &rLerror{uint32(ErrnoOf(err))}
		}
		frame = getBuffer(smallBuffer)
		b, ok := appendMessage((*frame)[:0], tag, m)
		if !ok {
			b, _ = appendMessage((*frame)[:0], tag, &rLerror{uint32(EIO)})
		}
		*frame = b
	}
	defer putBuffer(frame)
	c.sending.Lock()
	defer c.sending.Unlock()
	c.mu.Lock()
	delete(c.requests, tag)
	c.mu.Unlock()
	_, werr := c.nc.Write(*frame)
	return werr
}

// version starts a new session: whatever the old one had ends first.
func (c *conn) version(ctx context.Context, tag uint16, m *tVersion) error {
	c.endSession()
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.msize = 0
	// Unknown endings of a version string must be ignored: version(5).
	if m.version != version9P2000L && !strings.HasPrefix(m.version, version9P2000L+".") {
		return c.reply(tag, &rVersion{m.msize, "unknown"}, nil)
	}
	if m.msize < minMessage {
		return c.reply(tag, nil, EMSGSIZE)
	}
	c.msize = min(int(min(m.msize, MaxMessage)), c.limits.MessageSize)
	return c.reply(tag, &rVersion{uint32(c.msize), version9P2000L}, nil)
}
