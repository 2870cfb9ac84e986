package guest

import (
	"net/netip"
	"time"
)

// States of Docker in the guest, the values of Facts.Docker.
const (
	DockerStarting = "starting"
	DockerReady    = "ready" // the API answers
	DockerFailed   = "failed"
)

// Facts is what the guest says about itself. The agent sends all of it at the start
// of a session and again whenever something in it changed.
type Facts struct {
	// Address is the machine's address and network on its link to the host; the
	// zero value until it has one.
	Address netip.Prefix `json:"address"`
	// Phases are the steps of the boot that are done, oldest first.
	Phases []Phase `json:"phases"`
	// Versions names what runs in the guest: kernel, docker, containerd, runc, agent, image.
	Versions map[string]string `json:"versions"`
	// Docker is one of DockerStarting, DockerReady and DockerFailed.
	Docker string `json:"docker"`
	// Problem is what a person should know when something in the guest is wrong;
	// empty when all is well.
	Problem string `json:"problem,omitempty"`
}

// A Phase is one step of the boot and the moment it was done.
type Phase struct {
	Name string `json:"name"`
	// At is the time since the kernel started (CLOCK_BOOTTIME).
	At time.Duration `json:"at"`
}

// Stats is one reading of the guest's counters.
type Stats struct {
	Time time.Time `json:"time"` // the guest's clock
	// CPU is the busy share of all the machine's processors since the reading
	// before, 0 to 100.
	CPU  float64 `json:"cpu"`
	Load float64 `json:"load"` // run queue, average over one minute
	// Bytes.
	MemoryTotal     uint64 `json:"memoryTotal"`
	MemoryUsed      uint64 `json:"memoryUsed"`
	MemoryAvailable uint64 `json:"memoryAvailable"`
	DiskTotal       uint64 `json:"diskTotal"` // data disk
	DiskUsed        uint64 `json:"diskUsed"`
}

// PortRequest asks for a port of the host to lead to a container.
type PortRequest struct {
	Proto         string     `json:"proto"`  // "tcp" or "udp"
	HostIP        netip.Addr `json:"hostIP"` // where the host listens; may be a wildcard
	HostPort      uint16     `json:"hostPort"`
	ContainerIP   netip.Addr `json:"containerIP"`
	ContainerPort uint16     `json:"containerPort"`
}
