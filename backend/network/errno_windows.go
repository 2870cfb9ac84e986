package network

import "golang.org/x/sys/windows"

// The errors of Windows sockets have numbers of their own.
const (
	econnrefused = windows.WSAECONNREFUSED
	ehostunreach = windows.WSAEHOSTUNREACH
	enetunreach  = windows.WSAENETUNREACH
	eaddrinuse   = windows.WSAEADDRINUSE
	eaddrnotav   = windows.WSAEADDRNOTAVAIL
	eafnosupport = windows.WSAEAFNOSUPPORT
)
