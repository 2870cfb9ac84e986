package engine

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// processUsage returns this process's processor time and resident memory in bytes.
func processUsage() (time.Duration, uint64) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, 0
	}
	cpu := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	text, err := os.ReadFile("/proc/self/statm") // pages: size, resident, …
	if fields := bytes.Fields(text); err == nil && len(fields) > 1 {
		if pages, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
			return cpu, pages * uint64(os.Getpagesize())
		}
	}
	return cpu, 0
}
