package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/docker"
	"github.com/slipway-desktop/slipway/backend/engine/settings"
	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/network"
	"github.com/slipway-desktop/slipway/backend/network/link"
	"github.com/slipway-desktop/slipway/backend/network/resolver"
	"github.com/slipway-desktop/slipway/backend/share"
	"github.com/slipway-desktop/slipway/backend/vm"
)

// A boot is one start of the machine and what lives with it: the network stack
// with its ports, the agent's session, the watch on containers. It is made when the
// machine starts and ended when it is down, whichever way.
type boot struct {
	e      *Engine
	values settings.Values // as they were when the machine started
	shares share.Folders
	head   string            // the settings commit that values are of
	texts  map[string]string // its settings that only a start takes in
	net    *network.Network
	plan   addresses
	seq    uint64 // of the supervisor's status before the start: later ones are of this boot

	ctx    context.Context
	end    context.CancelFunc
	parts  *errgroup.Group
	manual forwards

	mu         sync.Mutex
	session    *guest.Session // nil until the agent answered, and while it is away
	facts      guest.Facts
	containers []docker.Container
	published  map[guest.PortRequest]string // what the guest asked for, and the network's ID of it
}

// addresses are who is who on the machine's network.
type addresses struct{ gateway, guest, host netip.Addr }

// addressPlan takes the first, third and last host address of a subnet.
func addressPlan(subnet netip.Prefix) addresses {
	base := subnet.Masked().Addr()
	last := base.As4()
	for bit := subnet.Bits(); bit < 32; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return addresses{base.Next(), base.Next().Next().Next(), netip.AddrFrom4(last).Prev()}
}

func (e *Engine) newBoot(ctx context.Context) (*boot, error) {
	v := e.settings.Values()
	b := &boot{
		e: e, values: v, head: e.settingsState(ctx).Head, plan: addressPlan(v.NetSubnet), seq: e.supervisor.Status().Seq,
		manual: newForwards(), published: map[guest.PortRequest]string{},
	}
	folders := make([]share.Folder, len(v.ShareFolders))
	for i, f := range v.ShareFolders {
		folders[i] = share.Folder{Path: f.Path, ReadOnly: f.ReadOnly}
	}
	var err error
	if b.texts, err = e.restartTexts(ctx); err != nil {
		return nil, err
	}
	if b.shares, err = share.New(folders); err != nil {
		return nil, err
	}
	hosts := map[string]netip.Addr{}
	for _, h := range v.NetDNSHosts {
		hosts[h.Name] = h.Addr
	}
	b.net, err = network.New(network.Config{
		Subnet: v.NetSubnet, Gateway: b.plan.gateway, Guest: b.plan.guest, Host: b.plan.host,
		MTU: v.NetMTU, Hosts: hosts, Resolver: resolver.Upstream{Servers: v.NetDNSServers},
		AllowMetadata: v.NetMetadata == "allowed", PublishAddress: network.PublishPolicy(v.NetPublish),
		Observer: observer{e.capture}, Log: e.log,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the network: %w", err)
	}
	e.names.place(b.plan)
	return b, nil
}

// run begins to serve the machine that is about to start.
func (b *boot) run() error {
	serve, err := b.listen()
	if err != nil {
		return fmt.Errorf("set up the network: %w", err)
	}
	ctx, end := context.WithCancel(b.e.life)
	b.end = end
	b.parts, b.ctx = errgroup.WithContext(ctx)
	b.own("network", b.net.Run)
	b.own("network link", serve)
	b.own("forwards", b.watchForwards)
	b.own("gauges", b.watchGuest)
	return nil
}

// listen makes the socket for the machine's network card, of the kind that the
// driver uses, and returns what serves it.
func (b *boot) listen() (serve func(context.Context) error, err error) {
	path := b.e.home.network()
	// A socket file of an engine that was killed would make this fail; the home's
	// lock says that nobody uses it.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var socket io.Closer
	if b.e.driver.Capabilities().LinkKind == "datagram" {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			return nil, err
		}
		socket = conn
		serve = func(ctx context.Context) error { return b.net.ServeConn(ctx, link.Datagram(link.Peer(conn))) }
	} else {
		listener, err := net.Listen("unix", path)
		if err != nil {
			return nil, err
		}
		socket = listener
		serve = func(ctx context.Context) error { return b.net.ServeQEMU(ctx, listener) }
	}
	// The directory keeps others out already; the mode says it a second time.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return serve, nil
}

// own runs a part of the boot. One that fails is logged and ends no other: a
// machine without, say, its container list is still worth having.
func (b *boot) own(name string, part func(context.Context) error) {
	b.parts.Go(func() error {
		if err := part(b.ctx); err != nil && b.ctx.Err() == nil {
			b.e.log.Error("a part of the machine's service failed", "part", name, "err", err)
		}
		return nil
	})
}

// close ends everything of the boot and waits for it.
func (b *boot) close() {
	b.end()
	_ = b.parts.Wait() // own returns no error
}

// config is the machine to start.
func (b *boot) config() (vm.Config, error) {
	words, err := b.cmdline()
	if err != nil {
		return vm.Config{}, err
	}
	v := b.values
	c := vm.Config{
		Name: machineName, Dir: b.e.home.run(), CPUs: v.VMCPUs, MemoryMiB: v.VMMemoryMiB, Accelerator: v.VMAccelerator,
		Kernel: b.e.image.kernel(), Initrd: b.e.image.initrd(), Cmdline: words,
		Disks: []vm.Disk{
			{ID: "root", Path: b.e.image.root(), Format: vm.Raw, ReadOnly: true},
			{ID: "data", Path: b.e.dataDisk(), Format: b.e.diskFormat()},
		},
		Link: vm.Link{Socket: b.e.home.network(), MAC: machineMAC, MTU: v.NetMTU},
	}
	for _, s := range b.shares {
		c.Shares = append(c.Shares, vm.Share{Tag: s.Tag, Path: s.Path, ReadOnly: s.ReadOnly})
	}
	return c, nil
}

func (b *boot) cmdline() ([]string, error) {
	g := guest.Boot{Hostname: "slipway"}
	for _, s := range b.shares {
		g.Shares = append(g.Shares, guest.ShareMount{Tag: s.Tag, Path: s.Path, ReadOnly: s.ReadOnly})
	}
	if err := g.Check(); err != nil {
		return nil, control.Errorf(control.CodeInvalid, "the shared folders cannot be given to the guest: %v", err).
			WithHint("change the setting share/folders")
	}
	words, err := b.e.image.kernelArgs()
	if err != nil {
		return nil, err
	}
	return append(words, guest.Cmdline(g)...), nil
}

// observer hands frames from the network kit to the recording.
type observer struct{ *capture.Capture }

func (o observer) Frame(at time.Time, dir network.Direction, frame []byte) {
	d := capture.FromGuest
	if dir == network.ToGuest {
		d = capture.ToGuest
	}
	o.Capture.Frame(at, d, frame)
}
