package ninep

import (
	"errors"
	"syscall"
)

// systemErrno passes on the number of a system call's error: here it already
// has the numbering of the wire.
func systemErrno(err error) Errno {
	var e syscall.Errno
	if errors.As(err, &e) && e != 0 {
		return Errno(e)
	}
	return EIO
}
