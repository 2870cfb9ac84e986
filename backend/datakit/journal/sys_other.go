//go:build !linux && !darwin

package journal

import "os"

func datasync(f *os.File) error { return f.Sync() }

// BootID names this boot of the system, "" if that cannot be told.
func BootID() string { return "" }
