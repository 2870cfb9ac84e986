package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/slipway-desktop/slipway/backend/network/dhcp"
	"github.com/slipway-desktop/slipway/backend/network/link"
	"github.com/slipway-desktop/slipway/backend/network/resolver"
)

// ErrStopped is returned by calls that need a running network after Run
// returned.
var ErrStopped = errors.New("the network has stopped")

// Network is a private network with one machine on it. Make it with New and
// keep it alive with Run; every other method may be called at any time from
// any goroutine, and those that need the network to run wait for it.
type Network struct {
	cfg       Config
	inspector inspector
	dhcp      *dhcp.Server
	dns       *resolver.Resolver
	link      *endpoint
	ports     *Ports
	count     counters
	alias     func(netip.AddrPort) netip.AddrPort // where a destination is reached on the host

	cable chan struct{} // holds a token while a machine is linked

	started, stopped chan struct{}

	// Set by Run before started is closed.
	ctx   context.Context
	stack *stack.Stack

	mu      sync.Mutex
	running bool
	closing bool
	work    sync.WaitGroup // everything that enter counted in
	pending map[stack.TransportEndpointID][8]byte
	udp     map[*udpFlow]struct{}
	pings   map[pingKey]*ping
}

// New checks a config and returns its network. It opens and starts nothing.
func New(cfg Config) (*Network, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	dns, err := resolver.New(resolver.Config{Names: cfg.names(), Upstream: cfg.Resolver, Pending: cfg.Limits.DNSPending})
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	n := &Network{
		cfg: cfg,
		inspector: inspector{
			subnet: cfg.Subnet, broadcast: broadcast(cfg.Subnet),
			gateway: cfg.Gateway, hostAlias: cfg.Host,
		},
		dhcp: dhcp.New(dhcp.Config{
			Subnet: cfg.Subnet, Server: cfg.Gateway, First: cfg.Guest, Reserved: []netip.Addr{cfg.Host},
			MTU: cfg.MTU, Hostname: cfg.Hostname, Domain: cfg.Domain,
		}),
		dns:     dns,
		cable:   make(chan struct{}, 1),
		started: make(chan struct{}),
		stopped: make(chan struct{}),
		pending: map[stack.TransportEndpointID][8]byte{},
		udp:     map[*udpFlow]struct{}{},
		pings:   map[pingKey]*ping{},
	}
	n.alias = n.hostAlias
	n.link = newEndpoint(&n.cfg, &n.count)
	n.ports = newPorts(n)
	return n, nil
}

// Ports returns the published ports.
func (n *Network) Ports() *Ports { return n.ports }

// Run runs the network until ctx ends. It returns nil when everything that it
// started, and every flow, has ended; or an error if the network could not
// start. A network runs once.
func (n *Network) Run(ctx context.Context) error {
	n.mu.Lock()
	if n.running {
		n.mu.Unlock()
		return errors.New("network: Run was called before, make a new network")
	}
	n.running = true
	n.mu.Unlock()
	defer close(n.stopped)

	s, err := n.newStack()
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	n.ctx, n.stack = ctx, s
	if err := n.serveDNS(ctx, group); err != nil {
		s.Destroy()
		return fmt.Errorf("network: %w", err)
	}
	close(n.started)
	<-ctx.Done()
	n.shutdown()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("network: %w", err)
	}
	return nil
}

// shutdown ends every flow, and waits for it. Handshakes that were begun
// while the stack closed are caught by closing it again.
func (n *Network) shutdown() {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		n.work.Wait()
		close(ended)
	}()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		n.stack.Close()
		select {
		case <-ended:
			n.stack.Close()
			n.stack.Wait()
			return
		case <-again.C:
		}
	}
}

// enter counts a piece of work in that shutdown must wait for. If it returns
// false the network is going down and the work must not begin.
func (n *Network) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return false
	}
	n.work.Add(1)
	return true
}

func (n *Network) leave() { n.work.Done() }

// ready waits until the network runs.
func (n *Network) ready(ctx context.Context) error {
	select {
	case <-n.started:
	case <-n.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	if n.ctx.Err() != nil {
		return ErrStopped
	}
	return nil
}

// ServeQEMU accepts connections of QEMU's `-netdev stream` from l, one
// machine at a time, until ctx or the network ends; it closes l. A machine
// that connects again takes over as soon as its former connection has ended,
// which the kernel tells at once even if QEMU was killed. A second machine is
// turned away.
func (n *Network) ServeQEMU(ctx context.Context, l net.Listener) error {
	defer l.Close()
	if err := n.ready(ctx); err != nil {
		return err
	}
	if !n.enter() {
		return ErrStopped
	}
	defer n.leave()
	ctx, cancel := n.within(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept a machine: %w", err)
		}
		conns.Go(func() {
			if err := n.ServeConn(ctx, link.Stream(c)); err != nil && ctx.Err() == nil {
				n.cfg.Log.Warn("machine's network link ended", "reason", err)
			}
		})
	}
}

// relinkTime is how long a new connection waits for an old one to end.
const relinkTime = time.Second

// ErrBusy is returned by ServeConn while another machine is linked.
var ErrBusy = errors.New("another machine is connected to this network")

// ServeConn carries the frames of one connection until it, ctx or the network
// ends, and closes it. It returns nil if the machine closed the link, and the
// reason if the link broke. Use it with link.Datagram for a hypervisor that
// hands over a datagram socket, or with one end of a net.Pipe in a test.
func (n *Network) ServeConn(ctx context.Context, c link.Conn) error {
	defer c.Close()
	if err := n.ready(ctx); err != nil {
		return err
	}
	if !n.enter() {
		return ErrStopped
	}
	defer n.leave()
	ctx, cancel := n.within(ctx)
	defer cancel()
	late := time.NewTimer(relinkTime)
	defer late.Stop()
	select {
	case n.cable <- struct{}{}:
		defer func() { <-n.cable }()
	case <-late.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	n.count.links.Add(1)
	n.count.linked.Store(true)
	defer n.count.linked.Store(false)
	n.dhcp.Relink()
	n.link.queue.plug(true)
	defer n.link.queue.plug(false)
	return n.carry(ctx, c)
}

// carry moves frames both ways.
func (n *Network) carry(ctx context.Context, c link.Conn) error {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	done := make(chan struct{})
	var writer error
	var wg sync.WaitGroup
	wg.Go(func() {
		if writer = n.write(c, done); writer != nil {
			c.Close() // ends the reader
		}
	})
	err := n.read(c)
	close(done)
	c.Close() // ends a write that blocks
	wg.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, net.ErrClosed) && writer != nil:
		err = writer
	}
	switch {
	case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return nil // closed by the machine, with frames still on their way
	case err != nil && err == writer:
		return fmt.Errorf("write to the link: %w", err)
	case err != nil:
		return fmt.Errorf("read from the link: %w", err)
	}
	return nil
}

// within returns a context that ends with ctx or with the network.
func (n *Network) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(n.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
