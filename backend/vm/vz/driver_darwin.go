//go:build cgo

package vz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/Code-Hex/vz/v3"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// Options of a Driver; all can be left empty.
type Options struct {
	Log *slog.Logger // nil discards
}

// Driver starts machines on Virtualization.framework.
type Driver struct {
	log *slog.Logger

	mu   sync.Mutex
	dirs map[string]bool // of machines that are there
}

var _ vm.Driver = (*Driver)(nil)

// New makes a driver. It touches the framework only when a machine is started.
func New(o Options) *Driver {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Driver{log: o.Log, dirs: map[string]bool{}}
}

// Name is "vz".
func (d *Driver) Name() string { return "vz" }

// Capabilities of machines on Virtualization.framework.
func (d *Driver) Capabilities() vm.Capabilities {
	return vm.Capabilities{
		Pause:       true,
		Shares:      true,
		ShareFS:     "virtiofs",
		DiskFormats: []vm.DiskFormat{vm.Raw},
		LinkKind:    "datagram",
	}
}

// Start configures, validates and starts a machine.
func (d *Driver) Start(ctx context.Context, c vm.Config) (vm.Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	p, err := newPlan(c)
	if err != nil {
		return nil, err
	}
	if !d.claim(c.Dir) {
		return nil, &vm.Fault{Code: vm.CodeInUse, Message: fmt.Sprintf("A machine still runs in %s.", c.Dir), Hint: "Stop it first."}
	}
	m := newMachine(d, c)
	if err := m.launch(ctx, p); err != nil {
		m.release()
		return nil, explain(ctx, err)
	}
	return m, nil
}

// claim says whether the directory was free.
func (d *Driver) claim(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dirs[dir] {
		return false
	}
	d.dirs[dir] = true
	return true
}

func (d *Driver) free(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.dirs, dir)
}

func explain(ctx context.Context, err error) error {
	var f *vm.Fault
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &f):
		return f
	case errors.Is(err, vz.ErrUnsupportedOSVersion):
		return &vm.Fault{Code: vm.CodeMissing, Message: "This macOS is too old.", Hint: "Update to macOS 13 or newer.", Err: err}
	default:
		return &vm.Fault{Code: vm.CodeDied, Message: "Virtualization.framework did not start the machine.",
			Hint: "See whether the program is signed with the entitlement com.apple.security.virtualization.", Err: err}
	}
}

// configure translates a Config. The files it opens belong to the machine.
func (m *machine) configure(p plan) (*vz.VirtualMachineConfiguration, error) {
	options := []vz.LinuxBootLoaderOption{vz.WithCommandLine(p.cmdline)}
	if m.config.Initrd != "" {
		options = append(options, vz.WithInitrd(m.config.Initrd))
	}
	loader, err := vz.NewLinuxBootLoader(m.config.Kernel, options...)
	if err != nil {
		return nil, fmt.Errorf("boot loader: %w", err)
	}
	vc, err := vz.NewVirtualMachineConfiguration(loader, uint(m.config.CPUs), uint64(m.config.MemoryMiB)<<20)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	for _, part := range []struct {
		name string
		add  func(*vz.VirtualMachineConfiguration, plan) error
	}{
		{"platform", m.addPlatform}, {"console", m.addConsole}, {"disks", m.addDisks}, {"shares", m.addShares},
		{"network", m.addLink}, {"agent channel", m.addAgent}, {"entropy and balloon", m.addRest},
	} {
		if err := part.add(vc, p); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if ok, err := vc.Validate(); !ok || err != nil {
		return nil, &vm.Fault{Code: vm.CodeConfig, Message: "Virtualization.framework refuses the machine.",
			Hint: "Give it fewer CPUs or less memory in the settings.", Err: err}
	}
	return vc, nil
}

func (m *machine) addPlatform(vc *vz.VirtualMachineConfiguration, _ plan) error {
	platform, err := vz.NewGenericPlatformConfiguration()
	if err != nil {
		return err
	}
	vc.SetPlatformVirtualMachineConfiguration(platform)
	return nil
}

func (m *machine) addConsole(vc *vz.VirtualMachineConfiguration, _ plan) error {
	// The guest's input: a pipe to which nobody writes.
	in, idle, err := os.Pipe()
	if err != nil {
		return err
	}
	m.keep(in, idle)
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	m.console, m.screen = read, write
	attachment, err := vz.NewFileHandleSerialPortAttachment(in, write)
	if err != nil {
		return err
	}
	port, err := vz.NewVirtioConsoleDeviceSerialPortConfiguration(attachment)
	if err != nil {
		return err
	}
	vc.SetSerialPortsVirtualMachineConfiguration([]*vz.VirtioConsoleDeviceSerialPortConfiguration{port})
	return nil
}

func (m *machine) addDisks(vc *vz.VirtualMachineConfiguration, _ plan) error {
	var devices []vz.StorageDeviceConfiguration
	for _, d := range m.config.Disks {
		// Fsync: what the guest synced survives a crash of this program and of
		// the system, at a price far below that of Full.
		attachment, err := vz.NewDiskImageStorageDeviceAttachmentWithCacheAndSync(d.Path, d.ReadOnly,
			vz.DiskImageCachingModeAutomatic, vz.DiskImageSynchronizationModeFsync)
		if err != nil {
			return fmt.Errorf("disk %s: %w", d.ID, err)
		}
		device, err := vz.NewVirtioBlockDeviceConfiguration(attachment)
		if err != nil {
			return fmt.Errorf("disk %s: %w", d.ID, err)
		}
		if err := device.SetBlockDeviceIdentifier(d.Serial()); err != nil {
			return fmt.Errorf("disk %s: %w", d.ID, err)
		}
		devices = append(devices, device)
	}
	vc.SetStorageDevicesVirtualMachineConfiguration(devices)
	return nil
}

func (m *machine) addShares(vc *vz.VirtualMachineConfiguration, _ plan) error {
	var devices []vz.DirectorySharingDeviceConfiguration
	for _, s := range m.config.Shares {
		folder, err := vz.NewSharedDirectory(s.Path, s.ReadOnly)
		if err != nil {
			return fmt.Errorf("folder %s: %w", s.Path, err)
		}
		share, err := vz.NewSingleDirectoryShare(folder)
		if err != nil {
			return fmt.Errorf("folder %s: %w", s.Path, err)
		}
		device, err := vz.NewVirtioFileSystemDeviceConfiguration(s.Tag)
		if err != nil {
			return fmt.Errorf("folder %s: %w", s.Path, err)
		}
		device.SetDirectoryShare(share)
		devices = append(devices, device)
	}
	vc.SetDirectorySharingDevicesVirtualMachineConfiguration(devices)
	return nil
}

func (m *machine) addLink(vc *vz.VirtualMachineConfiguration, p plan) error {
	if p.link == "" {
		return nil
	}
	os.Remove(p.link) // of a killed engine; claim keeps others out
	conn, err := net.DialUnix("unixgram", &net.UnixAddr{Name: p.link, Net: "unixgram"},
		&net.UnixAddr{Name: m.config.Link.Socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	m.link = p.link
	// As the framework's documentation advises: the receive buffer four times
	// the send buffer, which holds many frames of the largest size.
	const sendBuffer = 1 << 20
	if err := errors.Join(conn.SetWriteBuffer(sendBuffer), conn.SetReadBuffer(4*sendBuffer)); err != nil {
		return err
	}
	file, err := conn.File()
	if err != nil {
		return err
	}
	m.keep(file)
	attachment, err := vz.NewFileHandleNetworkDeviceAttachment(file)
	if err != nil {
		return err
	}
	if err := attachment.SetMaximumTransmissionUnit(p.mtu); err != nil {
		return err
	}
	device, err := vz.NewVirtioNetworkDeviceConfiguration(attachment)
	if err != nil {
		return err
	}
	if m.config.Link.MAC != "" {
		hardware, err := net.ParseMAC(m.config.Link.MAC)
		if err != nil {
			return err
		}
		mac, err := vz.NewMACAddress(hardware)
		if err != nil {
			return err
		}
		device.SetMACAddress(mac)
	}
	vc.SetNetworkDevicesVirtualMachineConfiguration([]*vz.VirtioNetworkDeviceConfiguration{device})
	return nil
}

func (m *machine) addAgent(vc *vz.VirtualMachineConfiguration, _ plan) error {
	device, err := vz.NewVirtioSocketDeviceConfiguration()
	if err != nil {
		return err
	}
	vc.SetSocketDevicesVirtualMachineConfiguration([]vz.SocketDeviceConfiguration{device})
	return nil
}

func (m *machine) addRest(vc *vz.VirtualMachineConfiguration, _ plan) error {
	entropy, err := vz.NewVirtioEntropyDeviceConfiguration()
	if err != nil {
		return err
	}
	balloon, err := vz.NewVirtioTraditionalMemoryBalloonDeviceConfiguration()
	if err != nil {
		return err
	}
	vc.SetEntropyDevicesVirtualMachineConfiguration([]*vz.VirtioEntropyDeviceConfiguration{entropy})
	vc.SetMemoryBalloonDevicesVirtualMachineConfiguration([]vz.MemoryBalloonDeviceConfiguration{balloon})
	return nil
}

// keep holds what the machine uses, to be closed with it.
func (m *machine) keep(c ...io.Closer) { m.kept = append(m.kept, c...) }
