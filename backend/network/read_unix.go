//go:build !windows

package network

import (
	"os"
	"syscall"
)

// reader reads from a host socket without holding a buffer while there is
// nothing to read: the kernel says first that there is.
type reader struct {
	raw  syscall.RawConn
	buf  *lent
	n    int
	err  error
	call func(fd uintptr) bool
}

func newReader(c syscall.Conn) (*reader, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &reader{raw: raw}
	r.call = r.try
	return r, nil
}

// read waits for data and returns it, in buf. It returns no bytes at the end
// of a stream, or for an empty datagram.
func (r *reader) read(buf *lent) ([]byte, error) {
	r.buf = buf
	if err := r.raw.Read(r.call); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, os.NewSyscallError("read", r.err)
	}
	return buf.get()[:r.n], nil
}

func (r *reader) try(fd uintptr) bool {
	for {
		r.n, r.err = syscall.Read(int(fd), r.buf.get())
		switch r.err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			r.buf.put()
			return false
		default:
			return true
		}
	}
}
