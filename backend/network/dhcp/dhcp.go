// Package dhcp answers the DHCPv4 requests of a machine and of whatever else
// asks on the machine's link (RFC 2131, RFC 2132; the MTU is option 26, the
// search list RFC 3397).
//
// Handle is a function from one request to at most one answer: it opens no
// socket and starts nothing, so that it can be driven by any link and fuzzed
// directly. It guarantees that the first client of a link gets the reserved
// address, every time and whatever its hardware address, because routes to
// containers lead through that address; other clients get stable addresses
// from the rest of the subnet. The number of leases is bounded, and a request
// that cannot be parsed, or that was meant for another server, gets no answer.
package dhcp

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

// MaxLeases bounds the leases held at once. Beyond it the oldest lease that
// is not the machine's own gives way.
const MaxLeases = 64

// LeaseTime is how long a lease is promised for. The machine lives no longer
// than the network does, so the length matters only for how soon a changed
// setting reaches a running guest by its renewal, at half of this.
const LeaseTime = 24 * time.Hour

// Config is what a server tells its clients.
type Config struct {
	Subnet   netip.Prefix
	Server   netip.Addr   // router, DNS server and DHCP server
	First    netip.Addr   // reserved for the first client of a link
	Reserved []netip.Addr // never leased
	MTU      int
	Hostname string // given to the first client only
	Domain   string // domain name and search list; may be empty
	Now      func() time.Time
}

// Lease is an address in use.
type Lease struct {
	Addr     netip.Addr `json:"addr"`
	MAC      string     `json:"mac"`
	Hostname string     `json:"hostname,omitempty"` // as the client calls itself
	Expires  time.Time  `json:"expires"`
}

// Server holds the leases. Its methods may be called from any goroutine.
type Server struct {
	cfg Config

	mu     sync.Mutex
	first  string           // hardware address of this link's first client
	leases map[string]Lease // by hardware address
}

// New returns a server with no leases. A nil Config.Now is time.Now.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Server{cfg: cfg, leases: map[string]Lease{}}
}

// Relink tells the server that a new link was made: the next client to ask
// for an address is its first.
func (s *Server) Relink() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = ""
}

// Leases returns the leases in the order of their addresses.
func (s *Server) Leases() []Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Lease, 0, len(s.leases))
	for _, l := range s.leases {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Lease) int { return a.Addr.Compare(b.Addr) })
	return out
}

// Reply is an answer, and where it goes (RFC 2131, section 4.1).
type Reply struct {
	Message []byte // the UDP payload, from port 67 to port 68
	MAC     net.HardwareAddr
	Addr    netip.Addr
}

var (
	broadcastMAC  = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	broadcastAddr = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// Handle answers one request, given as the payload of a datagram to port 67.
// ok is false when there is nothing to say.
func (s *Server) Handle(request []byte) (reply Reply, ok bool) {
	req, err := dhcpv4.FromBytes(request)
	if err != nil || req.OpCode != dhcpv4.OpcodeBootRequest || len(req.ClientHWAddr) != 6 {
		return Reply{}, false
	}
	if id := req.ServerIdentifier(); id != nil && !id.Equal(s.cfg.Server.AsSlice()) {
		return Reply{}, false // the client chose another server
	}
	var resp *dhcpv4.DHCPv4
	switch req.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		resp = s.offer(req)
	case dhcpv4.MessageTypeRequest:
		resp = s.request(req)
	case dhcpv4.MessageTypeInform:
		resp = s.answer(req, dhcpv4.MessageTypeAck, netip.Addr{})
	case dhcpv4.MessageTypeRelease, dhcpv4.MessageTypeDecline:
		s.release(req)
	}
	if resp == nil {
		return Reply{}, false
	}
	mac, addr := destination(req, resp)
	return Reply{Message: resp.ToBytes(), MAC: mac, Addr: addr}, true
}

// destination applies RFC 2131, section 4.1: a client that has an address
// gets the answer there, one that has none gets it at the address offered
// unless it asked for a broadcast, and a refusal is always broadcast.
func destination(req, resp *dhcpv4.DHCPv4) (net.HardwareAddr, netip.Addr) {
	mac := slices.Clone(req.ClientHWAddr)
	current, _ := netip.AddrFromSlice(req.ClientIPAddr.To4())
	offered, _ := netip.AddrFromSlice(resp.YourIPAddr.To4())
	switch {
	case resp.MessageType() == dhcpv4.MessageTypeNak:
		return broadcastMAC, broadcastAddr
	case current.IsValid() && !current.IsUnspecified():
		return mac, current
	case req.IsBroadcast() || !offered.IsValid() || offered.IsUnspecified():
		return broadcastMAC, broadcastAddr
	}
	return mac, offered
}

func (s *Server) offer(req *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	addr, ok := s.lease(req)
	if !ok {
		return nil // no address is free, so stay silent as RFC 2131 section 4.3.1 wants
	}
	return s.answer(req, dhcpv4.MessageTypeOffer, addr)
}

// request confirms an offer, a renewal or a remembered address, or refuses it
// when it is not the one this client has here, so that the client starts over.
func (s *Server) request(req *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	asked := req.RequestedIPAddress()
	if asked == nil || asked.IsUnspecified() {
		asked = req.ClientIPAddr
	}
	want, _ := netip.AddrFromSlice(asked.To4())
	addr, ok := s.lease(req)
	if !ok || addr != want {
		return s.answer(req, dhcpv4.MessageTypeNak, netip.Addr{})
	}
	return s.answer(req, dhcpv4.MessageTypeAck, addr)
}

// release gives an address back. The machine's own stays reserved for it.
func (s *Server) release(req *dhcpv4.DHCPv4) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, req.ClientHWAddr.String())
}

// lease returns the address of a client, giving it one if it has none.
func (s *Server) lease(req *dhcpv4.DHCPv4) (netip.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mac := req.ClientHWAddr.String()
	if s.first == "" {
		s.first = mac
	}
	l, held := s.leases[mac]
	switch {
	case mac == s.first:
		for other, o := range s.leases { // a machine of an earlier link had it
			if o.Addr == s.cfg.First && other != mac {
				delete(s.leases, other)
			}
		}
		l.Addr = s.cfg.First
	case !held || l.Addr == s.cfg.First:
		delete(s.leases, mac)
		addr, ok := s.free()
		if !ok {
			return netip.Addr{}, false
		}
		l.Addr = addr
	}
	if len(s.leases) >= MaxLeases {
		s.evict(mac)
	}
	l.MAC, l.Hostname, l.Expires = mac, printable(req.HostName()), s.cfg.Now().Add(LeaseTime)
	s.leases[mac] = l
	return l.Addr, true
}

// free finds an address nobody has. The search is bounded by the number of
// addresses that can be taken.
func (s *Server) free() (netip.Addr, bool) {
	taken := map[netip.Addr]bool{s.cfg.First: true, s.cfg.Server: true}
	for _, a := range s.cfg.Reserved {
		taken[a] = true
	}
	for _, l := range s.leases {
		taken[l.Addr] = true
	}
	for a := s.cfg.First.Next(); s.cfg.Subnet.Contains(a.Next()); a = a.Next() { // the last one is the broadcast address
		if !taken[a] {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// evict makes room for mac by ending the lease that would end first.
func (s *Server) evict(mac string) {
	if _, held := s.leases[mac]; held {
		return
	}
	var victim string
	for m, l := range s.leases {
		if m != s.first && (victim == "" || l.Expires.Before(s.leases[victim].Expires)) {
			victim = m
		}
	}
	delete(s.leases, victim)
}

// answer builds a response. A NAK carries nothing but the server's identity.
func (s *Server) answer(req *dhcpv4.DHCPv4, kind dhcpv4.MessageType, addr netip.Addr) *dhcpv4.DHCPv4 {
	resp, err := dhcpv4.NewReplyFromRequest(req)
	if err != nil {
		return nil
	}
	server := net.IP(s.cfg.Server.AsSlice())
	resp.UpdateOption(dhcpv4.OptMessageType(kind))
	resp.UpdateOption(dhcpv4.OptServerIdentifier(server))
	if kind == dhcpv4.MessageTypeNak {
		return resp
	}
	resp.ServerIPAddr = server
	resp.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(s.cfg.Subnet.Bits(), 32)))
	resp.UpdateOption(dhcpv4.OptRouter(server))
	resp.UpdateOption(dhcpv4.OptDNS(server))
	resp.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, dhcpv4.Uint16(s.cfg.MTU).ToBytes()))
	if s.cfg.Domain != "" {
		resp.UpdateOption(dhcpv4.OptDomainName(s.cfg.Domain))
		resp.UpdateOption(dhcpv4.OptDomainSearch(&rfc1035label.Labels{Labels: []string{s.cfg.Domain}}))
	}
	if addr.IsValid() { // an INFORM has its address already, and gets no lease
		resp.YourIPAddr = addr.AsSlice()
		resp.UpdateOption(dhcpv4.OptIPAddressLeaseTime(LeaseTime))
		if addr == s.cfg.First && s.cfg.Hostname != "" {
			resp.UpdateOption(dhcpv4.OptHostName(s.cfg.Hostname))
		}
	}
	return resp
}

// printable keeps what a host name may hold, and no more than 63 bytes of it:
// the name is shown to people and comes from the guest.
func printable(name string) string {
	keep := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return -1
	}
	b := bytes.Map(keep, []byte(name))
	return string(b[:min(len(b), 63)])
}
