package journal

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// datasync makes the content of f durable. Its size did not change.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

// BootID names this boot of the system, "" if that cannot be told.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
