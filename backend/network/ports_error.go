package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"

	"github.com/slipway-desktop/slipway/backend/network/holder"
)

// TakenError says that a port is in use, and by whom as far as the host tells.
type TakenError struct {
	Proto string
	Addr  netip.AddrPort

	PID     int    // 0 if unknown
	Process string // "" if unknown

	ForwardID    string         // set if another published port of ours holds it,
	ForwardGuest netip.AddrPort // which leads there
}

func (e *TakenError) Error() string {
	switch {
	case e.ForwardID != "":
		return fmt.Sprintf("port %d is published already, to %s (forward %s); pick another port or remove that one",
			e.Addr.Port(), e.ForwardGuest, e.ForwardID)
	case e.PID != 0:
		return fmt.Sprintf("port %d is taken by %s (pid %d); pick another port or stop that process",
			e.Addr.Port(), e.Process, e.PID)
	}
	return fmt.Sprintf("port %d is taken by a process that cannot be named, perhaps another user's; pick another port or stop that process",
		e.Addr.Port())
}

func (e *TakenError) find(ctx context.Context) {
	if h, ok := holder.Find(ctx, e.Proto, e.Addr); ok {
		e.PID, e.Process = h.PID, h.Process
	}
}

// DeniedError says that the host does not let us listen on a port.
type DeniedError struct {
	Proto string
	Addr  netip.AddrPort
	Hint  string // what to do
	err   error
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("the system does not allow listening on port %d; %s", e.Addr.Port(), e.Hint)
}

func (e *DeniedError) Unwrap() error { return e.err }

// refusal turns the error of a bind into one that says what to do.
func refusal(want Forward, err error) error {
	switch {
	case errors.Is(err, eaddrinuse):
		return &TakenError{Proto: want.Proto, Addr: want.Host}
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return &DeniedError{Proto: want.Proto, Addr: want.Host, Hint: deniedHint(runtime.GOOS, want.Host.Port()), err: err}
	case errors.Is(err, eaddrnotav):
		return fmt.Errorf("address %s is not one of this host; give one that is, or 127.0.0.1", want.Host.Addr())
	}
	return fmt.Errorf("listen on port %d: %w", want.Host.Port(), err)
}

func deniedHint(system string, port uint16) string {
	switch system {
	case "linux":
		return fmt.Sprintf("pick one from 1024 up, or allow it with `sudo sysctl net.ipv4.ip_unprivileged_port_start=%d`", port)
	case "windows":
		return "Windows may have reserved it: see `netsh interface ipv4 show excludedportrange protocol=tcp`, or pick another"
	}
	return "pick one from 1024 up"
}
