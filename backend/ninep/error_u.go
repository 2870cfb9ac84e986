package ninep

import (
	"errors"
	"strings"
)

// classical holds what the error numbers are called in 9P2000. The Linux kernel
// knows these very texts, and turns them back into numbers: net/9p/error.c.
var classical = map[Errno]string{
	EPERM:        "Operation not permitted",
	ENOENT:       "No such file or directory",
	EINTR:        "Interrupted system call",
	EIO:          "Input/output error",
	EBADF:        "Bad file descriptor",
	EAGAIN:       "Resource temporarily unavailable",
	ENOMEM:       "Cannot allocate memory",
	EACCES:       "Permission denied",
	EBUSY:        "Device or resource busy",
	EEXIST:       "File exists",
	EXDEV:        "Invalid cross-device link",
	ENOTDIR:      "Not a directory",
	EISDIR:       "Is a directory",
	EINVAL:       "Invalid argument",
	ENFILE:       "Too many open files in system",
	EFBIG:        "File too large",
	ENOSPC:       "No space left on device",
	ESPIPE:       "Illegal seek",
	EROFS:        "Read-only file system",
	ERANGE:       "Numerical result out of range",
	ENAMETOOLONG: "File name too long",
	ENOLCK:       "No locks available",
	ENOTEMPTY:    "Directory not empty",
	ENODATA:      "No data available",
	EPROTO:       "Protocol error",
	EMSGSIZE:     "Message too long",
	ENOTSUP:      "Operation not supported",
	EADDRINUSE:   "Address already in use",
	ENOTCONN:     "Transport endpoint is not connected",
	ETIMEDOUT:    "Connection timed out",
}

// maxErrorText keeps an explanation within the smallest message.
const maxErrorText = 1024

// errorText is how an error is told in 9P2000: by its explanation, else by the
// text that its number is known by.
func errorText(err error) string {
	var e Explainer
	if errors.As(err, &e) {
		if text := strings.TrimSpace(string(e.Explain())); text != "" {
			return text[:min(len(text), maxErrorText)]
		}
	}
	if text, ok := classical[ErrnoOf(err)]; ok {
		return text
	}
	return ErrnoOf(err).Error()
}

// errorReply tells an error in a dialect.
func errorReply(d Dialect, err error) message {
	if d == Dialect9P2000L {
		return &rLerror{uint32(ErrnoOf(err))}
	}
	return &rError{errorText(err), uint32(ErrnoOf(err))}
}

// authReply says that no authentication is needed. In 9P2000.L it is error 0,
// from which diod's tools learn it.
func authReply(d Dialect) message {
	if d == Dialect9P2000L {
		return &rLerror{0}
	}
	return &rError{"authentication not required", 0}
}

// RemoteError is an error that a server of 9P2000 or 9P2000.u told by a text. It
// matches the Errno that belongs to it with errors.Is and errors.As.
type RemoteError struct {
	Errno Errno // EIO if the text is not one that stands for a number
	Text  string
}

func (e *RemoteError) Error() string { return e.Text }

// Unwrap returns the error number.
func (e *RemoteError) Unwrap() error { return e.Errno }

// remoteError reads an Rerror.
func remoteError(m *rError) *RemoteError {
	e := &RemoteError{Errno: Errno(m.errno), Text: m.text}
	if e.Errno != 0 {
		return e
	}
	e.Errno = EIO
	for errno, text := range classical {
		if strings.EqualFold(text, m.text) {
			e.Errno = errno
		}
	}
	return e
}
