package network

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/network/resolver"
)

// Direction says which way a frame went.
type Direction uint8

const (
	// FromGuest marks a frame that the machine sent.
	FromGuest Direction = iota
	// ToGuest marks a frame that the machine was sent.
	ToGuest
)

func (d Direction) String() string {
	if d == FromGuest {
		return "from guest"
	}
	return "to guest"
}

// Observer sees every frame of the link, each exactly once: a frame from the
// guest as it arrives and before it is judged, a frame to the guest as it is
// handed to the link. The frame is Ethernet without its checksum, and is valid
// only during the call. Calls for one direction come one after another;
// the two directions may call at the same time. A slow observer slows the
// network, so it must not block.
type Observer interface {
	Frame(at time.Time, dir Direction, frame []byte)
}

// PublishPolicy says what becomes of a published port that asks for every
// address of the host.
type PublishPolicy string

const (
	// PublishLocalhost narrows 0.0.0.0 to 127.0.0.1 and :: to ::1, so that
	// nothing listens on a network unless the owner of the host asked for it.
	// Explicit addresses are used as given. It is the default.
	PublishLocalhost PublishPolicy = "localhost"
	// PublishAsAsked binds the address that was asked for.
	PublishAsAsked PublishPolicy = "as-asked"
)

// Limits bound what a guest or a client can make the host hold. A zero field
// takes the default named beside it.
type Limits struct {
	QueueFrames  int // frames waiting for the link, 8192
	QueueBytes   int // bytes of the same, 16 MiB
	TCPPending   int // connections being opened to the host side, 1024
	TCPConns     int // TCP connections in all, both ways, 16384
	UDPFlows     int // UDP flows from the guest, 4096
	ICMPFlows    int // pings to the outside in progress, 128
	DNSPending   int // DNS questions being answered, 256
	Forwards     int // published ports, 4096
	ForwardFlows int // clients of one published UDP port, 1024
}

// Config describes a network. Its zero value is valid: every field has the
// default that its comment names.
type Config struct {
	Subnet  netip.Prefix // the machine's network, 192.168.65.0/24
	Gateway netip.Addr   // us, the machine's router and DNS server: the subnet's .1
	Host    netip.Addr   // stands for the host's own 127.0.0.1: the last host address of the subnet (.254)
	Guest   netip.Addr   // the machine's lease: the subnet's .3

	MTU      int    // bytes of IP in a frame, 1500 to 65520, as the machine's card must have it (QEMU's host_mtu): 1500
	Hostname string // told to the machine by DHCP: "slipway"
	Domain   string // domain and search list told by DHCP: none

	Hosts         map[string]netip.Addr // further names the DNS forwarder answers itself
	Resolver      resolver.Upstream     // where other names are asked: the host's own servers
	AllowMetadata bool                  // let the guest reach the cloud metadata address, normally refused

	PublishAddress PublishPolicy // PublishLocalhost

	Observer Observer     // sees every frame: none
	Log      *slog.Logger // discards
	Limits   Limits
}

// MinMTU and MaxMTU bound Config.MTU. The upper one is the largest multiple
// of 8 that leaves room, in a 64 KiB packet buffer, for an Ethernet header.
const (
	MinMTU = 1500
	MaxMTU = 65520
)

// withDefaults returns the config with its zero fields filled, or an error
// that names the first bad field and what it may be.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Subnet, netip.MustParsePrefix("192.168.65.0/24"))
	if !c.Subnet.Addr().Is4() || c.Subnet.Bits() > 29 || c.Subnet.Bits() < 8 {
		return c, fmt.Errorf("subnet %s: give an IPv4 network between /8 and /29", c.Subnet)
	}
	c.Subnet = c.Subnet.Masked()
	base := c.Subnet.Addr()
	setDefault(&c.Gateway, base.Next())
	setDefault(&c.Guest, base.Next().Next().Next())
	setDefault(&c.Host, broadcast(c.Subnet).Prev())
	seen := map[netip.Addr]string{}
	for _, a := range []struct {
		name string
		addr netip.Addr
	}{{"gateway", c.Gateway}, {"host", c.Host}, {"guest", c.Guest}} {
		if !c.Subnet.Contains(a.addr) || a.addr == base || a.addr == broadcast(c.Subnet) {
			return c, fmt.Errorf("%s address %s: give a host address of %s", a.name, a.addr, c.Subnet)
		}
		if other := seen[a.addr]; other != "" {
			return c, fmt.Errorf("%s address %s: already the %s address, give another", a.name, a.addr, other)
		}
		seen[a.addr] = a.name
	}
	setDefault(&c.MTU, MinMTU)
	if c.MTU < MinMTU || c.MTU > MaxMTU {
		return c, fmt.Errorf("mtu %d: give a number between %d and %d", c.MTU, MinMTU, MaxMTU)
	}
	setDefault(&c.Hostname, "slipway")
	setDefault(&c.PublishAddress, PublishLocalhost)
	if c.PublishAddress != PublishLocalhost && c.PublishAddress != PublishAsAsked {
		return c, fmt.Errorf("publish address %q: give %q or %q", c.PublishAddress, PublishLocalhost, PublishAsAsked)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Hosts = maps.Clone(c.Hosts)
	c.Limits.fill()
	return c, nil
}

// names returns what the DNS forwarder answers by itself. A name in
// Config.Hosts wins over a built-in one.
func (c Config) names() map[string]netip.Addr {
	names := map[string]netip.Addr{
		"host.docker.internal":     c.Host,
		"host.slipway.internal":    c.Host,
		"gateway.docker.internal":  c.Gateway,
		"gateway.slipway.internal": c.Gateway,
	}
	for name, addr := range c.Hosts {
		names[strings.ToLower(strings.TrimSuffix(name, "."))] = addr.Unmap()
	}
	return names
}

func (l *Limits) fill() {
	setDefault(&l.QueueFrames, 8192)
	setDefault(&l.QueueBytes, 16<<20)
	setDefault(&l.TCPPending, 1024)
	setDefault(&l.TCPConns, 16384)
	setDefault(&l.UDPFlows, 4096)
	setDefault(&l.ICMPFlows, 128)
	setDefault(&l.DNSPending, 256)
	setDefault(&l.Forwards, 4096)
	setDefault(&l.ForwardFlows, 1024)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// broadcast returns the last address of an IPv4 network.
func broadcast(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}
