package network

import (
	"sync/atomic"

	"github.com/slipway-desktop/slipway/backend/network/dhcp"
	"github.com/slipway-desktop/slipway/backend/network/resolver"
)

// Traffic counts frames and their bytes, Ethernet headers included.
type Traffic struct {
	Frames uint64 `json:"frames"`
	Bytes  uint64 `json:"bytes"`
}

// FlowStats counts one kind of flow since the start.
type FlowStats struct {
	Active  int64  `json:"active"`  // now
	Total   uint64 `json:"total"`   // ever
	Failed  uint64 `json:"failed"`  // the other side refused, or could not be reached
	Limited uint64 `json:"limited"` // turned away by a limit
}

// Drops counts frames that went no further, by cause.
type Drops struct {
	Malformed   uint64 `json:"malformed"`   // too short, too long, or a header that contradicts itself
	Unsupported uint64 `json:"unsupported"` // a protocol this network does not carry, such as IPv6
	Spoofed     uint64 `json:"spoofed"`     // a source address that no guest can have
	NotForUs    uint64 `json:"notForUs"`    // another station, a multicast group, or an address nobody has
	QueueFull   uint64 `json:"queueFull"`   // the machine did not read fast enough
	NoLink      uint64 `json:"noLink"`      // no machine was connected
}

// Stats is a snapshot of a network's counters.
type Stats struct {
	Connected bool           `json:"connected"` // a machine is linked now
	Links     uint64         `json:"links"`     // machines ever linked
	FromGuest Traffic        `json:"fromGuest"`
	ToGuest   Traffic        `json:"toGuest"`
	Drops     Drops          `json:"drops"`
	TCPOut    FlowStats      `json:"tcpOut"` // opened by the guest
	TCPIn     FlowStats      `json:"tcpIn"`  // to published ports
	UDPOut    FlowStats      `json:"udpOut"`
	UDPIn     FlowStats      `json:"udpIn"` // clients of published ports
	ICMP      FlowStats      `json:"icmp"`
	DNS       resolver.Stats `json:"dns"`
	Leases    []dhcp.Lease   `json:"leases"`
}

type trafficCounter struct{ frames, bytes atomic.Uint64 }

func (c *trafficCounter) add(n int) {
	c.frames.Add(1)
	c.bytes.Add(uint64(n))
}

func (c *trafficCounter) snapshot() Traffic {
	return Traffic{Frames: c.frames.Load(), Bytes: c.bytes.Load()}
}

type flowCounter struct {
	active                 atomic.Int64
	total, failed, limited atomic.Uint64
}

// open counts a flow in, and returns what counts it out.
func (c *flowCounter) open() (done func()) {
	c.active.Add(1)
	c.total.Add(1)
	return func() { c.active.Add(-1) }
}

func (c *flowCounter) snapshot() FlowStats {
	return FlowStats{Active: c.active.Load(), Total: c.total.Load(), Failed: c.failed.Load(), Limited: c.limited.Load()}
}

type counters struct {
	linked                       atomic.Bool
	links                        atomic.Uint64
	fromGuest, toGuest           trafficCounter
	tcpOut, tcpIn, udpOut, udpIn flowCounter
	icmp                         flowCounter
	drops                        [dropKinds]atomic.Uint64
}

// dropCause is why a frame went no further. keep is not a cause.
type dropCause uint8

const (
	keep dropCause = iota
	dropMalformed
	dropUnsupported
	dropSpoofed
	dropNotForUs
	dropQueueFull
	dropNoLink
	dropKinds
)

// Stats returns the counters as they are now.
func (n *Network) Stats() Stats {
	c := &n.count
	drop := func(d dropCause) uint64 { return c.drops[d].Load() }
	return Stats{
		Connected: c.linked.Load(),
		Links:     c.links.Load(),
		FromGuest: c.fromGuest.snapshot(),
		ToGuest:   c.toGuest.snapshot(),
		Drops: Drops{
			Malformed: drop(dropMalformed), Unsupported: drop(dropUnsupported), Spoofed: drop(dropSpoofed),
			NotForUs: drop(dropNotForUs), QueueFull: drop(dropQueueFull), NoLink: drop(dropNoLink),
		},
		TCPOut: c.tcpOut.snapshot(),
		TCPIn:  c.tcpIn.snapshot(),
		UDPOut: c.udpOut.snapshot(),
		UDPIn:  c.udpIn.snapshot(),
		ICMP:   c.icmp.snapshot(),
		DNS:    n.dns.Stats(),
		Leases: n.dhcp.Leases(),
	}
}
