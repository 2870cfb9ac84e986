//go:build unix

package pack

import (
	"errors"
	"os"
)

// syncFile makes the content of a file durable.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error { return syncFile(path) }
