package qemu

import "syscall"

// processAttributes keep the terminal's Ctrl-C from QEMU, which would quit in
// the middle of an orderly stop, and let it end with a killed engine.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
