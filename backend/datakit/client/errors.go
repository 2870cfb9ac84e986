package client

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Errors to test for with errors.Is. They are those of package datakit where it
// has them.
var (
	ErrNotExist = datakit.ErrNotExist // no such file, directory, branch or commit
	ErrNoBranch = datakit.ErrNoBranch // the branch has no commit
	ErrNoChange = datakit.ErrNoChange // the commit would leave the tree as it is
	ErrClosed   = datakit.ErrClosed   // the transaction is over
	ErrTooLarge = datakit.ErrTooLarge
	ErrBadPath  = datakit.ErrBadPath

	ErrExist          = datakit.ErrExist
	ErrNotEmpty       = datakit.ErrNotEmpty
	ErrNotFastForward = datakit.ErrNotFastForward
	ErrConflicts      = datakit.ErrConflicts

	ErrDenied   = errors.New("not allowed")
	ErrReadOnly = errors.New("read-only")
	// ErrLost: the connection has ended.
	ErrLost = ninep.ErrClosed
)

// ConflictError says which files both sides changed differently. Read the branch
// again and repeat the change.
type ConflictError = datakit.ConflictError

// Error is what a server refused to do.
type Error struct {
	Op     string // what was asked for
	Name   string // of the branch, file or commit
	Reason string // the server's own words, may be ""
	Err    error  // with the number that the server answered
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Name != "" {
		b.WriteString(" " + e.Name)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	var p *fs.PathError
	switch {
	case e.Reason != "":
		b.WriteString(e.Reason)
	case errors.As(e.Err, &p):
		b.WriteString(p.Err.Error())
	default:
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the error beneath, with the number.
func (e *Error) Unwrap() error { return e.Err }

// Is sorts a refusal by the server's words where they are known, else by the
// number, as one number stands for several of these errors.
func (e *Error) Is(target error) bool { return target != nil && target == e.kind() }

// wordings are how servers say what one number cannot: ours, then DataKit's.
var wordings = []struct {
	text string
	kind error
}{
	{"fast-forward", ErrNotFastForward},
	{"fast forward", ErrNotFastForward},
	{"conflicts file is not empty", ErrConflicts},
	{"unresolved conflict", ErrConflicts},
	{"nothing to change", ErrNoChange},
	{"no such branch", ErrNoBranch},
	{"too large", ErrTooLarge},
	{"invalid path", ErrBadPath},
}

func (e *Error) kind() error {
	for _, w := range wordings {
		if strings.Contains(strings.ToLower(e.Reason), w.text) {
			return w.kind
		}
	}
	var number ninep.Errno
	if !errors.As(e.Err, &number) {
		return nil
	}
	switch number {
	case ninep.ENOENT:
		return ErrNotExist
	case ninep.EEXIST:
		return ErrExist
	case ninep.ENOTEMPTY:
		return ErrNotEmpty
	case ninep.EACCES, ninep.EPERM:
		return ErrDenied
	case ninep.EROFS:
		return ErrReadOnly
	case ninep.EFBIG:
		return ErrTooLarge
	}
	return nil
}

// wrap says what failed. An error of the server that has no reason gets none.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.Op != "" {
			return err
		}
		return &Error{op, name, e.Reason, e.Err}
	}
	if errors.As(err, new(ninep.Errno)) {
		return &Error{Op: op, Name: name, Err: err}
	}
	return err
}

// conflictsOf finds the paths in the words of a refused commit.
func conflictsOf(err error) (paths []string, ok bool) {
	var e *Error
	if !errors.As(err, &e) {
		return nil, false
	}
	for _, start := range []string{"conflicting changes to ", "Merge conflict: "} {
		if _, list, found := strings.Cut(e.Reason, start); found {
			line, _, _ := strings.Cut(list, "\n")
			return strings.Split(line, ", "), true
		}
	}
	return nil, false
}
