// Package merge merges three versions of a text, line by line.
package merge

import "errors"

// MaxSize is the largest text that is merged, in bytes.
const MaxSize = 16 << 20

var (
	// ErrConflict: both sides changed the same lines.
	ErrConflict = errors.New("both sides changed the same lines")
	// ErrBinary: a text holds a NUL byte near its beginning.
	ErrBinary = errors.New("not text")
	// ErrTooLarge: a text is larger than MaxSize.
	ErrTooLarge = errors.New("too large to merge by line")
)

// Lines merges.
func Lines(base, ours, theirs []byte) ([]byte, error) { return nil, ErrConflict }
