package main

import (
	"fmt"
	"io"
)

// A cpioWriter writes an archive of the "newc" format, which the kernel unpacks as
// its initramfs (Documentation/driver-api/early-userspace/buffer-format). Every entry
// belongs to root and has the same time, so equal contents make equal bytes.
type cpioWriter struct {
	w     io.Writer
	ino   uint32
	mtime uint32
	err   error
}

const (
	cpioDir  = 0o040000
	cpioFile = 0o100000
	cpioChar = 0o020000
)

func (c *cpioWriter) dir(name string)               { c.entry(name, cpioDir|0o755, 2, 0, 0, nil) }
func (c *cpioWriter) file(name string, data []byte) { c.entry(name, cpioFile|0o755, 1, 0, 0, data) }
func (c *cpioWriter) char(name string, major, minor uint32) {
	c.entry(name, cpioChar|0o600, 1, major, minor, nil)
}

// close ends the archive, and returns the first error of all that was written.
func (c *cpioWriter) close() error {
	c.ino = 0
	c.mtime = 0
	c.entry("TRAILER!!!", 0, 1, 0, 0, nil)
	return c.err
}

func (c *cpioWriter) entry(name string, mode, nlink, rmajor, rminor uint32, data []byte) {
	if c.err != nil {
		return
	}
	if mode != 0 {
		c.ino++
	}
	head := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.ino, mode, 0, 0, nlink, c.mtime, len(data), 0, 0, rmajor, rminor, len(name)+1, 0)
	buf := append([]byte(head), name...)
	buf = append(buf, 0)
	buf = pad4(buf, len(buf))
	buf = append(buf, data...)
	buf = pad4(buf, len(data))
	_, c.err = c.w.Write(buf)
}

// pad4 appends the zeros that round n up to a multiple of four.
func pad4(buf []byte, n int) []byte {
	return append(buf, make([]byte, (4-n%4)%4)...)
}
