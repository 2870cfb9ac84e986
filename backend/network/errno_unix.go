//go:build !windows

package network

import "syscall"

const (
	econnrefused = syscall.ECONNREFUSED
	ehostunreach = syscall.EHOSTUNREACH
	enetunreach  = syscall.ENETUNREACH
	eaddrinuse   = syscall.EADDRINUSE
	eaddrnotav   = syscall.EADDRNOTAVAIL
	eafnosupport = syscall.EAFNOSUPPORT
)
