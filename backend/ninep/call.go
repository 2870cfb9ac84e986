package ninep

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A call is a request that waits for its answer. The flush of tag t has the tag
// t+maxCalls, so that there is always one for it.
type call struct {
	tag     uint16
	busy    bool // guarded by Client.mu
	want    uint8
	into    []byte // where the data of an Rread goes
	answer  chan answer
	flushed chan struct{} // made by flush; guarded by Client.mu
	forget  *File         // a file that is given up with the answer, for which nobody waits
}

type answer struct {
	m message
	n int // bytes read into call.into
}

// receive hands answers to their calls until the connection ends.
func (c *Client) receive() {
	defer close(c.done)
	for {
		if err := c.receiveOne(); err != nil {
			c.nc.Close()
			c.mu.Lock()
			c.err = ErrClosed
			if !isGone(err) {
				c.err = fmt.Errorf("%w: %w", ErrClosed, err)
			}
			c.mu.Unlock()
			return
		}
	}
}

func (c *Client) receiveOne() error {
	kind, tag, size, err := c.readHeader()
	if err != nil {
		return err
	}
	var cl *call
	if tag < 2*maxCalls {
		c.mu.Lock()
		cl = c.asked(tag)
		c.mu.Unlock()
	}
	switch {
	case cl == nil:
		return fmt.Errorf("answer to tag %d that nobody asked: %w", tag, EPROTO)
	case tag >= maxCalls: // Rflush, or an error that serves as well
		c.mu.Lock()
		cl.busy = false // now the tag may be used again
		close(cl.flushed)
		c.mu.Unlock()
		_, err = c.in.Discard(size)
		return err
	case kind == kindTread+1 && cl.want == kind:
		return c.receiveData(cl, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return err
	}
	m, ok := (&codec{dialect: c.dialect}).parseMessage(kind, body)
	if !ok || kind != cl.want && kind != c.dialect.errorKind() {
		return fmt.Errorf("answer of type %d to a request of type %d: %w", kind, cl.want-1, EPROTO)
	}
	if cl.forget != nil {
		c.forget(cl.forget)
		cl.forget = nil
		c.retire(cl)
		return nil
	}
	return cl.give(answer{m: m})
}

// receiveData reads an Rread straight to where its caller wants it: rpc does not
// return before that is done, or never will be.
func (c *Client) receiveData(cl *call, size int) error {
	var count [4]byte
	if size < len(count) {
		return EPROTO
	}
	if _, err := io.ReadFull(c.in, count[:]); err != nil {
		return err
	}
	n := size - len(count)
	if uint64(binary.LittleEndian.Uint32(count[:])) != uint64(n) || n > len(cl.into) {
		return fmt.Errorf("read answered with %d bytes, asked for %d: %w", n, len(cl.into), EPROTO)
	}
	if _, err := io.ReadFull(c.in, cl.into[:n]); err != nil {
		return err
	}
	return cl.give(answer{m: &rRead{rtype: kindTread + 1}, n: n})
}

func (cl *call) give(a answer) error {
	select {
	case cl.answer <- a:
		return nil
	default:
		return fmt.Errorf("two answers to one request: %w", EPROTO)
	}
}

func (c *Client) readHeader() (kind uint8, tag uint16, size int, err error) {
	var h [headerLen]byte
	if _, err = io.ReadFull(c.in, h[:]); err != nil {
		return
	}
	n := binary.LittleEndian.Uint32(h[:])
	if n < headerLen || n > uint32(c.msize) {
		err = fmt.Errorf("message of %d bytes, may be %d to %d: %w", n, headerLen, c.msize, EPROTO)
	}
	return h[4], binary.LittleEndian.Uint16(h[5:]), int(n) - headerLen, err
}

// asked is the call that a tag, or that of its flush, belongs to; nil if there is
// none. c.mu is held.
func (c *Client) asked(tag uint16) *call {
	i := int(tag % maxCalls)
	if i >= len(c.calls) || !c.calls[i].busy || tag >= maxCalls && c.calls[i].flushed == nil {
		return nil
	}
	return c.calls[i]
}

// rpc sends a request and returns its answer; an Rlerror is returned as an Errno.
func (c *Client) rpc(ctx context.Context, m message) (message, error) {
	a, err := c.exchange(ctx, m, nil)
	return a.m, err
}

// exchange is rpc with a place for the data of an Rread. When ctx ends it flushes
// the request and waits for the server to confirm: only then it is known whether
// the request had an effect, and its tag is free.
func (c *Client) exchange(ctx context.Context, m message, into []byte) (answer, error) {
	cl, err := c.begin(ctx, m, into)
	if err != nil {
		return answer{}, err
	}
	if err := c.send(cl.tag, m); errors.Is(err, EMSGSIZE) {
		c.retire(cl)
		return answer{}, err
	} else if err != nil {
		return answer{}, c.broken(err)
	}
	return c.wait(ctx, cl)
}

// broken ends a connection that could not be written to.
func (c *Client) broken(err error) error {
	c.nc.Close()
	<-c.done
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// begin takes a call for m.
func (c *Client) begin(ctx context.Context, m message, into []byte) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.dialect != Dialect9P2000L && newMessage(m.kind(), c.dialect) == nil {
		return nil, ENOTSUP
	}
	select {
	case c.slots <- struct{}{}:
	default:
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.done:
			return nil, c.Err()
		}
	}
	return c.take(m, into), nil
}

// take is the part of begin that follows when there is a slot.
func (c *Client) take(m message, into []byte) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var cl *call
	if n := len(c.free); n > 0 {
		cl = c.calls[c.free[n-1]]
		c.free = c.free[:n-1]
	} else {
		cl = &call{tag: uint16(len(c.calls)), answer: make(chan answer, 1)}
		c.calls = append(c.calls, cl)
	}
	cl.busy, cl.want, cl.into, cl.flushed = true, m.kind()+1, into, nil
	return cl
}

// wait waits for the answer to a call that was sent.
func (c *Client) wait(ctx context.Context, cl *call) (answer, error) {
	select {
	case a := <-cl.answer:
		c.retire(cl)
		return a.result()
	case <-c.done:
		return answer{}, c.Err()
	case <-ctx.Done():
		return c.flush(ctx, cl)
	}
}

// retire makes a call free whose request has been answered, or never sent.
func (c *Client) retire(cl *call) {
	c.mu.Lock()
	cl.busy, cl.into = false, nil
	c.free = append(c.free, cl.tag)
	c.mu.Unlock()
	<-c.slots
}

func (c *Client) flush(ctx context.Context, cl *call) (answer, error) {
	patience := time.AfterFunc(flushPatience, func() { c.nc.Close() })
	defer patience.Stop()
	flushed := make(chan struct{})
	c.mu.Lock()
	cl.flushed = flushed
	c.mu.Unlock()
	if err := c.send(cl.tag+maxCalls, &tFlush{cl.tag}); err != nil {
		c.nc.Close()
	}
	var ended bool
	select {
	case <-flushed:
	case <-c.done:
		ended = true
	}
	var a answer
	err := ctx.Err()
	select {
	case a = <-cl.answer: // it was done before the flush arrived
		if done, failed := a.result(); failed == nil {
			a, err = done, nil
		}
	default:
	}
	if !ended {
		c.retire(cl)
	}
	if err != nil {
		return answer{}, err
	}
	return a, nil
}

func (a answer) result() (answer, error) {
	switch e := a.m.(type) {
	case *rLerror:
		return answer{}, Errno(e.errno)
	case *rError:
		return answer{}, remoteError(e)
	}
	return a, nil
}

// send writes one message, or nothing if it is EMSGSIZE. The data of a large Twrite is not copied.
func (c *Client) send(tag uint16, m message) error {
	buffer := getBuffer(smallBuffer)
	defer putBuffer(buffer)
	var tail []byte
	if w, ok := m.(*tWrite); ok && len(w.data) > smallBuffer/2 {
		tail = w.data
		m = &tWrite{w.fid, w.offset, nil}
	}
	frame, ok := (&codec{dialect: c.dialect}).appendMessage((*buffer)[:0], tag, m)
	if !ok || len(frame)+len(tail) > c.msize {
		return EMSGSIZE
	}
	if tail != nil {
		binary.LittleEndian.PutUint32(frame, uint32(len(frame)+len(tail)))
		binary.LittleEndian.PutUint32(frame[len(frame)-4:], uint32(len(tail)))
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.extend(); err != nil {
		return err
	}
	return c.write(frame, tail)
}

// write writes what was put off, and a message in one or two pieces. c.writing is held.
func (c *Client) write(frame, tail []byte) error {
	if len(c.later) > 0 {
		frame = append(c.later, frame...)
		c.later = frame[:0]
	}
	if tail != nil {
		_, err := (&net.Buffers{frame, tail}).WriteTo(c.nc)
		return err
	}
	_, err := c.nc.Write(frame)
	return err
}

// putOff is how long a message may wait for another to go with.
const putOff = time.Millisecond

// sendLater sends a message for which nobody waits.
func (c *Client) sendLater(tag uint16, m message) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.later, _ = (&codec{dialect: c.dialect}).appendMessage(c.later, tag, m)
	switch {
	case c.armed:
	case c.soon == nil:
		c.soon = time.AfterFunc(putOff, c.sendNow)
	default:
		c.soon.Reset(putOff)
	}
	c.armed = true
}

// sendNow sends what was put off and found nothing to go with.
func (c *Client) sendNow() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.armed = false
	if len(c.later) == 0 {
		return
	}
	if c.extend() != nil || c.write(nil, nil) != nil {
		c.nc.Close() // ends the reader
	}
}

// extend lets writing last for writePatience from now on, give or take a second:
// to set a deadline for each message costs more than the rest of it. c.writing is held.
func (c *Client) extend() error {
	now := time.Now()
	if c.deadline.Sub(now) > writePatience {
		return nil
	}
	c.deadline = now.Add(writePatience + time.Second)
	return c.nc.SetWriteDeadline(c.deadline)
}
