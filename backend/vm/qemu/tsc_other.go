//go:build !amd64

package qemu

// tscKHz is 0, not known, where the host's counter is not what an amd64 guest would see.
func tscKHz() uint64 { return 0 }
