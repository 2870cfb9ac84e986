package tree

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused tells that nobody listens at a socket.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
