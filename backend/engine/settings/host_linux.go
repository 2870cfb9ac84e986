package settings

import "golang.org/x/sys/unix"

func memoryMiB() (int, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, err
	}
	return int(uint64(info.Totalram) * uint64(info.Unit) >> 20), nil
}
