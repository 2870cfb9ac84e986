package engine

import (
	"runtime"
	"syscall"
	"time"
)

// processUsage returns this process's processor time and the memory that the Go
// runtime holds, in bytes: the system tells the resident size only to its own tools.
func processUsage() (time.Duration, uint64) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, 0
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), m.Sys
}
