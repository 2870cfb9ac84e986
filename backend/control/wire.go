package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// errnos maps codes to the error numbers they travel as. The first code of a
// number is what a number alone means to the client.
var errnos = []struct {
	code  Code
	errno ninep.Errno
}{
	{CodeInvalid, ninep.EINVAL},
	{CodeNotFound, ninep.ENOENT},
	{CodeExists, ninep.EEXIST},
	{CodeTaken, ninep.EADDRINUSE},
	{CodeConflict, ninep.EAGAIN},
	{CodeUnavailable, ninep.ENOTCONN},
	{CodeDenied, ninep.EACCES},
	{CodeNoSpace, ninep.ENOSPC},
	{CodeInternal, ninep.EIO},
	{CodeInvalid, ninep.EFBIG},
	{CodeInvalid, ninep.ENAMETOOLONG},
	{CodeInvalid, ninep.ENOTDIR},
	{CodeInvalid, ninep.EISDIR},
	{CodeDenied, ninep.EROFS},
	{CodeDenied, ninep.EPERM},
}

// wireError is an Error on its way through the tree: it tells its number and,
// where there is a file to read it from, its text.
type wireError struct{ err *Error }

func (e wireError) Error() string { return e.err.Message }

func (e wireError) Unwrap() []error { return []error{e.errno(), e.err} }

func (e wireError) errno() ninep.Errno {
	for _, m := range errnos {
		if m.code == e.err.Code {
			return m.errno
		}
	}
	return ninep.EIO
}

// Explain implements synth.Explainer.
func (e wireError) Explain() []byte {
	b, err := json.Marshal(e.err)
	if err != nil {
		return nil // strings always encode
	}
	return append(b, '\n')
}

// toWire prepares an error of a source for the tree. That a request was cancelled
// stays what it is: nobody waits for the reason.
func toWire(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return wireError{asError(err)}
}

// asError finds the Error in err, or makes an internal one of it.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: err.Error(), Err: err}
}

// fromWire makes an Error of what a 9P call on the client's side failed with,
// where nothing more is known than its number. The end of the caller's context
// stays what it is.
func fromWire(err error) error {
	var e *Error
	switch {
	case err == nil, errors.As(err, &e),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ninep.ErrClosed), errors.Is(err, ninep.EINTR):
		// Interrupted, though we did not ask for it: the server ends.
		return &Error{Code: CodeUnavailable, Message: "the engine has stopped", Hint: "start it with `slipway up`", Err: err}
	}
	code := CodeInternal
	errno := ninep.ErrnoOf(err)
	for _, m := range errnos {
		if m.errno == errno {
			code = m.code
			break
		}
	}
	message := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		message = fmt.Sprintf("%s: %v", p.Path, p.Err)
	}
	return &Error{Code: code, Message: message, Err: err}
}

// parseExplained reads what Explain wrote.
func parseExplained(b []byte) (*Error, bool) {
	var e Error
	if json.Unmarshal(b, &e) != nil || e.Code == "" {
		return nil, false
	}
	return &e, true
}

// reply is what a ctl file answers.
type reply struct {
	OK      bool            `json:"ok"`
	Result  json.RawMessage `json:"result,omitempty"`
	Code    Code            `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
	Hint    string          `json:"hint,omitempty"`
}

// document is v as a status file shows it.
func document(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return append(b, '\n'), nil
}
