//go:build unix

package main

import "syscall"

// detachedProcess gives the engine a session of its own: closing the terminal
// does not end it.
func detachedProcess() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
