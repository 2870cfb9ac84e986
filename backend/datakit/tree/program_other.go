//go:build !linux

package tree

// programOf: no other system tells the name of a process without a library or a
// privilege, so clients are known there by their user and process number.
func programOf(int) string { return "" }
