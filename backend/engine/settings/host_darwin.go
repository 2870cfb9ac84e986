package settings

import "golang.org/x/sys/unix"

func memoryMiB() (int, error) {
	bytes, err := unix.SysctlUint64("hw.memsize")
	return int(bytes >> 20), err
}
