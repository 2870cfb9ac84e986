package ninep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Errno is an error number as it travels in Rlerror: Linux's numbering, whatever
// system this runs on. It matches the errors of io/fs with errors.Is.
type Errno uint32

// The error numbers this package and its trees use.
const (
	EPERM        Errno = 1
	ENOENT       Errno = 2
	EINTR        Errno = 4
	EIO          Errno = 5
	EBADF        Errno = 9
	EAGAIN       Errno = 11
	ENOMEM       Errno = 12
	EACCES       Errno = 13
	EBUSY        Errno = 16
	EEXIST       Errno = 17
	EXDEV        Errno = 18
	ENOTDIR      Errno = 20
	EISDIR       Errno = 21
	EINVAL       Errno = 22
	ENFILE       Errno = 23
	EFBIG        Errno = 27
	ENOSPC       Errno = 28
	ESPIPE       Errno = 29
	EROFS        Errno = 30
	ERANGE       Errno = 34
	ENAMETOOLONG Errno = 36
	ENOLCK       Errno = 37
	ENOTEMPTY    Errno = 39
	ENODATA      Errno = 61
	EPROTO       Errno = 71
	EMSGSIZE     Errno = 90
	ENOTSUP      Errno = 95
	EADDRINUSE   Errno = 98
	ENOTCONN     Errno = 107
	ETIMEDOUT    Errno = 110
)

var errnoTexts = map[Errno]string{
	EPERM:        "operation not permitted",
	ENOENT:       "no such file or directory",
	EINTR:        "interrupted",
	EIO:          "input/output error",
	EBADF:        "bad file descriptor",
	EAGAIN:       "try again",
	ENOMEM:       "out of memory",
	EACCES:       "permission denied",
	EBUSY:        "busy",
	EEXIST:       "file exists",
	EXDEV:        "not within one directory tree",
	ENOTDIR:      "not a directory",
	EISDIR:       "is a directory",
	EINVAL:       "invalid argument",
	ENFILE:       "too many open files",
	EFBIG:        "file too large",
	ENOSPC:       "no space left",
	ESPIPE:       "cannot seek",
	EROFS:        "read-only",
	ERANGE:       "result too large",
	ENAMETOOLONG: "name too long",
	ENOLCK:       "no locks available",
	ENOTEMPTY:    "directory not empty",
	ENODATA:      "no such attribute",
	EPROTO:       "protocol error",
	EMSGSIZE:     "message too long",
	ENOTSUP:      "not supported",
	EADDRINUSE:   "address in use",
	ENOTCONN:     "not connected",
	ETIMEDOUT:    "timed out",
}

func (e Errno) Error() string {
	if s, ok := errnoTexts[e]; ok {
		return s
	}
	return fmt.Sprintf("error number %d", uint32(e))
}

// Is makes errors.Is work with the errors of io/fs.
func (e Errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == ENOENT
	case fs.ErrExist:
		return e == EEXIST || e == ENOTEMPTY
	case fs.ErrPermission:
		return e == EACCES || e == EPERM
	case fs.ErrInvalid:
		return e == EINVAL
	case errors.ErrUnsupported:
		return e == ENOTSUP
	}
	return false
}

// Explainer is an error with more to say than a number: in 9P2000 and 9P2000.u
// the explanation is what the client gets.
type Explainer interface {
	error
	Explain() []byte
}

// ErrnoOf says which error number stands for err on the wire. An error that
// holds none is EIO; nil is 0.
func ErrnoOf(err error) Errno {
	var e Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return EINTR
	case errors.Is(err, context.DeadlineExceeded):
		return ETIMEDOUT
	case errors.Is(err, fs.ErrNotExist):
		return ENOENT
	case errors.Is(err, fs.ErrExist):
		return EEXIST
	case errors.Is(err, fs.ErrPermission):
		return EACCES
	case errors.Is(err, fs.ErrInvalid):
		return EINVAL
	case errors.Is(err, errors.ErrUnsupported):
		return ENOTSUP
	}
	return systemErrno(err)
}
