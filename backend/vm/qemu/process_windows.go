package qemu

import "syscall"

// processAttributes keep the console's Ctrl-C from QEMU, which would quit in
// the middle of an orderly stop, and open no console window for it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}
