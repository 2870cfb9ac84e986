package vm

import (
	"context"
	"io"
	"net"
)

// Driver starts machines on one kind of hypervisor. Its methods may be called
// concurrently.
type Driver interface {
	// Name is "qemu", "vz" or "fake".
	Name() string
	// Capabilities says what machines of this driver can do on this host.
	Capabilities() Capabilities
	// Start launches a machine and returns once its processors run. ctx bounds
	// the start alone: when it ends first, Start returns soon with its error
	// and leaves nothing behind; ended later, it has no effect. Errors that a
	// person can act on are a *Fault.
	Start(ctx context.Context, c Config) (Instance, error)
}

// Instance is one launch of a machine. Its methods may be called concurrently,
// and after its end.
type Instance interface {
	// Info says what was really started; it does not change.
	Info() Info
	// Agent connects to the private channel on which the guest's agent listens.
	// A connection can exist before the agent reads from it. There is one at a
	// time: a second call takes the channel over or fails.
	Agent(ctx context.Context) (net.Conn, error)
	// Console is the guest's serial output, always the same reader. It must be
	// read all the time, or the guest stalls. It ends with io.EOF soon after
	// Done is closed.
	Console() io.Reader
	// Stop asks the hypervisor to end the machine with its disks flushed. The
	// guest is not asked (that is Guest.Shutdown). It returns when the request
	// is accepted or the machine is gone.
	Stop(ctx context.Context) error
	// Kill ends the machine now. Disks are as after a power cut. The console ends
	// even if the machine cannot be ended.
	Kill() error
	// Done is closed when the machine is gone and its sockets are removed.
	Done() <-chan struct{}
	// Err says why the machine ended: nil when the guest powered off, or after
	// Stop or Kill; otherwise a *Fault. It is nil before Done.
	Err() error
}

// Info is what a driver made of a Config.
type Info struct {
	PID         int // of the hypervisor's process, 0 when it has none of its own
	CPUs        int
	MemoryMiB   int
	Accelerator Accelerator
}

// Accelerator says by what the guest's instructions are run.
type Accelerator struct {
	Name string `json:"name"`
	// Warning tells people what they miss and how to get it; empty if nothing.
	Warning string `json:"warning,omitempty"`
	// Probed is true if a trial boot was made for this launch, which took
	// ProbeMS milliseconds; false if the answer was known before.
	Probed  bool    `json:"probed"`
	ProbeMS float64 `json:"probeMS,omitempty"`
}

// Capabilities says what a driver's machines can do, so that nobody asks which
// driver it is.
type Capabilities struct {
	Pause       bool         `json:"pause"`       // instances are Pausers
	Recover     bool         `json:"recover"`     // the driver is a Recoverer
	Shares      bool         `json:"shares"`      // Config.Shares works
	ShareFS     string       `json:"shareFS"`     // what the guest mounts shares as: "9p" or "virtiofs"
	DiskFormats []DiskFormat `json:"diskFormats"` // usable formats, best first
	LinkKind    string       `json:"linkKind"`    // how Link.Socket is used: "stream" or "datagram"
}

// Pauser is an Instance that can stand still with its memory kept.
type Pauser interface {
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
}

// Noticer is an Instance that tells of changes short of its end. The channel is
// closed at the end of the instance.
type Noticer interface {
	Notices() <-chan Notice
}

// Notice is such a change: the processors stopped or run again. Fault says why
// they stopped, if not because somebody asked.
type Notice struct {
	Paused bool
	Fault  *Fault
}

// Recoverer is a Driver whose machines can outlive a killed engine.
type Recoverer interface {
	// Recover ends a machine that was started with the Config.Dir dir and
	// removes what it left there. It never touches a process that it cannot
	// prove to be such a machine. A dir with nothing in it is no error.
	Recover(ctx context.Context, dir string) (Recovered, error)
}

// Recovered says what Recover did.
type Recovered struct {
	PID     int      `json:"pid,omitempty"`    // the process found, 0 if none
	Killed  bool     `json:"killed,omitempty"` // it did not end when asked
	Removed []string `json:"removed,omitempty"`
}

// Guest is what the supervisor asks of the machine's user, the engine.
type Guest interface {
	// Boot is called once per launch, when the guest's kernel printed its first
	// line. It returns when the guest serves. It calls phase with a phase's name
	// when that phase begins, which ends the ones before it. It must return soon
	// after ctx ends, as it does when the machine is gone.
	Boot(ctx context.Context, m Instance, phase func(name string)) error
	// Shutdown asks the guest to power off and returns when it was asked, or at
	// once with an error when there is no way to ask. It can be called while
	// Boot still runs.
	Shutdown(ctx context.Context) error
}
