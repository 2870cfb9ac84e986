package main

import (
	"os"
	"syscall"
	"time"
)

// syncData makes a file's content durable, without its times.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// processorTime is what this process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
