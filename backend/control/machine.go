package control

import (
	"context"
	"io"
	"time"
)

// Machine controls the Linux machine.
type Machine interface {
	// Start returns when Docker answers in the machine, or with the reason why it
	// does not. ctx bounds the waiting alone: the machine goes on without the
	// caller. Starting a running machine is no error.
	Start(ctx context.Context) error
	// Stop stops it cleanly and returns when it is down.
	Stop(ctx context.Context) error
	// Restart is Stop and then Start.
	Restart(ctx context.Context) error
	// Kill takes its power away: what the guest had not written to disk is lost.
	Kill(ctx context.Context) error
	// Stats returns the last reading of the guest's gauges. They are read every
	// second while somebody follows the events, else when asked.
	Stats(ctx context.Context) (Stats, error)
	// Console writes what the kept part of the console holds.
	Console(ctx context.Context, w io.Writer) error
}

// MachineStatus is the machine's state, as in /vm/default/status.
type MachineStatus struct {
	Name        string      `json:"name"`
	State       string      `json:"state"` // "stopped", "starting", "running", "paused", "stopping", "failed"
	Reason      string      `json:"reason,omitempty"`
	Hint        string      `json:"hint,omitempty"`
	Since       time.Time   `json:"since"`
	Driver      string      `json:"driver"` // "qemu", "vz"
	Accelerator Accelerator `json:"accelerator"`
	CPUs        int         `json:"cpus"`
	MemoryMiB   int         `json:"memoryMiB"`
	DiskGiB     int         `json:"diskGiB"`
	PID         int         `json:"pid,omitempty"`
	Retries     int         `json:"retries"` // launches given up and tried again since the last Start
	Phases      []Phase     `json:"phases"`
}

// Accelerator says what executes the guest's instructions, and why.
type Accelerator struct {
	Name    string `json:"name"` // "kvm", "hvf", "whpx", "tcg" (software emulation)
	Warning string `json:"warning,omitempty"`
}

// Phase is one step of a boot: hypervisor, kernel, network, agent, engine.
// Times are milliseconds since the launch.
type Phase struct {
	Name    string  `json:"name"`
	State   string  `json:"state"` // "pending", "active", "done", "failed"
	StartMS float64 `json:"startMs"`
	EndMS   float64 `json:"endMs"`
}

// Stats is one reading of the guest's gauges. Sizes are bytes.
type Stats struct {
	Time         time.Time `json:"time"`
	CPUPercent   float64   `json:"cpuPercent"` // of all the machine's processors
	MemoryUsed   uint64    `json:"memoryUsed"`
	MemoryTotal  uint64    `json:"memoryTotal"`
	DiskUsed     uint64    `json:"diskUsed"`
	DiskTotal    uint64    `json:"diskTotal"`
	DiskOnHost   uint64    `json:"diskOnHost"`       // what the disk file takes on the host
	EngineCPU    float64   `json:"engineCpuPercent"` // of one host processor
	EngineMemory uint64    `json:"engineMemory"`
}
