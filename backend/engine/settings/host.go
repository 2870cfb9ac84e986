package settings

import (
	"fmt"
	"os"
	"runtime"
)

// Host is what bounds and defaults depend on.
type Host struct {
	CPUs      int    // logical processors, at least 1
	MemoryMiB int    // physical memory
	Home      string // the user's home directory
	// DiskGiB returns the present size of the machine's data disk, which can
	// only grow; 0 or a nil func: there is none yet.
	DiskGiB func() int
}

// DetectHost looks at this computer.
func DetectHost() (Host, error) {
	memory, err := memoryMiB()
	if err != nil {
		return Host{}, fmt.Errorf("find the size of memory: %w", err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return Host{}, fmt.Errorf("find the home directory: %w", err)
	}
	return Host{CPUs: runtime.NumCPU(), MemoryMiB: memory, Home: home}, nil
}

func (h Host) disk() int {
	if h.DiskGiB == nil {
		return 0
	}
	return h.DiskGiB()
}
