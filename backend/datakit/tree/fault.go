package tree

import (
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// fault is an error with a number for 9P2000.L and a text for people and for the
// older dialects, whose kernel clients know DataKit's texts.
type fault struct {
	errno ninep.Errno
	text  string
}

func (f *fault) Error() string   { return f.text }
func (f *fault) Unwrap() error   { return f.errno }
func (f *fault) Explain() []byte { return []byte(f.text) }

func faultf(errno ninep.Errno, format string, args ...any) error {
	return &fault{errno, fmt.Sprintf(format, args...)}
}

// The refusals that need no more words.
var (
	errNotThere  = &fault{ninep.ENOENT, "No such file or directory"}
	errThere     = &fault{ninep.EEXIST, "Already exists"}
	errReadOnly  = &fault{ninep.EROFS, "Read-only file"}
	errDirRO     = &fault{ninep.EROFS, "Directory is read-only"}
	errIsDir     = &fault{ninep.EISDIR, "Is a directory"}
	errNotDir    = &fault{ninep.ENOTDIR, "Is not a directory"}
	errSeek      = &fault{ninep.ESPIPE, "Attempt to seek in stream"}
	errOnlyDirs  = &fault{ninep.EPERM, "Can only contain directories"}
	errUseCtl    = &fault{ninep.EPERM, "Write commit or close to ctl instead"}
	errNoChmod   = &fault{ninep.EPERM, "Can't chmod special file"}
	errNoExtend  = &fault{ninep.EINVAL, "Can't extend command file"}
	errNotYours  = &fault{ninep.EACCES, "The transaction belongs to another user"}
	errNoWrite   = &fault{ninep.EACCES, "You may not write to this branch"}
	errBadName   = &fault{ninep.EINVAL, "Names are UTF-8 without control characters"}
	errConflicts = &fault{ninep.EBUSY, "conflicts file is not empty"}
)

// wire gives an error of the store its number and DataKit's text.
func wire(err error) error {
	if err == nil {
		return nil
	}
	var done *fault
	var conflict *datakit.ConflictError
	var invalid *datakit.InvalidError
	switch {
	case errors.As(err, &done):
		return done
	case errors.As(err, &conflict):
		return faultf(ninep.EBUSY, "Merge conflict: %s", strings.Join(conflict.Paths, ", "))
	case errors.As(err, &invalid):
		return faultf(ninep.EINVAL, "%s", err)
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			if k.text != "" {
				return faultf(k.errno, "%s", k.text)
			}
			return faultf(k.errno, "%s", err)
		}
	}
	return err
}

// known are the store's errors. Those with a text are told so, others as they are.
var known = []struct {
	err   error
	errno ninep.Errno
	text  string
}{
	{datakit.ErrConflicts, errConflicts.errno, errConflicts.text},
	{datakit.ErrNotFastForward, ninep.EINVAL, "not-fast-forward"},
	{datakit.ErrNotExist, ninep.ENOENT, ""},
	{datakit.ErrNoBranch, ninep.ENOENT, ""},
	{datakit.ErrExist, ninep.EEXIST, ""},
	{datakit.ErrNotEmpty, ninep.ENOTEMPTY, ""},
	{datakit.ErrNoChange, ninep.EINVAL, "nothing to change"},
	{datakit.ErrClosed, ninep.ENOENT, ""},
	{datakit.ErrLocked, ninep.EBUSY, ""},
	{datakit.ErrReadOnly, ninep.EROFS, ""},
	{datakit.ErrNoSpace, ninep.ENOSPC, ""},
	{datakit.ErrTooLarge, ninep.EFBIG, ""},
	{datakit.ErrBadPath, ninep.EINVAL, ""},
	{datakit.ErrBadBranch, ninep.EINVAL, ""},
}

// parseHash reads what was written as a commit id.
func parseHash(text string) (datakit.Hash, error) {
	text = strings.TrimSpace(text)
	h, err := datakit.ParseHash(text)
	if err != nil {
		return h, faultf(ninep.EINVAL, "invalid-hash %q: want 40 hexadecimal digits", clip(text))
	}
	return h, nil
}

// clip shortens text of a client before it goes into a message.
func clip(s string) string {
	const limit = 80
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
