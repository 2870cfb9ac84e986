package engine

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/windows"
)

// processUsage returns this process's processor time and the memory that the Go
// runtime holds, in bytes.
func processUsage() (time.Duration, uint64) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		return 0, 0
	}
	ticks := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return time.Duration(ticks(kernel)+ticks(user)) * 100, m.Sys // in units of 100 ns
}

// diskOnHost returns how many bytes a file takes; the qcow2 file is not sparse itself.
func diskOnHost(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return uint64(info.Size()), nil
}
