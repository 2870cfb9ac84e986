package vm

import "time"

// State is where a machine is in its life.
type State string

// The states. Paused is Running with the processors standing still, because
// somebody asked or because the host's disk is full (see Status.Reason).
const (
	Stopped  State = "stopped"
	Starting State = "starting"
	Running  State = "running"
	Paused   State = "paused"
	Stopping State = "stopping"
	Failed   State = "failed"
)

// The phases of a launch, in order.
const (
	PhaseHypervisor = "hypervisor" // the probe, if any, and the hypervisor's own start
	PhaseKernel     = "kernel"     // until Guest.Boot names another
	PhaseNetwork    = "network"
	PhaseAgent      = "agent"
	PhaseEngine     = "engine" // the container engine in the guest
)

// PhaseState is where a phase is.
type PhaseState string

// The states of phases.
const (
	PhasePending PhaseState = "pending"
	PhaseActive  PhaseState = "active"
	PhaseDone    PhaseState = "done"
	PhaseFailed  PhaseState = "failed"
)

// Phase is one step of a launch. Times are milliseconds since the launch began;
// EndMS is 0 until the phase is done or failed.
type Phase struct {
	Name    string     `json:"name"`
	State   PhaseState `json:"state"`
	StartMS float64    `json:"startMS"`
	EndMS   float64    `json:"endMS"`
}

// Status is a machine at one moment. It is a value: nothing in it changes.
type Status struct {
	// Seq grows with each change, so that a reader can order what it gets.
	Seq    uint64 `json:"seq"`
	State  State  `json:"state"`
	Code   Code   `json:"code,omitempty"`   // of the fault, in Failed and Paused
	Reason string `json:"reason,omitempty"` // why it is in this state, for people
	Hint   string `json:"hint,omitempty"`   // what to do about it
	Detail string `json:"detail,omitempty"` // Fault.Detail
	Driver string `json:"driver"`

	Accelerator Accelerator `json:"accelerator"`
	CPUs        int         `json:"cpus"` // those the guest has
	MemoryMiB   int         `json:"memoryMiB"`
	PID         int         `json:"pid,omitempty"`

	Phases []Phase `json:"phases"`
	// Launches counts launches since Start, Retries those of them that repeated
	// a silent one.
	Launches int       `json:"launches"`
	Retries  int       `json:"retries"`
	Launched time.Time `json:"launched"` // of the last launch: Phases count from here
	Since    time.Time `json:"since"`    // of State
}

func newPhases() []Phase {
	names := []string{PhaseHypervisor, PhaseKernel, PhaseNetwork, PhaseAgent, PhaseEngine}
	phases := make([]Phase, len(names))
	for i, name := range names {
		phases[i] = Phase{Name: name, State: PhasePending}
	}
	return phases
}

// enterPhase ends the phases before the named one and begins it. A name that
// is unknown, or of a phase that began already, changes nothing.
func enterPhase(phases []Phase, name string, ms float64) bool {
	for i := range phases {
		if phases[i].Name != name {
			continue
		}
		if phases[i].State != PhasePending {
			return false
		}
		endPhases(phases[:i], PhaseDone, ms)
		phases[i].State, phases[i].StartMS = PhaseActive, ms
		return true
	}
	return false
}

// endPhases gives every unfinished phase a final state; for PhaseFailed that is
// only the active one.
func endPhases(phases []Phase, final PhaseState, ms float64) {
	for i := range phases {
		switch p := &phases[i]; {
		case p.State == PhaseActive:
			p.State, p.EndMS = final, ms
		case p.State == PhasePending && final == PhaseDone:
			p.State, p.StartMS, p.EndMS = final, ms, ms
		}
	}
}
