//go:build !linux

package app

import "time"

// processStart is when Go's runtime had begun: a little late.
func processStart() time.Time { return loaded }
