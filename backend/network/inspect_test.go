package network

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/buffer"

	"github.com/slipway-desktop/slipway/backend/network/networktest"
)

var testInspector = inspector{
	subnet: netip.MustParsePrefix("192.168.65.0/24"), broadcast: netip.MustParseAddr("192.168.65.255"),
	gateway: gatewayIP, hostAlias: hostIP,
}

// datagram builds a frame from the guest's card to the gateway's.
func datagram(src, dst string, payload ...byte) []byte {
	return networktest.UDPFrame(networktest.MAC, gatewayMAC[:], netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst), payload)
}

func arpFrame(op byte, sender, target string) []byte {
	f := append(append([]byte{}, broadcastMAC[:]...), networktest.MAC...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, op)
	f = append(append(f, networktest.MAC...), netip.MustParseAddr(sender).AsSlice()...)
	return append(append(f, make([]byte, 6)...), netip.MustParseAddr(target).AsSlice()...)
}

func with(frame []byte, off int, b ...byte) []byte {
	copy(frame[off:], b)
	return frame
}

func TestInspect(t *testing.T) {
	out := "198.51.100.9:9"
	for _, c := range []struct {
		name  string
		frame []byte
		want  dropCause
	}{
		{"container to the outside", datagram("172.17.0.2:1", out), keep},
		{"machine to the gateway", datagram("192.168.65.3:1", "192.168.65.1:53"), keep},
		{"machine to the host", datagram("192.168.65.3:1", "192.168.65.254:80"), keep},
		{"in the gateway's name", datagram("192.168.65.1:1", out), dropSpoofed},
		{"in the host's name", datagram("192.168.65.254:1", out), dropSpoofed},
		{"from a group", datagram("224.0.0.1:1", out), dropSpoofed},
		{"from the broadcast address", datagram("255.255.255.255:1", out), dropSpoofed},
		{"from the subnet's broadcast address", datagram("192.168.65.255:1", out), dropSpoofed},
		{"from loopback", datagram("127.0.0.1:1", out), dropSpoofed},
		{"from nowhere", datagram("0.0.0.0:1", out), dropSpoofed},
		{"to loopback", datagram("172.17.0.2:1", "127.0.0.1:22"), dropNotForUs},
		{"to a group", datagram("172.17.0.2:1", "239.1.1.1:9"), dropNotForUs},
		{"to everyone", datagram("172.17.0.2:1", "255.255.255.255:9"), dropNotForUs},
		{"to a neighbour that is not there", datagram("172.17.0.2:1", "192.168.65.77:9"), dropNotForUs},
		{"our own hardware address", with(datagram("172.17.0.2:1", out), 6, gatewayMAC[:]...), dropSpoofed},
		{"a group's hardware address", with(datagram("172.17.0.2:1", out), 6, 1), dropSpoofed},
		{"to another station", with(datagram("172.17.0.2:1", out), 0, 2, 2, 2, 2, 2, 2), dropNotForUs},
		{"IPv6", with(datagram("172.17.0.2:1", out), 12, 0x86, 0xdd), dropUnsupported},
		{"VLAN", with(datagram("172.17.0.2:1", out), 12, 0x81, 0), dropUnsupported},
		{"runt", make([]byte, 13), dropMalformed},
		{"IP header cut", datagram("172.17.0.2:1", out)[:30], dropMalformed},
		{"IP longer than the frame", with(datagram("172.17.0.2:1", out), 16, 0xff, 0xff), dropMalformed},
		{"IP shorter than its header", with(datagram("172.17.0.2:1", out), 16, 0, 19), dropMalformed},
		{"IP version 5", with(datagram("172.17.0.2:1", out), 14, 0x55), dropMalformed},
		{"ARP for the gateway", arpFrame(1, "192.168.65.3", "192.168.65.1"), keep},
		{"ARP for the host", arpFrame(1, "192.168.65.3", "192.168.65.254"), keep},
		{"ARP probe of the guest's own address", arpFrame(1, "0.0.0.0", "192.168.65.3"), dropNotForUs},
		{"ARP in the gateway's name", arpFrame(1, "192.168.65.1", "192.168.65.254"), dropSpoofed},
		{"ARP answer", arpFrame(2, "192.168.65.3", "192.168.65.1"), keep},
		{"ARP answer for elsewhere", arpFrame(2, "10.0.0.1", "192.168.65.1"), dropNotForUs},
		{"ARP answer with another's hardware address", with(arpFrame(2, "192.168.65.3", "192.168.65.1"), 22, 2), dropSpoofed},
		{"ARP of unknown kind", arpFrame(9, "192.168.65.3", "192.168.65.1"), dropUnsupported},
		{"ARP cut", arpFrame(1, "192.168.65.3", "192.168.65.1")[:40], dropMalformed},
	} {
		if got, msg := testInspector.inspect(c.frame); got != c.want || msg != nil {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		name, src, dst string
		want           bool
	}{
		{"a client without an address", "0.0.0.0:68", "255.255.255.255:67", true},
		{"a renewal", "192.168.65.3:68", "192.168.65.1:67", true},
		{"a container's DHCP", "172.17.0.2:68", "192.168.65.1:67", false},
		{"another server's", "192.168.65.3:68", "198.51.100.9:67", false},
	} {
		_, msg := testInspector.inspect(datagram(c.src, c.dst, 1, 2, 3))
		if got := len(msg) == 3; got != c.want {
			t.Errorf("%s: goes to our server: %v, want %v", c.name, got, c.want)
		}
	}
}

// seeds are frames of each kind that a guest sends.
func seeds(f *testing.F) {
	f.Add(datagram("172.17.0.2:1", "198.51.100.9:9", 1, 2, 3))
	f.Add(datagram("192.168.65.3:1", "192.168.65.1:53", 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1))
	f.Add(arpFrame(1, "192.168.65.3", "192.168.65.1"))
	f.Add(arpFrame(2, "192.168.65.3", "192.168.65.1"))
	m, err := dhcpv4.NewDiscovery(networktest.MAC)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(networktest.UDPFrame(networktest.MAC, net.HardwareAddr(broadcastMAC[:]),
		netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67"), m.ToBytes()))
	for _, proto := range []byte{protoTCP, protoICMP} { // a SYN, and an echo request, as far as their first bytes go
		frame := datagram("172.17.0.2:1", "192.168.65.254:9", make([]byte, 32)...)
		frame[23] = proto
		frame = with(frame, 34, 8, 0, 0, 0)
		frame = with(frame, 34+12, 0x50, 2)
		f.Add(frame)
	}
	fragment := datagram("172.17.0.2:1", "198.51.100.9:9", 1, 2, 3)
	binary.BigEndian.PutUint16(fragment[20:], 0x2001)
	f.Add(fragment)
}

// FuzzInspect checks that no frame breaks the inspector, and that none gets
// past it in the name of our own addresses.
func FuzzInspect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		cause, msg := testInspector.inspect(frame)
		if cause != keep || msg != nil {
			return
		}
		if binary.BigEndian.Uint16(frame[12:]) != etherIPv4 {
			return
		}
		if src := addr4(frame[26:]); src == gatewayIP || src == hostIP || src.IsMulticast() || src.IsLoopback() || src.IsUnspecified() {
			t.Fatalf("source %s passed", src)
		}
	})
}

// FuzzFrames feeds frames to a whole network, which must neither panic nor
// stop answering. Every destination leads to one closed port of the loopback
// interface.
func FuzzFrames(f *testing.F) {
	seeds(f)
	n := must(New(Config{Observer: &counter{}}))
	pc := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	trap := at(loopback, hostPort(pc.LocalAddr()))
	pc.Close()
	n.alias = func(netip.AddrPort) netip.AddrPort { return trap }
	ctx := f.Context()
	run := make(chan error, 1)
	go func() { run <- n.Run(ctx) }()
	<-n.started
	n.link.queue.plug(true)
	f.Cleanup(func() { <-run }) // f's context has ended by then
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) >= 12 {
			frame = with(append([]byte{}, frame...), 0, gatewayMAC[:]...)
			frame[6] &^= 1
		}
		n.frameFromGuest(buffer.NewViewWithData(append([]byte{}, frame...)))
		n.frameFromGuest(buffer.NewViewWithData(arpFrame(1, "192.168.65.3", "192.168.65.1")))
		answers := n.link.queue.take(nil)
		if len(answers) == 0 {
			t.Fatal("the network does not answer any more")
		}
		for _, pkt := range answers {
			pkt.DecRef()
		}
	})
}

// counter counts frames.
type counter struct{ frames [2]int }

func (c *counter) Frame(_ time.Time, dir Direction, _ []byte) { c.frames[dir]++ }
