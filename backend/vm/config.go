package vm

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
)

// Limits of a Config. MaxSocketPath is the longest path of a Unix socket that
// works on every system: sun_path holds 104 bytes with its final NUL on macOS
// and the BSDs (108 on Linux).
const (
	MaxSocketPath = 103
	MaxCPUs       = 64
	MinMemoryMiB  = 256
	MaxMemoryMiB  = 1 << 20
	MaxDisks      = 4
	MaxShares     = 8
)

// SerialPrefix and a disk's ID make the serial number under which the guest
// finds the disk, for example "slipway-data".
const SerialPrefix = "slipway-"

// Names of accelerators, for Config.Accelerator and Accelerator.Name.
const (
	Auto = "auto" // the best one that passes its probe
	KVM  = "kvm"
	HVF  = "hvf"
	WHPX = "whpx"
	TCG  = "tcg" // QEMU's software emulation
	VZ   = "vz"  // macOS Virtualization.framework
)

// Config is a machine, as data. The zero value of a field means what its
// comment says; Validate tells what is wrong with the rest.
type Config struct {
	// Name is shown to people and given to the hypervisor's process.
	Name string `json:"name"`
	// Dir is an absolute, existing directory only its owner can enter. The
	// driver keeps the machine's sockets and pid file in it.
	Dir       string `json:"dir"`
	CPUs      int    `json:"cpus"`
	MemoryMiB int    `json:"memoryMiB"`
	// Kernel is an uncompressed kernel with a PVH entry (amd64) or an Image (arm64).
	Kernel string `json:"kernel"`
	Initrd string `json:"initrd,omitempty"`
	// Cmdline holds kernel words beside those of the driver, which adds the
	// console and what its hardware needs.
	Cmdline []string `json:"cmdline,omitempty"`
	Disks   []Disk   `json:"disks,omitempty"`
	Shares  []Share  `json:"shares,omitempty"`
	Link    Link     `json:"link"`
	// Accelerator is Auto (also when empty) or the one to insist on.
	Accelerator string `json:"accelerator,omitempty"`
}

// DiskFormat is how a disk's file is laid out.
type DiskFormat string

// The formats of disks. vz knows Raw only.
const (
	Raw   DiskFormat = "raw"
	Qcow2 DiskFormat = "qcow2"
)

// Disk is one virtio block device.
type Disk struct {
	ID       string     `json:"id"` // "root", "data": [a-z0-9-]{1,12}
	Path     string     `json:"path"`
	Format   DiskFormat `json:"format"`
	ReadOnly bool       `json:"readOnly,omitempty"`
}

// Serial is the serial number the guest sees.
func (d Disk) Serial() string { return SerialPrefix + d.ID }

// Share is a host folder the guest can mount by its tag: virtio-9p under QEMU,
// virtiofs under vz.
type Share struct {
	Tag      string `json:"tag"` // [A-Za-z0-9._-]{1,31}
	Path     string `json:"path"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Link is the machine's network card. With no Socket there is no card.
type Link struct {
	// Socket is the Unix socket on which the network kit listens. QEMU sends
	// each frame after its length as a big-endian uint32; vz sends datagrams.
	Socket string `json:"socket,omitempty"`
	MAC    string `json:"mac,omitempty"`
	// MTU is announced to the guest's driver; 0 leaves it at 1500.
	MTU int `json:"mtu,omitempty"`
}

var (
	diskID   = regexp.MustCompile(`^[a-z0-9-]{1,12}$`)
	shareTag = regexp.MustCompile(`^[A-Za-z0-9._-]{1,31}$`)
	vmName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// Validate reports the first thing wrong with the values themselves, as a
// *Fault of code CodeConfig or CodePathTooLong. It does not look at the file
// system: that is Check.
func (c Config) Validate() error {
	switch {
	case !vmName.MatchString(c.Name):
		return badConfig("The machine's name %q is not usable.", c.Name)
	case !filepath.IsAbs(c.Dir):
		return badConfig("The machine's directory %q is not an absolute path.", c.Dir)
	case c.CPUs < 1 || c.CPUs > MaxCPUs:
		return badConfig("%d virtual CPUs are outside 1 to %d.", c.CPUs, MaxCPUs)
	case c.MemoryMiB < MinMemoryMiB || c.MemoryMiB > MaxMemoryMiB:
		return badConfig("%d MiB of memory are outside %d to %d.", c.MemoryMiB, MinMemoryMiB, MaxMemoryMiB)
	case c.Kernel == "":
		return badConfig("No kernel is named.")
	case len(c.Disks) > MaxDisks:
		return badConfig("%d disks are more than %d.", len(c.Disks), MaxDisks)
	case len(c.Shares) > MaxShares:
		return badConfig("%d shared folders are more than %d.", len(c.Shares), MaxShares)
	}
	for _, word := range c.Cmdline {
		if word == "" || strings.ContainsAny(word, " \t\r\n\x00") {
			return badConfig("The kernel word %q is empty or has blanks in it.", word)
		}
	}
	switch c.Accelerator {
	case "", Auto, KVM, HVF, WHPX, TCG, VZ:
	default:
		return badConfig("The accelerator %q is not known.", c.Accelerator)
	}
	if err := c.validateDisks(); err != nil {
		return err
	}
	if err := c.validateShares(); err != nil {
		return err
	}
	return c.Link.validate()
}

func (c Config) validateDisks() error {
	seen := map[string]bool{}
	for _, d := range c.Disks {
		switch {
		case !diskID.MatchString(d.ID):
			return badConfig("The disk ID %q is not usable.", d.ID)
		case seen[d.ID]:
			return badConfig("The disk ID %q is used twice.", d.ID)
		case !filepath.IsAbs(d.Path):
			return badConfig("The path %q of disk %q is not absolute.", d.Path, d.ID)
		case d.Format != Raw && d.Format != Qcow2:
			return badConfig("The format %q of disk %q is not known.", d.Format, d.ID)
		}
		seen[d.ID] = true
	}
	return nil
}

func (c Config) validateShares() error {
	seen := map[string]bool{}
	for _, s := range c.Shares {
		switch {
		case !shareTag.MatchString(s.Tag):
			return badConfig("The tag %q of a shared folder is not usable.", s.Tag)
		case seen[s.Tag]:
			return badConfig("The tag %q of a shared folder is used twice.", s.Tag)
		case !filepath.IsAbs(s.Path):
			return badConfig("The shared folder %q is not an absolute path.", s.Path)
		}
		seen[s.Tag] = true
	}
	return nil
}

func (l Link) validate() error {
	if l.Socket == "" {
		return nil
	}
	if !filepath.IsAbs(l.Socket) {
		return badConfig("The network socket %q is not an absolute path.", l.Socket)
	}
	if err := CheckSocketPath(l.Socket); err != nil {
		return err
	}
	if l.MAC != "" {
		mac, err := net.ParseMAC(l.MAC)
		if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
			return badConfig("%q is not the Ethernet address of one card.", l.MAC)
		}
	}
	if l.MTU != 0 && (l.MTU < 576 || l.MTU > 65535) {
		return badConfig("An MTU of %d is outside 576 to 65535.", l.MTU)
	}
	return nil
}

// CheckSocketPath refuses a path that no Unix socket can have everywhere.
func CheckSocketPath(path string) error {
	if len(path) <= MaxSocketPath {
		return nil
	}
	return &Fault{
		Code:    CodePathTooLong,
		Message: fmt.Sprintf("The socket path %s has %d bytes; the system allows %d.", path, len(path), MaxSocketPath),
		Hint:    "Choose a shorter state directory with SLIPWAY_HOME.",
	}
}

func badConfig(format string, args ...any) error {
	return &Fault{
		Code:    CodeConfig,
		Message: fmt.Sprintf(format, args...),
		Hint:    "Correct the machine's settings and start it again.",
	}
}
