package pack

import (
	"errors"
	"os"
)

// syncFile makes the content of a file durable. Windows syncs only files that
// are open for writing, and a pack is read-only; it is made writable meanwhile.
// Not tried on Windows.
func syncFile(path string) error {
	if err := os.Chmod(path, 0o666); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), os.Chmod(path, 0o444))
}

// syncDir does nothing: Windows has no fsync of a directory; NTFS journals its
// names. Not tried on Windows.
func syncDir(string) error { return nil }
