package vm

import (
	"errors"
	"strings"
)

// Code names a kind of fault for programs. The list is closed.
type Code string

// The kinds of faults.
const (
	CodeConfig       Code = "config"             // a value of the Config is not usable
	CodePathTooLong  Code = "path-too-long"      // a socket path exceeds MaxSocketPath
	CodeMissing      Code = "hypervisor-missing" // the hypervisor's program is not installed or too old
	CodeAccelerator  Code = "accelerator"        // the demanded accelerator does not work here
	CodeFileMissing  Code = "file-missing"       // kernel, initramfs or disk image is not there
	CodeDiskCorrupt  Code = "disk-corrupt"       // a disk image is damaged or not what it is said to be
	CodeNoSpace      Code = "no-space"           // the host's disk is full
	CodeNoMemory     Code = "no-memory"          // the host cannot give the guest's memory
	CodeShareMissing Code = "share-missing"      // a shared folder is not there
	CodeInUse        Code = "in-use"             // a socket, disk or directory is held by another process
	CodeDied         Code = "hypervisor-died"    // the hypervisor ended without being asked
	CodePanic        Code = "guest-panic"        // the guest's kernel panicked
	CodeReset        Code = "guest-reset"        // the guest rebooted itself
	CodeSilent       Code = "guest-silent"       // no console line before the deadline
	CodeBoot         Code = "boot"               // the guest came up wrong or not in time
	CodeStuck        Code = "stuck"              // the hypervisor survives being killed
	CodeState        Code = "state"              // the request does not fit the machine's state
	CodeUnsupported  Code = "unsupported"        // this driver cannot do that
)

// Fault is an error that a person can act on.
type Fault struct {
	Code    Code   `json:"code"`
	Message string `json:"message"` // one sentence: what is wrong
	Hint    string `json:"hint"`    // what to do about it
	// Detail is raw text for an expert (the hypervisor's last words, the last
	// console lines). It is bounded, and came from outside: show it as text.
	Detail string `json:"detail,omitempty"`
	Err    error  `json:"-"` // the cause, if there is one
}

func (f *Fault) Error() string {
	message := strings.TrimSuffix(f.Message, ".")
	if f.Err != nil {
		message += ": " + f.Err.Error()
	}
	return message
}

func (f *Fault) Unwrap() error { return f.Err }

// AsFault returns the Fault within err, or wraps err in one of the given code
// and hint.
func AsFault(err error, code Code, hint string) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Code: code, Message: sentence(err.Error()), Hint: hint, Err: nil}
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
