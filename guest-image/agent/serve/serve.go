//go:build linux

// Package serve is the guest's end of the engine's private channel: it tells the
// host what the machine is and does, carries connections to dockerd, and asks the
// host for the ports that containers publish. PID 1 runs it for as long as the
// machine lives; the host may go and come back any number of times meanwhile.
//
// The protocol and its messages are package guest's. The host is trusted here (it
// owns the machine), so the bounds in this package protect the guest's memory from
// mistakes, not from attack.
package serve

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
)

// Config is what PID 1 lends to the channel.
type Config struct {
	// Open opens the device of the channel. It is called again after each session;
	// an error is logged and tried again.
	Open func(ctx context.Context) (io.ReadWriteCloser, error)
	// Facts returns the present facts; it is called at the start of a session and
	// after each receive from Changed.
	Facts   func() guest.Facts
	Changed <-chan struct{}
	// PowerOff starts the machine's orderly end. It returns at once.
	PowerOff func()
	SetTime  func(time.Time) error
	// DockerSocket is dockerd's Unix socket, ProxySocket the one that ProxyMain's
	// processes find this agent at, DataDir the mount point of the data disk.
	DockerSocket string
	ProxySocket  string
	DataDir      string
	// HostAway, when set, is called once when the host, having been there, has
	// stayed away for 60 s.
	HostAway func()
	Log      *slog.Logger // nil discards
}

// Run serves the host until ctx ends, and returns when all it started has ended.
// It fails only when it cannot begin: ProxySocket cannot be made.
func Run(ctx context.Context, cfg Config) error {
	<-ctx.Done()
	return nil
}
