package capture

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// Defaults and limits of Options and Query.
const (
	DefaultMaxBytes = 64 << 20
	MinMaxBytes     = 256 << 10
	DefaultMaxFlows = 8192

	DefaultLimit = 100  // rows of a Query that says 0
	MaxLimit     = 1000 // rows of one Page
	MaxFollowers = 16   // Follow calls at one time
)

// Options are what New needs. The zero value is usable.
type Options struct {
	MaxBytes int64            // of the ring; 0 is DefaultMaxBytes, less than MinMaxBytes is MinMaxBytes
	Snaplen  int              // bytes kept of each frame; 0 is all
	MaxFlows int              // 0 is DefaultMaxFlows
	Names    Names            // nil: none
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: discard
}

// Names says who an endpoint is. The capture asks when a flow begins, and again
// when somebody looks at flows or packets while it has had no answer; it keeps
// the answers, so that a container's traffic has its name after it is gone.
//
// proto is the IP protocol (6 TCP, 17 UDP, 1 and 58 ICMP). Behind the guest's
// NAT containers share one address, and the port tells them apart; a question
// with proto 0 and port 0 is about the address alone, and is answered only if
// all of it belongs to one party.
//
// Name is called on the data path with the capture's lock held: it must not
// block for I/O and must not call the Capture.
type Names interface {
	Name(proto uint8, ep netip.AddrPort) (Endpoint, bool)
}

// Kinds of endpoint.
const (
	KindContainer = "container"
	KindGuest     = "guest"   // the machine itself
	KindGateway   = "gateway" // the network kit's own address
	KindHost      = "host"    // the computer Slipway runs on
)

// Endpoint is a party that Names knows.
type Endpoint struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`                // what to show; for a container its name
	Container string `json:"container,omitempty"` // container name; empty for others
	Image     string `json:"image,omitempty"`
	Project   string `json:"project,omitempty"` // compose project
	Service   string `json:"service,omitempty"` // compose service
}

// Direction is which way a frame went.
type Direction uint8

// ToGuest is a frame the guest receives, FromGuest one it sends.
const (
	FromGuest Direction = iota
	ToGuest
)

// String is "out" or "in", as the guest sees it.
func (d Direction) String() string {
	if d == ToGuest {
		return "in"
	}
	return "out"
}

// Status says what a Capture holds.
type Status struct {
	Recording    bool      `json:"recording"`
	StartedAt    time.Time `json:"startedAt"` // when New was called or Clear last was
	Packets      uint64    `json:"packets"`   // in the ring
	Bytes        int64     `json:"bytes"`     // memory the ring has taken; never more than MaxBytes
	MaxBytes     int64     `json:"maxBytes"`
	Snaplen      int       `json:"snaplen"`      // 0: whole frames
	First        uint64    `json:"first"`        // number of the oldest packet in the ring; 0: none
	Last         uint64    `json:"last"`         // number of the newest packet; 0: none ever
	Seen         uint64    `json:"seen"`         // packets recorded since StartedAt
	SeenBytes    uint64    `json:"seenBytes"`    // their lengths on the wire
	Dropped      uint64    `json:"dropped"`      // recorded since StartedAt and pushed out since
	Paused       uint64    `json:"paused"`       // passed unrecorded while paused, since StartedAt
	Flows        int       `json:"flows"`        // in the table
	MaxFlows     int       `json:"maxFlows"`     //
	FlowsDropped uint64    `json:"flowsDropped"` // pushed out of the table before their time
	NamesDropped uint64    `json:"namesDropped"` // learned names pushed out by newer ones
	Followers    int       `json:"followers"`
}

// Query asks for a page of packets. Without After, Before and Tail it begins at
// the oldest packet.
type Query struct {
	Filter string `json:"filter,omitempty"` // see Compile
	Flow   uint64 `json:"flow,omitempty"`   // only this flow's packets
	After  uint64 `json:"after,omitempty"`  // only packets with greater numbers
	Before uint64 `json:"before,omitempty"` // only lesser ones, and the page ends there
	Tail   bool   `json:"tail,omitempty"`   // the page ends at the newest packet
	Limit  int    `json:"limit,omitempty"`  // rows; 0 is DefaultLimit, more than MaxLimit is MaxLimit
}

// Page is the answer to a Query: rows in ascending order.
//
// One call examines a bounded number of packets, so with a filter that rarely
// matches a page may be short, even empty, with More set. The walk goes on with
// After: Next, or Before: Next if the page was asked for with Before or Tail.
type Page struct {
	Rows     []Row  `json:"rows"`
	First    uint64 `json:"first"`    // number of the oldest packet in the ring; 0: none
	Last     uint64 `json:"last"`     // number of the newest
	Next     uint64 `json:"next"`     // the packet examined last; 0: none
	Examined uint64 `json:"examined"` // packets looked at
	More     bool   `json:"more"`     // there are packets beyond Next, in the direction of the walk
	Dropped  uint64 `json:"dropped"`  // packets between After and First: pushed out before they were asked for
}

// Row is a packet in a list. Ports are 0 if the protocol has none; Src and Dst
// are hardware addresses if the frame has no others.
type Row struct {
	N       uint64    `json:"n"` // counts from 1, and on through Clear
	Time    time.Time `json:"time"`
	Dir     string    `json:"dir"` // "out": the guest sent it; "in": it received it
	Src     string    `json:"src"`
	Dst     string    `json:"dst"`
	SrcPort uint16    `json:"srcPort"`
	DstPort uint16    `json:"dstPort"`
	SrcName string    `json:"srcName,omitempty"`
	DstName string    `json:"dstName,omitempty"`
	Proto   string    `json:"proto"`
	Length  int       `json:"length"` // on the wire, bytes
	Info    string    `json:"info"`
	Flow    uint64    `json:"flow"` // 0: belongs to none
}

// Detail is a packet in full.
type Detail struct {
	Row
	Layers    []packet.Layer `json:"layers"`
	Bytes     []byte         `json:"bytes"`     // base64 in JSON
	Truncated bool           `json:"truncated"` // Bytes is less than Length, by Snaplen
}

// States of a flow.
const (
	StateOpen        = "open"        // asked for, not answered yet
	StateEstablished = "established" // answered
	StateClosing     = "closing"     // one side has finished
	StateClosed      = "closed"      // both have, or it fell silent
	StateReset       = "reset"       // cut off
	StateRefused     = "refused"     // answered by a refusal
)

// RateSeconds is the length of Flow.Rate.
const RateSeconds = 30

// Flow is a conversation. Src is who opened it; Out is from Src to Dst.
type Flow struct {
	ID         uint64    `json:"id"`
	Proto      string    `json:"proto"` // "TCP", "UDP", "ICMP", "ICMPv6"
	Src        string    `json:"src"`   // address
	Dst        string    `json:"dst"`
	SrcPort    uint16    `json:"srcPort"` // for ICMP echo the identifier
	DstPort    uint16    `json:"dstPort"`
	SrcName    string    `json:"srcName,omitempty"`
	DstName    string    `json:"dstName,omitempty"`
	Container  string    `json:"container,omitempty"` // the container on either side
	Image      string    `json:"image,omitempty"`
	Project    string    `json:"project,omitempty"`
	Service    string    `json:"service,omitempty"`
	Dir        string    `json:"dir"`              // "out": the guest opened it
	App        string    `json:"app,omitempty"`    // "HTTP", "TLS", "DNS", …; empty: unknown
	Detail     string    `json:"detail,omitempty"` // server name, host, or last question
	State      string    `json:"state"`
	Start      time.Time `json:"start"`
	Last       time.Time `json:"last"`
	BytesOut   uint64    `json:"bytesOut"` // frames' lengths on the wire
	BytesIn    uint64    `json:"bytesIn"`
	PacketsOut uint64    `json:"packetsOut"`
	PacketsIn  uint64    `json:"packetsIn"`
	// RTT is the time from the first packet to its first answer, in
	// milliseconds: for TCP from SYN to SYN, ACK. 0: not known.
	RTT         float64 `json:"rtt"`
	Retransmits uint64  `json:"retransmits"` // TCP segments sent again or out of order, both ways
	// Rate is bytes in each of the last RateSeconds seconds, both ways, oldest
	// first; the last entry is the present, unfinished second. Empty: silent.
	Rate []uint32 `json:"rate,omitempty"`
}

// FlowChanges is what happened to the flow table since an earlier call.
type FlowChanges struct {
	Seq     uint64   `json:"seq"`     // to ask with the next time
	Changed []Flow   `json:"changed"` // new ones too
	Removed []uint64 `json:"removed"`
	Reset   bool     `json:"reset"` // Changed is the whole table: forget all others
}
