package capture

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// The parties of the tests: the guest, its gateway and an outside server.
var (
	guestIP = netip.MustParseAddr("192.168.65.2")
	gateIP  = netip.MustParseAddr("192.168.65.1")
	farIP   = netip.MustParseAddr("93.184.216.34")

	epoch = time.Unix(1_790_000_000, 0)
)

func ap(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// ipFrame is an IPv4 packet in an Ethernet frame; checksums are left 0.
func ipFrame(src, dst netip.Addr, proto uint8, payload []byte) []byte {
	b := []byte("\x52\x54\x00\x00\x00\x02\x52\x54\x00\x00\x00\x01\x08\x00")
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
	b = append(b, 0, 1, 0x40, 0, 64, proto, 0, 0)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, payload...)
}

func tcpFrame(src, dst netip.AddrPort, flags packet.TCPFlags, seq, ack uint32, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 0x50, byte(flags), 0xfa, 0xf0, 0, 0, 0, 0)
	return ipFrame(src.Addr(), dst.Addr(), protoTCP, append(b, data...))
}

func udpFrame(src, dst netip.AddrPort, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	return ipFrame(src.Addr(), dst.Addr(), protoUDP, append(append(b, 0, 0), data...))
}

func pingFrame(src, dst netip.Addr, typ byte) []byte {
	return ipFrame(src, dst, protoICMP, []byte{typ, 0, 0, 0, 0x12, 0x34, 0, 1})
}

// dnsMessage is a question, or with addresses the answer to it.
func dnsMessage(name string, answers ...netip.Addr) string {
	b := []byte{0xbe, 0xef, 1, 0, 0, 1, 0, byte(len(answers)), 0, 0, 0, 0}
	if len(answers) > 0 {
		b[2] = 0x81
	}
	for l := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(l))), l...)
	}
	b = append(b, 0, 0, 1, 0, 1)
	for _, a := range answers {
		b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		b = append(b, a.AsSlice()...)
	}
	return string(b)
}

// clientHello is a ClientHello with a server name and nothing else.
func clientHello(name string) string {
	n := len(name)
	ext := append([]byte{0, 0, 0, byte(n + 5), 0, byte(n + 3), 0, 0, byte(n)}, name...)
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 2, 0x13, 1, 1, 0, 0, byte(len(ext)))
	body = append(body, ext...)
	b := []byte{22, 3, 1, 0, byte(len(body) + 4), 1, 0, 0, byte(len(body))}
	return string(append(b, body...))
}

// arpFrame asks who has the gateway's address.
func arpFrame() []byte {
	b := []byte("\xff\xff\xff\xff\xff\xff\x52\x54\x00\x00\x00\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x52\x54\x00\x00\x00\x01")
	b = append(b, guestIP.AsSlice()...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	return append(b, gateIP.AsSlice()...)
}

// clock is a clock that moves when told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: epoch} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) after(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *clock) capture(o Options) *Capture {
	o.Now = c.now
	return New(o)
}

// feed records frames a millisecond apart, in the direction of the guest's
// address.
func (c *clock) feed(x *Capture, frames ...[]byte) {
	for _, f := range frames {
		dir := FromGuest
		if len(f) >= 34 && f[12] == 8 && f[13] == 0 && netip.AddrFrom4([4]byte(f[26:30])) != guestIP {
			dir = ToGuest
		}
		x.Frame(c.now(), dir, f)
		c.after(time.Millisecond)
	}
}
