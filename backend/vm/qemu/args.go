package qemu

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// AgentPort is the name of the virtio-serial port of the guest's agent, as in
// /sys/class/virtio-ports/*/name.
const AgentPort = "org.slipway.agent"

// Names of the files in a machine's directory.
const (
	pidFile       = "qemu.pid"
	qmpSocket     = "qmp.sock"
	agentSocket   = "agent.sock"
	consoleSocket = "console.sock"
	answersFile   = "accelerators.json"
)

// Host is what Args must know of the computer.
type Host struct {
	OS          string // as runtime.GOOS
	Arch        string // as runtime.GOARCH, of host and guest
	Accelerator string // the one chosen: vm.KVM, vm.HVF, vm.WHPX or vm.TCG
	// TSCKHz is the frequency of the time stamp counter that an emulated amd64
	// guest sees; 0 if not known. See tscKHz.
	TSCKHz uint64
}

// Args is QEMU's command line for a machine, without the program's name. It
// looks at nothing but its arguments. The error is a *vm.Fault.
func Args(c vm.Config, h Host) ([]string, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b, err := newBoard(h)
	if err != nil {
		return nil, err
	}
	dir := c.Dir
	a := b.base(cpus(c, h), c.MemoryMiB)
	a = append(a,
		"-name", "slipway-"+c.Name,
		"-pidfile", filepath.Join(dir, pidFile),
		"-qmp", "unix:"+option(filepath.Join(dir, qmpSocket))+",server=on,wait=off",
		"-chardev", "socket,id=console,server=off,path="+option(filepath.Join(dir, consoleSocket)),
		"-serial", "chardev:console",
		"-kernel", c.Kernel,
	)
	if c.Initrd != "" {
		a = append(a, "-initrd", c.Initrd)
	}
	a = append(a, "-append", strings.Join(append(b.words(), c.Cmdline...), " "))
	for _, d := range c.Disks {
		a = append(a, b.disk(d)...)
	}
	a = append(a, b.link(c.Link)...)
	a = append(a,
		"-device", b.device("virtio-serial"),
		"-chardev", "socket,id=agent,server=on,wait=off,path="+option(filepath.Join(dir, agentSocket)),
		"-device", "virtserialport,chardev=agent,name="+AgentPort,
		"-device", b.device("virtio-rng"),
		"-device", b.device("virtio-balloon")+",deflate-on-oom=on,free-page-reporting=on",
	)
	if len(c.Shares) > 0 && h.OS == "windows" {
		return nil, &vm.Fault{Code: vm.CodeUnsupported, Message: "QEMU cannot share folders on Windows.",
			Hint: "Take the shared folders out of the settings."}
	}
	for i, s := range c.Shares {
		a = append(a, b.share(i, s)...)
	}
	return a, nil
}

// option escapes a value within a comma-separated option.
func option(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// cpus is how many virtual CPUs the guest gets: under TCG only one, because with
// two, about one boot in twenty of Linux 6.12 on QEMU 7.2 hangs before its
// first line or panics; with one, none did.
func cpus(c vm.Config, h Host) int {
	if h.Accelerator == vm.TCG {
		return 1
	}
	return c.CPUs
}

// board is the machine model that suits an accelerator.
type board struct {
	Host
	machine, cpu, accel, console string
	bus                          string // of virtio devices: "device" is MMIO
}

func newBoard(h Host) (board, error) {
	b := board{Host: h, accel: h.Accelerator, cpu: "host", bus: "pci"}
	switch h.Accelerator {
	case vm.KVM, vm.HVF:
	case vm.WHPX:
		b.accel, b.cpu = "whpx,kernel-irqchip=off", "max"
	case vm.TCG:
		// thread=single: with one CPU a thread of its own gains nothing.
		b.accel, b.cpu = "tcg,thread=single,tb-size=512", "max"
		if h.Arch == "amd64" {
			// A kernel that sees these clears and copies memory by string
			// instructions on bytes, which emulation runs byte by byte.
			b.cpu += ",erms=off,fsrm=off"
		}
	default:
		return board{}, &vm.Fault{Code: vm.CodeAccelerator, Message: fmt.Sprintf("QEMU has no accelerator %q.", h.Accelerator),
			Hint: "Set the accelerator to auto."}
	}
	switch {
	case h.Arch == "arm64":
		b.machine, b.console = "virt", "ttyAMA0"
		switch h.Accelerator {
		case vm.KVM:
			b.machine += ",gic-version=host"
		case vm.TCG:
			b.machine += ",gic-version=3"
			b.cpu = "max,pauth-impdef=on" // the architected algorithm is very slow in software
		}
	case h.Arch != "amd64":
		return board{}, &vm.Fault{Code: vm.CodeUnsupported, Message: fmt.Sprintf("There is no guest for %s computers.", h.Arch),
			Hint: "Use an amd64 or arm64 computer."}
	case h.Accelerator == vm.KVM || h.Accelerator == vm.TCG:
		// No firmware, no PCI: a second quicker to the first process than q35.
		b.machine, b.bus, b.console = "microvm,rtc=on", "device", "ttyS0"
	default:
		b.machine, b.console = "q35", "ttyS0"
	}
	return b, nil
}

func (b board) base(cpus, memoryMiB int) []string {
	return []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", b.machine,
		"-accel", b.accel,
		"-cpu", b.cpu,
		"-smp", strconv.Itoa(cpus),
		"-m", strconv.Itoa(memoryMiB),
	}
}

// words are the kernel's words that the board needs. A panic reboots at once,
// which -no-reboot turns into the end of QEMU.
func (b board) words() []string {
	w := []string{"console=" + b.console, "panic=-1"}
	if b.Accelerator == vm.TCG {
		w = append(w, "mitigations=off")
		if b.Arch == "amd64" {
			w = append(w, "no_timer_check", "tsc=reliable")
			if b.TSCKHz > 0 {
				w = append(w, "tsc_early_khz="+strconv.FormatUint(b.TSCKHz, 10))
			}
		}
	}
	return w
}

// device names the model of a virtio device for the board's bus.
func (b board) device(name string) string { return name + "-" + b.bus }

func (b board) disk(d vm.Disk) []string {
	drive := fmt.Sprintf("id=%s,if=none,format=%s,file=%s", d.ID, d.Format, option(d.Path))
	if d.ReadOnly {
		drive += ",readonly=on"
	} else {
		// writeback obeys the guest's flushes: what it synced survives a crash.
		drive += ",cache=writeback,discard=unmap,detect-zeroes=unmap"
	}
	return []string{"-drive", drive, "-device", fmt.Sprintf("%s,drive=%s,serial=%s", b.device("virtio-blk"), d.ID, d.Serial())}
}

func (b board) link(l vm.Link) []string {
	if l.Socket == "" {
		return nil
	}
	card := b.device("virtio-net") + ",netdev=net"
	if l.MAC != "" {
		card += ",mac=" + l.MAC
	}
	if l.MTU != 0 {
		card += ",host_mtu=" + strconv.Itoa(l.MTU)
	}
	if b.bus == "pci" {
		card += ",romfile=" // no network boot
	}
	return []string{"-netdev", "stream,id=net,server=off,addr.type=unix,addr.path=" + option(l.Socket), "-device", card}
}

func (b board) share(i int, s vm.Share) []string {
	// none: files get the rights the user has, and owners cannot be changed.
	fs := fmt.Sprintf("local,id=share%d,path=%s,security_model=none,multidevs=remap", i, option(s.Path))
	if s.ReadOnly {
		fs += ",readonly=on"
	}
	return []string{"-fsdev", fs, "-device", fmt.Sprintf("%s,fsdev=share%d,mount_tag=%s", b.device("virtio-9p"), i, s.Tag)}
}
