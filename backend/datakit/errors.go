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

	// ErrNotFastForward: the commit does not descend from the branch's head.
	ErrNotFastForward = errors.New("not a fast-forward")
	// ErrExist: there is something of this name already.
	ErrExist = errors.New("already exists")
	// ErrNotEmpty: the directory has entries.
	ErrNotEmpty = errors.New("the directory is not empty")
	// ErrConflicts: a merge left conflicts that are not resolved.
	ErrConflicts = errors.New("there are unresolved conflicts")
	// ErrTooSlow: a reader of moves fell so far behind that some were dropped.
	ErrTooSlow = errors.New("the reader is too slow")
	// ErrReadOnly: a sync of the journal failed, so nothing can be promised to
	// be durable any more. Restart the program: opening the store anew finds out
	// what is on disk.
	ErrReadOnly = errors.New("the store is read only since a sync to disk failed; restart it")
	// ErrNoSpace: the disk is full, or what could not be brought into git's files
	// for another reason has filled the journal.
	ErrNoSpace = errors.New("no space for the change; free some on the disk of the repository")

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
