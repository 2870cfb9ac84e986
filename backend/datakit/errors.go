package datakit

import (
	"errors"
	"fmt"
	"strings"
)

// Errors to test for with errors.Is.
var (
	// ErrNoBranch: the branch has no commit yet.
	ErrNoBranch = errors.New("no such branch")
	// ErrNotExist: no such file, directory or commit.
	ErrNotExist = errors.New("does not exist")
	// ErrNoChange: the commit would leave the tree as it is.
	ErrNoChange = errors.New("nothing to change")
	// ErrClosed: the store or the transaction was closed or committed.
	ErrClosed = errors.New("already closed")
	// ErrInUse: another process has this repository open.
	ErrInUse = errors.New("the repository is in use by another process")
	// ErrLocked: a git process holds the branch's lock file and did not let go.
	ErrLocked = errors.New("the branch is locked")
	// ErrBadPath: a path that cannot be stored.
	ErrBadPath = errors.New("invalid path")
	// ErrBadBranch: a name that git does not allow for a branch.
	ErrBadBranch = errors.New("invalid branch name")
	// ErrTooLarge: a file, a tree or a transaction above its bound.
	ErrTooLarge = errors.New("too large")
	// ErrDamaged: the repository holds something that cannot be decoded.
	ErrDamaged = errors.New("the repository is damaged")

	// errMoved: compare-and-set found another value.
	errMoved = errors.New("the branch has moved")
)

// ConflictError reports files that both sides changed differently. Nothing was
// written. Read the branch again and repeat the change.
type ConflictError struct {
	Paths []string // sorted
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflicting changes to %s", strings.Join(e.Paths, ", "))
}

// InvalidError reports that the branch's validator refused the tree. Nothing
// was written. Err is what the validator returned.
type InvalidError struct {
	Branch string
	Err    error
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("branch %s refuses the change: %v", e.Branch, e.Err)
}

func (e *InvalidError) Unwrap() error { return e.Err }
