//go:build unix && !linux

package qemu

import "syscall"

// processAttributes keep the terminal's Ctrl-C from QEMU, which would quit in
// the middle of an orderly stop.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
