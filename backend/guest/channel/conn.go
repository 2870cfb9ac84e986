package channel

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunkHeader = 4
	maxChunk    = 32 << 10
)

var (
	errChunk = errors.New("malformed chunk")
	chunks   = sync.Pool{New: func() any { b := make([]byte, chunkHeader+maxChunk); return &b }}
)

// Conn is a Stream used for raw bytes: a net.Conn that also has CloseWrite.
//
// The bytes travel in chunks, each behind its length as four bytes, big-endian; a
// chunk of length zero is the end of what its sender writes. So a half-closed
// connection may stay so for days, as a container's attach without input does, and
// the close of the stream below always means that the other side is gone. yamux has
// one signal for the two, and must guess between them by a time-out.
type Conn struct {
	s *Stream

	readMu  sync.Mutex
	header  [chunkHeader]byte
	have    int
	left    uint32 // bytes of the present chunk still to read
	readEnd bool   // the zero chunk was read

	writeMu  sync.Mutex
	writeEnd bool

	closed    atomic.Bool
	closeOnce sync.Once
	gone      chan struct{}
}

// Conn turns s into a connection. s must not be used otherwise after that.
func (s *Stream) Conn() *Conn { return &Conn{s: s, gone: make(chan struct{})} }

// Read returns io.EOF after the other side's CloseWrite, and io.ErrUnexpectedEOF
// when it closed, or was cut off, without one.
func (c *Conn) Read(p []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if c.readEnd {
		return 0, io.EOF
	}
	if c.left == 0 {
		if err := c.nextChunk(); err != nil {
			return 0, err
		}
	}
	n, err := c.s.y.Read(p[:min(len(p), int(c.left))])
	c.left -= uint32(n)
	if n > 0 {
		return n, nil
	}
	return 0, c.fault(err)
}

// nextChunk reads a header; a deadline may interrupt it anywhere and leave it to be
// continued.
func (c *Conn) nextChunk() error {
	for c.have < chunkHeader {
		n, err := c.s.y.Read(c.header[c.have:])
		c.have += n
		if err != nil && c.have < chunkHeader {
			return c.fault(err)
		}
	}
	c.have = 0
	c.left = binary.BigEndian.Uint32(c.header[:])
	if c.left > maxChunk {
		_ = c.Close()
		return errChunk
	}
	if c.left > 0 {
		return nil
	}
	c.readEnd = true
	go c.awaitClose()
	return io.EOF
}

// awaitClose watches for the other side's going after it has nothing more to say,
// when nobody reads any longer. It ends at the latest with Close.
func (c *Conn) awaitClose() {
	_ = c.s.y.SetReadDeadline(time.Time{})
	if c.closed.Load() { // Close set its own deadline before ours
		return
	}
	var b [1]byte
	_, _ = c.s.y.Read(b[:]) // a byte here breaks the protocol: gone as well
	_ = c.Close()
}

func (c *Conn) fault(err error) error {
	switch {
	case c.closed.Load():
		return net.ErrClosed
	case timedOut(err):
		return os.ErrDeadlineExceeded
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write sends p.
func (c *Conn) Write(p []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	total := 0
	for len(p) > 0 {
		if c.writeEnd || c.closed.Load() {
			return total, net.ErrClosed
		}
		n := min(len(p), maxChunk)
		if err := c.writeChunk(p[:n]); err != nil {
			return total, err
		}
		p = p[n:]
		total += n
	}
	return total, nil
}

func (c *Conn) writeChunk(p []byte) error {
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	b := binary.BigEndian.AppendUint32((*buf)[:0], uint32(len(p)))
	if _, err := c.s.y.Write(append(b, p...)); err != nil {
		// Part of a chunk may be out: nothing can follow it.
		err = c.fault(err)
		_ = c.Close()
		return err
	}
	return nil
}

// CloseWrite tells the other side that no more is written. Reading goes on.
func (c *Conn) CloseWrite() error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if c.closed.Load() {
		return net.ErrClosed
	}
	if c.writeEnd {
		return nil
	}
	c.writeEnd = true
	return c.writeChunk(nil)
}

// Close ends both directions at once.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		c.closed.Store(true)
		_ = c.s.Close()
		close(c.gone)
	})
	return nil
}

// Gone is closed when either side has closed the connection: noticed by a Read, or,
// once Read returned io.EOF, even without one.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

type addr struct{}

func (addr) Network() string { return "guest" }
func (addr) String() string  { return "guest" }

func (c *Conn) LocalAddr() net.Addr  { return addr{} }
func (c *Conn) RemoteAddr() net.Addr { return addr{} }
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
func (c *Conn) SetReadDeadline(t time.Time) error  { return c.setDeadline(c.s.y.SetReadDeadline, t) }
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.s.y.SetWriteDeadline, t) }

func (c *Conn) setDeadline(set func(time.Time) error, t time.Time) error {
	err := set(t)
	if c.closed.Load() { // must not undo what Close did
		_ = c.s.y.SetDeadline(time.Unix(1, 0))
		return net.ErrClosed
	}
	return err
}
