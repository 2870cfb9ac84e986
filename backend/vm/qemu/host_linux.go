package qemu

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// closed says at once why an accelerator cannot be used, if that can be seen
// without trying, and what to do about it.
func closed(accelerator string) (problem, hint string) {
	if accelerator != vm.KVM {
		return "", ""
	}
	return closedDevice("/dev/kvm")
}

func closedDevice(path string) (problem, hint string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		f.Close()
		return "", ""
	case errors.Is(err, fs.ErrNotExist):
		return "This computer has no " + path,
			"Switch virtualisation on in its firmware; if it is a virtual machine itself, its host must allow nested virtualisation."
	case errors.Is(err, fs.ErrPermission):
		return "Your user may not open " + path,
			"Join the group kvm with: sudo usermod -aG kvm $USER, then log out and in."
	default:
		return path + " cannot be opened (" + err.Error() + ")", "See whether the kernel module kvm is loaded."
	}
}

// hostKernel is the running kernel and its boot: a change of firmware settings
// or of the host's own host comes with a new boot.
func hostKernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // absent in some sandboxes
	return unix.ByteSliceToString(u.Release[:]) + " boot " + string(bytes.TrimSpace(boot))
}

// isMachine proves that a process is a QEMU started with our Args for dir.
func isMachine(pid int, dir string) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return false
	}
	return isCommand(strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00"), dir)
}

func isCommand(args []string, dir string) bool {
	if !strings.HasPrefix(filepath.Base(args[0]), "qemu-system-") {
		return false
	}
	for i := 2; i < len(args); i++ {
		if args[i-1] == "-pidfile" && args[i] == filepath.Join(dir, pidFile) {
			return true
		}
	}
	return false
}
