// Package holder finds the process that holds a port of the host.
//
// It is for error messages: an answer is a best effort at one moment, may be
// missing for another user's process, and never takes long. The parsers are
// ordinary functions that every system compiles and tests; only the way the
// text is obtained differs.
package holder

import (
	"context"
	"net/netip"
	"time"
)

// Holder is a process.
type Holder struct {
	PID     int
	Process string // its name; "process" if the system does not tell
}

// patience bounds a search.
const patience = 2 * time.Second

// Find returns the process that listens on addr, or on a wildcard address with
// the same port. proto is "tcp" or "udp".
func Find(ctx context.Context, proto string, addr netip.AddrPort) (Holder, bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	h, ok := find(ctx, proto, addr)
	if h.Process == "" {
		h.Process = "process"
	}
	return h, ok && h.PID != 0
}

// covers says whether a socket bound to have keeps want from being bound. An
// IPv6 wildcard may take IPv4 as well.
func covers(have, want netip.AddrPort) bool {
	if have.Port() != want.Port() {
		return false
	}
	a, b := have.Addr().Unmap(), want.Addr().Unmap()
	switch {
	case a == b:
		return true
	case a.IsUnspecified():
		return a.Is6() || b.Is4()
	case b.IsUnspecified():
		return b.Is6() || a.Is4()
	}
	return false
}
