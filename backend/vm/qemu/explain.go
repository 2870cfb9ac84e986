package qemu

import (
	"fmt"
	"strings"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// complaints maps what QEMU writes before it gives up to what a person can do.
// The first match counts.
var complaints = []struct {
	text string // in lower case
	vm.Fault
}{
	{"no space left on device", vm.Fault{Code: vm.CodeNoSpace, Message: "The host's disk is full.",
		Hint: "Free some space, and start again."}},
	{`failed to get "write" lock`, vm.Fault{Code: vm.CodeInUse, Message: "A disk image is in use by another process.",
		Hint: "Stop the other machine that uses it (see the details), and start again."}},
	{`failed to get "consistent read" lock`, vm.Fault{Code: vm.CodeInUse, Message: "A disk image is in use by another process.",
		Hint: "Stop the other machine that uses it (see the details), and start again."}},
	{"cannot create pid file", vm.Fault{Code: vm.CodeInUse, Message: "Another machine runs in the same directory.",
		Hint: "Stop it, and start again."}},
	{"address already in use", vm.Fault{Code: vm.CodeInUse, Message: "A socket of the machine is in use by another process.",
		Hint: "Stop the other machine that uses the same directory, and start again."}},
	{"image is corrupt", vm.Fault{Code: vm.CodeDiskCorrupt, Message: "A disk image is damaged.",
		Hint: "Copy the file away, then try: qemu-img check -r all FILE"}},
	{"not in qcow2 format", vm.Fault{Code: vm.CodeDiskCorrupt, Message: "A disk image is damaged.",
		Hint: "Restore the disk image, or remove it to begin with an empty one."}},
	{"cannot allocate memory", vm.Fault{Code: vm.CodeNoMemory, Message: "This computer cannot give the machine its memory.",
		Hint: "Close other programs, or give the machine less memory in the settings."}},
	{"cannot set up guest memory", vm.Fault{Code: vm.CodeNoMemory, Message: "This computer cannot give the machine its memory.",
		Hint: "Close other programs, or give the machine less memory in the settings."}},
	{"failed to initialize", vm.Fault{Code: vm.CodeAccelerator, Message: "The accelerator does not work on this computer.",
		Hint: "Set the accelerator to auto."}},
	{"could not access kvm", vm.Fault{Code: vm.CodeAccelerator, Message: "KVM does not work on this computer.",
		Hint: "Set the accelerator to auto."}},
	{"failed to connect", vm.Fault{Code: vm.CodeInUse, Message: "QEMU could not connect to one of our sockets.",
		Hint: "Start again; if it stays so, restart the engine."}},
}

// explain turns the end of QEMU into a fault, by its last words.
func explain(lastWords string, waitErr error) *vm.Fault {
	lower := strings.ToLower(lastWords)
	for _, c := range complaints {
		if strings.Contains(lower, c.text) {
			f := c.Fault
			f.Detail, f.Err = lastWords, waitErr
			return &f
		}
	}
	how := "without an error"
	if waitErr != nil {
		how = "with " + waitErr.Error()
	}
	hint := "Start it again. If it comes back, report what QEMU said."
	if lastWords == "" {
		hint = "Start it again. If it comes back, see whether the system killed it for want of memory (dmesg)."
	}
	return &vm.Fault{Code: vm.CodeDied, Message: fmt.Sprintf("QEMU ended unexpectedly, %s.", how), Hint: hint, Detail: lastWords}
}
