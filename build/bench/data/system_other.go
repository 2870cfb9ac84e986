//go:build !linux

package main

import (
	"os"
	"time"
)

// syncData makes a file's content durable.
func syncData(f *os.File) error { return f.Sync() }

// processorTime is not measured here.
func processorTime() time.Duration { return 0 }
