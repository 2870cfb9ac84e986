//go:build !windows

package link

import (
	"bytes"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestDatagramKeepsBoundaries(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "link")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = Datagram(c)
		defer ends[i].Close()
	}
	for _, f := range [][]byte{[]byte("one"), bytes.Repeat([]byte{2}, 65534)} {
		if _, err := ends[0].Add(f[:1], f[1:]); err != nil {
			t.Fatal(err)
		}
		if err := ends[0].Flush(); err != nil {
			t.Fatal(err)
		}
		if got, err := take(ends[1]); err != nil || !bytes.Equal(got, f) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if _, err := ends[0].Add(make([]byte, MaxMessage+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("a frame too long: %v", err)
	}
}
