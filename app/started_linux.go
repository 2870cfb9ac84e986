package app

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of times in /proc: USER_HZ, the same on all of our
// architectures.
const ticksPerSecond = 100

// processStart is when the process was made, to 10 ms: before exec, the dynamic
// linker and Go's runtime, which a person waits for too. See proc_pid_stat(5), field 22.
func processStart() time.Time {
	now := time.Now()
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return loaded
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from field 3 on
	if len(fields) < 20 {
		return loaded
	}
	ticks, err := strconv.ParseInt(string(fields[19]), 10, 64)
	var boot unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return loaded
	}
	age := time.Duration(boot.Nano()) - time.Duration(ticks)*time.Second/ticksPerSecond
	return now.Add(-age)
}
