// Package link carries Ethernet frames over a host socket to a virtual
// machine.
//
// Two encodings exist, one for each kind of socket a hypervisor offers:
//
//   - Stream: a 4-byte big-endian length before each frame, as QEMU's
//     `-netdev stream` and `-netdev socket` speak it;
//   - Datagram: one frame a message, as QEMU's `-netdev dgram` and the
//     file-handle attachment of Apple's Virtualization framework speak it.
//
// Reads are buffered and hand the caller each frame's size before its bytes,
// so that the bytes land in the buffer where they will stay. Writes are
// gathered: frames added between two flushes leave in as few system calls as
// the encoding allows. A peer that announces a length no hypervisor can send
// has lost its place in the stream; reading then ends with a *LengthError and
// never resynchronises, since any byte may follow.
//
// The package knows nothing of what is inside a frame.
package link

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// MaxMessage is the largest message accepted from a peer, in bytes. It is the
// size of QEMU's own packet buffer: a guest can make QEMU send up to this
// much, so a shorter limit would let a guest cut its own link, and a longer
// announcement can only be a lost place in the stream.
const MaxMessage = 4096 + 65536

// batch is how many bytes of frames are gathered before they are written even
// without a flush. It holds four frames of the largest MTU, or a burst of 170
// at MTU 1500.
const batch = 256 << 10

const prefix = 4

// LengthError reports a length prefix that no frame can have.
type LengthError struct{ Length uint32 }

func (e *LengthError) Error() string {
	return fmt.Sprintf("frame of %d bytes announced, at most %d are possible", e.Length, MaxMessage)
}

// ErrTooLong is returned by Add for a frame above MaxMessage.
var ErrTooLong = errors.New("frame longer than the link can carry")

// Conn is one end of a link. One goroutine may read while another writes;
// neither side may be used by two goroutines at once. Close may be called at
// any time, and ends both.
type Conn interface {
	// Next waits for a frame and returns its length, which may be 0: runts
	// are the caller's to judge.
	Next() (int, error)
	// Take copies the frame that Next announced into p, whose length must be
	// what Next returned. It must be called once for each Next.
	Take(p []byte) error
	// Add appends a frame, given in parts, to the batch, and returns the
	// frame in one piece. The slice is valid until the following call to Add
	// or Flush.
	Add(parts ...[]byte) ([]byte, error)
	// Flush sends what Add gathered.
	Flush() error
	Close() error
}

// Stream returns the length-prefixed encoding over a stream connection.
func Stream(c net.Conn) Conn {
	return &stream{c: c, r: bufio.NewReaderSize(c, batch), w: make([]byte, 0, batch)}
}

type stream struct {
	c net.Conn
	r *bufio.Reader
	w []byte
}

func (s *stream) Next() (int, error) {
	var head [prefix]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > MaxMessage {
		return 0, &LengthError{Length: n}
	}
	return int(n), nil
}

func (s *stream) Take(p []byte) error {
	_, err := io.ReadFull(s.r, p)
	if err == io.EOF && len(p) > 0 { // the prefix was there, its frame is not
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (s *stream) Add(parts ...[]byte) ([]byte, error) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > MaxMessage {
		return nil, ErrTooLong
	}
	if len(s.w)+prefix+n > cap(s.w) {
		if err := s.Flush(); err != nil {
			return nil, err
		}
	}
	s.w = binary.BigEndian.AppendUint32(s.w, uint32(n))
	start := len(s.w)
	for _, p := range parts {
		s.w = append(s.w, p...)
	}
	return s.w[start:], nil
}

func (s *stream) Flush() error {
	if len(s.w) == 0 {
		return nil
	}
	_, err := s.c.Write(s.w)
	s.w = s.w[:0]
	return err
}

func (s *stream) Close() error { return s.c.Close() }

// Datagram returns the one-frame-a-message encoding over a connection that
// keeps message boundaries, such as a Unix datagram socket pair.
func Datagram(c net.Conn) Conn {
	return &datagram{c: c, r: make([]byte, MaxMessage+1), w: make([]byte, 0, MaxMessage)}
}

type datagram struct {
	c    net.Conn
	r    []byte
	n    int
	w    []byte
	full bool
}

func (d *datagram) Next() (int, error) {
	n, err := d.c.Read(d.r)
	if err != nil {
		return 0, err
	}
	if n > MaxMessage {
		return 0, &LengthError{Length: uint32(n)}
	}
	d.n = n
	return n, nil
}

func (d *datagram) Take(p []byte) error {
	if copy(p, d.r[:d.n]) != len(p) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (d *datagram) Add(parts ...[]byte) ([]byte, error) {
	if err := d.Flush(); err != nil {
		return nil, err
	}
	for _, p := range parts {
		if len(d.w)+len(p) > MaxMessage {
			d.w = d.w[:0]
			return nil, ErrTooLong
		}
		d.w = append(d.w, p...)
	}
	d.full = true
	return d.w, nil
}

func (d *datagram) Flush() error {
	if !d.full {
		return nil
	}
	_, err := d.c.Write(d.w)
	d.w, d.full = d.w[:0], false
	return err
}

func (d *datagram) Close() error { return d.c.Close() }
