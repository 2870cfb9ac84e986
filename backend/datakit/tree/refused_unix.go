//go:build unix

package tree

import (
	"errors"
	"syscall"
)

// isRefused tells that nobody listens at a socket.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
