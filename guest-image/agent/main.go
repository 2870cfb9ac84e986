//go:build linux

// Command agent is the first and only system program of the guest: PID 1 from the
// initramfs on, and, under the name docker-proxy, the program that dockerd starts for
// each published port.
//
// As PID 1 it loads modules, mounts the root image and the data disk, brings up the
// network, keeps containerd and dockerd running, serves the host's private channel
// (package serve) and ends the machine in order. Nothing it meets on the way stops it
// short of a missing root image: what fails is told to the host as the problem of
// Facts, over the channel that comes up regardless.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/guest-image/agent/serve"
)

func main() {
	if filepath.Base(os.Args[0]) == "docker-proxy" {
		os.Exit(serve.ProxyMain(os.Args[1:]))
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "slipway-agent: this is the guest's PID 1; it does nothing on a running system")
		os.Exit(2)
	}
	defer lastWords()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	m := newMachine(log)
	if err := m.enterRoot(); err != nil {
		// Without its root there is nothing to run and nobody to tell but the console.
		log.Error("cannot start: the image and the machine do not fit", "err", err)
		endMachine(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	m.run(context.Background())
	endMachine(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// withoutTime drops the time: the console's reader stamps lines itself.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// lastWords is deferred by every goroutine of PID 1. A panic there would end the
// machine anyway, by the kernel's own panic; this writes out the disks first.
func lastWords() {
	if v := recover(); v != nil {
		fmt.Fprintf(os.Stderr, "slipway-agent: panic: %v\n%s\n", v, debug.Stack())
		unix.Sync()
		endMachine(unix.LINUX_REBOOT_CMD_RESTART) // the host sees a reset it did not ask for
	}
}

func endMachine(cmd int) {
	unix.Sync()
	if err := unix.Reboot(cmd); err != nil {
		fmt.Fprintln(os.Stderr, "slipway-agent: reboot:", err)
	}
	os.Exit(1) // PID 1's end is the kernel's panic, and with panic=-1 the machine's
}
