package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes the content of f durable: os.File.Sync asks for F_FULLFSYNC.
func datasync(f *os.File) error { return f.Sync() }

// BootID names this boot of the system, "" if that cannot be told.
func BootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
