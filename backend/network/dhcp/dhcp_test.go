package dhcp

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

var (
	server = netip.MustParseAddr("192.168.65.1")
	first  = netip.MustParseAddr("192.168.65.3")
	host   = netip.MustParseAddr("192.168.65.254")
	macA   = net.HardwareAddr{2, 0, 0, 0, 0, 0xa}
	macB   = net.HardwareAddr{2, 0, 0, 0, 0, 0xb}
)

func newServer() *Server {
	return New(Config{
		Subnet: netip.MustParsePrefix("192.168.65.0/24"), Server: server, First: first,
		Reserved: []netip.Addr{host}, MTU: 65520, Hostname: "slipway", Domain: "slipway.internal",
		Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
	})
}

// ask sends one message and decodes the answer; nil stands for none.
func ask(t *testing.T, s *Server, kind dhcpv4.MessageType, mac net.HardwareAddr, mods ...dhcpv4.Modifier) (*dhcpv4.DHCPv4, Reply) {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(mac), dhcpv4.WithMessageType(kind)}, mods...)...)
	if err != nil {
		t.Fatal(err)
	}
	reply, ok := s.Handle(m.ToBytes())
	if !ok {
		return nil, reply
	}
	answer, err := dhcpv4.FromBytes(reply.Message)
	if err != nil {
		t.Fatal(err)
	}
	if answer.TransactionID != m.TransactionID {
		t.Errorf("answer to another transaction")
	}
	return answer, reply
}

func requested(a netip.Addr) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(a.AsSlice()))
}

func TestHandshake(t *testing.T) {
	s := newServer()
	offer, reply := ask(t, s, dhcpv4.MessageTypeDiscover, macA)
	if offer.MessageType() != dhcpv4.MessageTypeOffer || !offer.YourIPAddr.Equal(first.AsSlice()) {
		t.Fatalf("offer: %s", offer.Summary())
	}
	if reply.Addr != first || reply.MAC.String() != macA.String() {
		t.Errorf("offer goes to %s at %s", reply.Addr, reply.MAC)
	}
	ack, _ := ask(t, s, dhcpv4.MessageTypeRequest, macA, requested(first), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server.AsSlice())))
	if ack.MessageType() != dhcpv4.MessageTypeAck || !ack.YourIPAddr.Equal(first.AsSlice()) {
		t.Fatalf("ack: %s", ack.Summary())
	}
	mtu, _ := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options)
	ones, _ := ack.SubnetMask().Size()
	if mtu != 65520 || ones != 24 || !ack.Router()[0].Equal(server.AsSlice()) || !ack.DNS()[0].Equal(server.AsSlice()) ||
		ack.DomainName() != "slipway.internal" || ack.DomainSearch().Labels[0] != "slipway.internal" ||
		ack.HostName() != "slipway" || ack.IPAddressLeaseTime(0) != LeaseTime || !ack.ServerIdentifier().Equal(server.AsSlice()) {
		t.Errorf("options: %s", ack.Summary())
	}
	// A renewal comes from the address, and is answered there.
	ack, reply = ask(t, s, dhcpv4.MessageTypeRequest, macA, dhcpv4.WithClientIP(first.AsSlice()))
	if ack.MessageType() != dhcpv4.MessageTypeAck || reply.Addr != first {
		t.Errorf("renewal: %s to %s", ack.MessageType(), reply.Addr)
	}
	_, reply = ask(t, s, dhcpv4.MessageTypeDiscover, macA, dhcpv4.WithBroadcast(true))
	if reply.Addr != broadcastAddr || reply.MAC.String() != broadcastMAC.String() {
		t.Errorf("broadcast asked for, answer goes to %s", reply.Addr)
	}
}

func TestRequestForAnotherAddressIsRefused(t *testing.T) {
	s := newServer()
	nak, reply := ask(t, s, dhcpv4.MessageTypeRequest, macA, requested(netip.MustParseAddr("10.0.0.7")))
	if nak.MessageType() != dhcpv4.MessageTypeNak || reply.Addr != broadcastAddr || nak.Options.Has(dhcpv4.OptionRouter) {
		t.Errorf("%s to %s", nak.Summary(), reply.Addr)
	}
}

func TestInformGetsNoLease(t *testing.T) {
	s := newServer()
	ack, _ := ask(t, s, dhcpv4.MessageTypeInform, macA, dhcpv4.WithClientIP(net.IP{192, 168, 65, 9}))
	if ack.MessageType() != dhcpv4.MessageTypeAck || !ack.YourIPAddr.IsUnspecified() ||
		ack.Options.Has(dhcpv4.OptionIPAddressLeaseTime) || len(ack.DNS()) != 1 {
		t.Errorf("%s", ack.Summary())
	}
	if len(s.Leases()) != 0 {
		t.Errorf("leases %v", s.Leases())
	}
}

func TestSecondClientNeverGetsAReservedAddress(t *testing.T) {
	s := newServer()
	ask(t, s, dhcpv4.MessageTypeDiscover, macA)
	offer, _ := ask(t, s, dhcpv4.MessageTypeDiscover, macB)
	got, _ := netip.AddrFromSlice(offer.YourIPAddr.To4())
	if got != first.Next() {
		t.Errorf("second client got %s", got)
	}
	for i := range 1000 {
		offer, _ := ask(t, s, dhcpv4.MessageTypeDiscover, net.HardwareAddr{2, 9, 0, 0, byte(i >> 8), byte(i)})
		if offer == nil {
			t.Fatal("no offer")
		}
		if a, _ := netip.AddrFromSlice(offer.YourIPAddr.To4()); a == first || a == host || a == server || a.As4()[3] == 255 {
			t.Fatalf("client %d got %s", i, a)
		}
	}
	if n := len(s.Leases()); n != MaxLeases {
		t.Errorf("%d leases", n)
	}
	if l := s.Leases()[0]; l.Addr != first || l.MAC != macA.String() {
		t.Errorf("the machine's lease became %+v", l)
	}
}

func TestNewLinkGivesTheReservedAddressToItsFirstClient(t *testing.T) {
	s := newServer()
	ask(t, s, dhcpv4.MessageTypeDiscover, macA)
	s.Relink()
	offer, _ := ask(t, s, dhcpv4.MessageTypeDiscover, macB)
	if !offer.YourIPAddr.Equal(first.AsSlice()) {
		t.Errorf("got %s", offer.YourIPAddr)
	}
	if l := s.Leases(); len(l) != 1 || l[0].MAC != macB.String() {
		t.Errorf("leases %+v", l)
	}
}

func TestReleaseKeepsTheMachinesAddress(t *testing.T) {
	s := newServer()
	ask(t, s, dhcpv4.MessageTypeDiscover, macA)
	if answer, _ := ask(t, s, dhcpv4.MessageTypeRelease, macA, dhcpv4.WithClientIP(first.AsSlice())); answer != nil {
		t.Errorf("a release was answered: %s", answer.Summary())
	}
	if len(s.Leases()) != 0 {
		t.Errorf("leases %v", s.Leases())
	}
	offer, _ := ask(t, s, dhcpv4.MessageTypeDiscover, macA)
	if !offer.YourIPAddr.Equal(first.AsSlice()) {
		t.Errorf("got %s", offer.YourIPAddr)
	}
}

func TestOthersMessagesGetNoAnswer(t *testing.T) {
	s := newServer()
	if answer, _ := ask(t, s, dhcpv4.MessageTypeRequest, macA, dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{10, 0, 0, 1}))); answer != nil {
		t.Error("a request to another server was answered")
	}
	if answer, _ := ask(t, s, dhcpv4.MessageTypeOffer, macA); answer != nil {
		t.Error("an offer was answered")
	}
	if answer, _ := ask(t, s, dhcpv4.MessageTypeDiscover, net.HardwareAddr{1, 2, 3}); answer != nil {
		t.Error("a client with a short hardware address was answered")
	}
}

func TestHostNamesAreCleaned(t *testing.T) {
	s := newServer()
	ask(t, s, dhcpv4.MessageTypeDiscover, macA, dhcpv4.WithOption(dhcpv4.OptHostName("my-box\x1b[31m\n.lan")))
	if got := s.Leases()[0].Hostname; got != "my-box31m.lan" {
		t.Errorf("host name %q", got)
	}
}

// FuzzHandle checks that nothing a client sends breaks the server, and that
// every answer is a DHCP message of a reasonable size.
func FuzzHandle(f *testing.F) {
	for _, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform, dhcpv4.MessageTypeRelease} {
		m, err := dhcpv4.New(dhcpv4.WithHwAddr(macA), dhcpv4.WithMessageType(kind), requested(first))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.ToBytes())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newServer()
		for range 2 {
			reply, ok := s.Handle(data)
			if !ok {
				continue
			}
			if _, err := dhcpv4.FromBytes(reply.Message); err != nil || !reply.Addr.IsValid() || len(reply.MAC) != 6 {
				t.Fatalf("answer %v to %s at %s", err, reply.Addr, reply.MAC)
			}
		}
		if len(s.Leases()) > 1 {
			t.Fatal("one client has two leases")
		}
	})
}
