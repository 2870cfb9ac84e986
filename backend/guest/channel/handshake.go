package channel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"
)

// The handshake finds a common start in a byte stream that may begin with the rest
// of an earlier session, in either direction, and that may lose what is sent while
// the other side is away.
//
// Each side draws a random nonce for the session and sends frames of fixed size:
//
//	0   magic, 8 bytes; the first is no yamux version, so that a peer that still
//	    thinks itself in the old session fails at once
//	8   version of the protocol, 2 bytes, big-endian
//	10  kind: hello or start
//	11  zero
//	12  nonce of the sender, 16 bytes
//	28  echo: nonce of the receiver as last heard, or zeroes, 16 bytes
//	44  CRC-32 (IEEE) of the 44 bytes before
//
// A side sends hello now and then, with the echo of the newest nonce it heard, and
// skips all bytes that are not a frame. Once it hears its own nonce echoed, what it
// hears is of now; it sends start, once, after which it sends only the session. It
// reads the session from behind the other's start. No byte of an earlier session can
// be taken for one of these, since none held the new nonce.
const (
	// Version is that of the protocol: handshake, stream header and services.
	Version = 1

	magic       = "\xf5SLIPWAY"
	frameSize   = 48
	nonceSize   = 16
	kindHello   = 1
	kindStart   = 2
	helloEvery  = 250 * time.Millisecond
	maxLeftover = 64 << 20 // bytes skipped before giving up
)

// ErrVersion means that the other side speaks another version of the protocol.
var ErrVersion = errors.New("the machine's image and this program are of different versions; restart the machine with the image that came with this program")

var (
	errNoFrame  = errors.New("not a handshake frame")
	errLeftover = errors.New("the other side sends data that is no handshake")
)

type nonce [nonceSize]byte

type frame struct {
	version uint16
	kind    byte
	nonce   nonce
	echo    nonce
}

func (f frame) encode() []byte {
	b := make([]byte, 0, frameSize)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, f.version)
	b = append(b, f.kind, 0)
	b = append(b, f.nonce[:]...)
	b = append(b, f.echo[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func parseFrame(b []byte) (frame, error) {
	if len(b) != frameSize || string(b[:len(magic)]) != magic ||
		crc32.ChecksumIEEE(b[:frameSize-4]) != binary.BigEndian.Uint32(b[frameSize-4:]) {
		return frame{}, errNoFrame
	}
	f := frame{version: binary.BigEndian.Uint16(b[8:]), kind: b[10]}
	copy(f.nonce[:], b[12:])
	copy(f.echo[:], b[28:])
	return f, nil
}

// readFrame skips to the next valid frame and returns it and how much it skipped.
func readFrame(r *bufio.Reader) (frame, int, error) {
	skipped := 0
	for {
		b, err := r.Peek(frameSize)
		if err != nil {
			return frame{}, skipped, err
		}
		f, err := parseFrame(b)
		if err == nil {
			_, _ = r.Discard(frameSize) // buffered: cannot fail
			return f, skipped, nil
		}
		next := bytes.IndexByte(b[1:], magic[0])
		if next < 0 {
			next = len(b) - 1
		}
		n, _ := r.Discard(next + 1)
		if skipped += n; skipped > maxLeftover {
			return frame{}, skipped, errLeftover
		}
	}
}

// greeting is what the two halves of a handshake share: one reads, one writes.
type greeting struct {
	changed chan struct{}

	mu     sync.Mutex
	mine   nonce
	theirs nonce // newest heard
	agreed bool  // theirs echoed mine: start may be sent
	sent   bool  // start was sent
}

// handshake returns conn positioned behind the other side's start. It closes conn
// when it fails.
func handshake(ctx context.Context, conn io.ReadWriteCloser) (io.ReadWriteCloser, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	g := &greeting{changed: make(chan struct{}, 1), mine: newNonce()}
	heard := make(chan struct{})
	sent := make(chan error, 1)
	go func() { sent <- g.write(conn, heard) }()

	r := bufio.NewReaderSize(conn, 4096)
	err := g.read(r)
	if err != nil {
		_ = conn.Close() // ends a write in progress
	}
	close(heard)
	if werr := <-sent; err == nil {
		err = werr
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return &synced{Reader: r, conn: conn}, nil
}

// read returns when the other side's start has been read.
func (g *greeting) read(r *bufio.Reader) error {
	total := 0
	for {
		f, skipped, err := readFrame(r)
		if total += skipped; err == nil && total > maxLeftover {
			err = errLeftover
		}
		if err != nil {
			return err
		}
		done, err := g.hear(f)
		if done || err != nil {
			return err
		}
	}
}

// hear takes in one frame and tells whether it was the start.
func (g *greeting) hear(f frame) (done bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	echoed := f.echo == g.mine
	if echoed && f.version != Version {
		return false, fmt.Errorf("%w (it speaks version %d, this side %d)", ErrVersion, f.version, Version)
	}
	if f.kind != kindHello && !echoed {
		return false, nil // a leftover
	}
	if g.agreed && f.nonce != g.theirs {
		// The other side began anew behind our back, perhaps behind our start.
		g.mine, g.agreed, g.sent = newNonce(), false, false
		echoed = false
	}
	if f.nonce != g.theirs || echoed && !g.agreed {
		g.theirs = f.nonce
		g.agreed = echoed
		select {
		case g.changed <- struct{}{}:
		default:
		}
	}
	return echoed && f.kind == kindStart, nil
}

// next returns the frame to send now, if there is one.
func (g *greeting) next() (frame, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := frame{version: Version, kind: kindHello, nonce: g.mine, echo: g.theirs}
	if g.agreed {
		f.kind = kindStart
	}
	due := !g.sent
	g.sent = g.agreed
	return f, due
}

// write sends hello until start may be sent, and then start. Once heard is closed
// nothing more can be heard, and it only has a start that is due left to send.
func (g *greeting) write(w io.Writer, heard <-chan struct{}) error {
	ticker := time.NewTicker(helloEvery)
	defer ticker.Stop()
	for {
		if f, due := g.next(); due {
			if _, err := w.Write(f.encode()); err != nil {
				return err
			}
		}
		select {
		case <-g.changed:
		case <-ticker.C:
		case <-heard:
			if f, due := g.next(); due && f.kind == kindStart {
				_, err := w.Write(f.encode())
				return err
			}
			return nil
		}
	}
}

func newNonce() (n nonce) {
	_, _ = rand.Read(n[:]) // never fails
	return n
}

// synced is a byte stream some of whose bytes are in a buffer already.
type synced struct {
	io.Reader
	conn io.WriteCloser
}

func (s *synced) Write(b []byte) (int, error) { return s.conn.Write(b) }
func (s *synced) Close() error                { return s.conn.Close() }
