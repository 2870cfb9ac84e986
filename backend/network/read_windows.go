package network

import (
	"errors"
	"io"
	"net"
)

// reader reads from a host socket. On Windows it holds its buffer while it
// waits, since a socket there cannot be asked first.
type reader struct{ c net.Conn }

func newReader(c net.Conn) (*reader, error) { return &reader{c: c}, nil }

// read waits for data and returns it, in buf. It returns no bytes at the end
// of a stream, or for an empty datagram.
func (r *reader) read(buf *lent) ([]byte, error) {
	p := buf.get()
	n, err := r.c.Read(p)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return p[:n], err
}
