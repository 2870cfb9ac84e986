package main

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// detachedProcess gives the engine no console: closing ours does not end it.
func detachedProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}
