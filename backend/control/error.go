package control

import "fmt"

// Code classifies an Error for programs. The list is closed.
type Code string

// The codes, and the error number each one travels as over 9P2000.L.
const (
	CodeInvalid     Code = "invalid"     // the request is malformed or out of range (EINVAL)
	CodeNotFound    Code = "not-found"   // what it names does not exist (ENOENT)
	CodeExists      Code = "exists"      // it is there already (EEXIST)
	CodeTaken       Code = "taken"       // a port or a home is held by someone else (EADDRINUSE)
	CodeConflict    Code = "conflict"    // it changed meanwhile; look again and retry (EAGAIN)
	CodeUnavailable Code = "unavailable" // not in this state: the machine is not running (ENOTCONN)
	CodeDenied      Code = "denied"      // not allowed (EACCES)
	CodeNoSpace     Code = "no-space"    // the host's disk is full (ENOSPC)
	CodeInternal    Code = "internal"    // a defect or an unforeseen failure (EIO)
)

// Error is what a person or a script gets to read when something is refused.
// Message says what is the matter in one sentence; Hint says what to do, and may
// be empty. Err is the cause, for the log.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Err     error  `json:"-"`
}

// Errorf makes an Error without a hint.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint returns a copy of e that carries a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
