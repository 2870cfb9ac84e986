package packet

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
)

// fixtures is every frame, what the list says of it, and the layers it has.
var fixtures = []struct {
	name  string
	frame []byte
	set   Set
	proto string
	info  string
}{
	{"arpRequest", arpRequest, Ethernet | ARP, "ARP", "Who has 192.168.65.1? Tell 192.168.65.2"},
	{"arpReply", arpReply, Ethernet | ARP, "ARP", "192.168.65.1 is at 52:54:00:00:00:02"},
	{"ping", ping, Ethernet | IPv4 | ICMPv4, "ICMP", "Echo request id=0x04d2 seq=1"},
	{"pong", pong, Ethernet | IPv4 | ICMPv4, "ICMP", "Echo reply id=0x04d2 seq=1"},
	{"portUnreachable", portUnreachable, Ethernet | IPv4 | ICMPv4, "ICMP", "Destination unreachable (port)"},
	{"ping6", ping6, Ethernet | IPv6 | ICMPv6, "ICMPv6", "Echo request id=0x04d2 seq=7"},
	{"neighborSolicit", neighborSolicit, Ethernet | IPv6 | ICMPv6, "ICMPv6", "Neighbor solicitation for fd00::1"},
	{"dnsQuery", dnsQuery, Ethernet | IPv4 | UDP | DNS, "DNS", "Standard query A example.org"},
	{
		"dnsAnswer", dnsAnswer, Ethernet | IPv4 | UDP | DNS, "DNS",
		"Standard query response A www.example.org: CNAME edge.example.org, 93.184.216.34, 93.184.216.35",
	},
	{"dnsNoName", dnsNoName, Ethernet | IPv4 | UDP | DNS, "DNS", "Standard query response AAAA nowhere.test: No such name"},
	{
		"dnsTCP", dnsTCP, Ethernet | IPv4 | TCP | DNS, "DNS",
		"Standard query response AAAA example.org: 2606:2800:220:1::1",
	},
	{"dhcpDiscover", dhcpDiscover, Ethernet | IPv4 | UDP | DHCP, "DHCP", "DHCP Discover by 52:54:00:00:00:01"},
	{"dhcpACK", dhcpACK, Ethernet | IPv4 | UDP | DHCP, "DHCP", "DHCP ACK 192.168.65.2 for 52:54:00:00:00:01"},
	{"tcpSYN", tcpSYN, Ethernet | IPv4 | TCP, "TCP", "SYN → 80 [win 64240, mss 1460]"},
	{"tcpSYNACK", tcpSYNACK, Ethernet | IPv4 | TCP, "TCP", "SYN, ACK → 54321 [win 65160, mss 1460]"},
	{"tcpRST", tcpRST, Ethernet | IPv4 | TCP, "TCP", "RST, ACK → 54321 [win 0]"},
	{"tcpACK", tcpACK, Ethernet | IPv4 | TCP, "TCP", "ACK → 80 [win 502, sack]"},
	{"httpRequest", httpRequest, Ethernet | IPv4 | TCP | HTTP, "HTTP", "GET /path?q=1 HTTP/1.1"},
	{"httpResponse", httpResponse, Ethernet | IPv4 | TCP | HTTP, "HTTP", "HTTP/1.1 404 Not Found"},
	{"tlsHello", tlsHello, Ethernet | IPv4 | TCP | TLS, "TLS", "Client Hello (SNI=secure.example.org)"},
	{"tlsData", tlsData, Ethernet | IPv4 | TCP | TLS, "TLS", "Change Cipher Spec, Application Data"},
	{"vlanUDP", vlanUDP, Ethernet | VLAN | IPv4 | UDP, "UDP", "4000 → 9999 [len 5]"},
	{"ipOptions", ipOptions, Ethernet | IPv4 | UDP, "UDP", "4000 → 9999 [len 5]"},
	{"fragmentFirst", fragmentFirst, Ethernet | IPv4 | UDP, "UDP", "4000 → 9999 [len 16]"},
	{"fragmentLast", fragmentLast, Ethernet | IPv4, "IPv4", "Fragment of UDP at 24, ID 0xabcd, last [len 8]"},
	{"ipv6Ext", ipv6Ext, Ethernet | IPv6 | UDP, "UDP", "4000 → 9999 [len 8]"},
}

func TestDecode(t *testing.T) {
	for _, x := range fixtures {
		t.Run(x.name, func(t *testing.T) {
			var p Parsed
			p.Decode(x.frame)
			if p.Set != x.set {
				t.Errorf("Set = %#x, want %#x", p.Set, x.set)
			}
			if got := p.Protocol(); got != x.proto {
				t.Errorf("Protocol() = %q, want %q", got, x.proto)
			}
			if got := string(p.AppendInfo(nil)); got != x.info {
				t.Errorf("info = %q, want %q", got, x.info)
			}
			if p.Truncated || p.Malformed != 0 {
				t.Errorf("Truncated %v, Malformed %#x", p.Truncated, p.Malformed)
			}
		})
	}
}

func decode(frame []byte) *Parsed {
	p := new(Parsed)
	p.Decode(frame)
	return p
}

func TestFields(t *testing.T) {
	syn := decode(tcpSYN)
	hello := decode(tlsHello)
	req := decode(httpRequest)
	frag := decode(fragmentLast)
	frag6 := decode(ipv6Ext)
	ack := decode(tcpACK)
	dhcp := decode(dhcpACK)
	vlan := decode(vlanUDP)
	for _, x := range []struct{ name, got, want string }{
		{"SYN ports", fmt.Sprint(syn.SrcPort, syn.DstPort), "54321 80"},
		{"SYN seq", fmt.Sprint(syn.TCP.Seq, syn.TCP.Ack), "1000 0"},
		{"SYN options", fmt.Sprint(syn.TCP.MSS, syn.TCP.WindowScale, syn.TCP.SACKPermitted, syn.TCP.TSVal, syn.TCP.TSEcr), "1460 7 true 100 0"},
		{"SACK", fmt.Sprint(ack.TCP.SACKs, ack.TCP.SACK[0], ack.TCP.WindowScale), "1 {6000 7000} -1"},
		{"padding is no payload", fmt.Sprint(ack.Payload.Len(), ack.PayloadLen), "0 0"},
		{"addresses", syn.Src.String() + " " + syn.Dst.String(), "192.168.65.2 93.184.216.34"},
		{"SNI", string(hello.Bytes(hello.TLS.ServerName)), "secure.example.org"},
		{"ALPN", string(hello.Bytes(hello.TLS.ALPN)), "h2"},
		{"version", fmt.Sprintf("%#x %v", hello.TLS.MaxVersion, hello.TLS.HelloComplete), "0x304 true"},
		{"method", string(req.Bytes(req.HTTP.Method)), "GET"},
		{"target", string(req.Bytes(req.HTTP.Target)), "/path?q=1"},
		{"host", string(req.Bytes(req.HTTP.Host)), "example.org"},
		{"fragment", fmt.Sprint(frag.FragOffset, frag.MoreFragments, frag.IPID), "24 false 43981"},
		{"IPv6 fragment", fmt.Sprintf("%d %v %#x %d", frag6.FragOffset, frag6.MoreFragments, frag6.IPID, frag6.IPProto), "0 true 0xdeadbeef 17"},
		{"DHCP", fmt.Sprint(dhcp.DHCP.Type, dhcp.DHCP.YourIP), "5 192.168.65.2"},
		{"VLAN", fmt.Sprintf("%d %#x", vlan.VLANID, vlan.EtherType), "42 0x800"},
	} {
		if x.got != x.want {
			t.Errorf("%s: %s, want %s", x.name, x.got, x.want)
		}
	}
}

// withDNS is dnsQuery's headers with another message.
func withDNS(msg []byte) []byte {
	f := append([]byte(nil), dnsQuery[:42]...)
	n := len(msg)
	f[16], f[17] = byte((n+28)>>8), byte(n+28)
	f[38], f[39] = byte((n+8)>>8), byte(n+8)
	return append(f, msg...)
}

// withTCP is tcpRST's headers with a payload.
func withTCP(payload string) []byte {
	f := append([]byte(nil), tcpRST...)
	n := len(payload) + 40
	f[16], f[17] = byte(n>>8), byte(n)
	return append(f, payload...)
}

func TestHostileNames(t *testing.T) {
	header := string(frame("beef 0100 0001 0000 0000 0000"))
	for _, x := range []struct{ name, qname, want string }{
		{"points at itself", "\xc0\x0c\x00\x01\x00\x01", "Standard query A "},
		{"points forward", "\xc0\x10\x00\x01\x00\x01\x01a\x00", "Standard query A "},
		{"two pointers at each other", "\x01a\xc0\x0c\x00\x01\x00\x01", "Standard query A a"},
		{"a label that runs out", "\x3fabc", "Standard query [malformed]"},
		{"a pointer cut short", "\xc0", "Standard query [malformed]"},
		{"a reserved label type", "\x80a\x00\x00\x01\x00\x01", "Standard query [malformed]"},
		{"too long", strings.Repeat("\x3f"+strings.Repeat("a", 63), 5) + "\x00\x00\x01\x00\x01", "Standard query [malformed]"},
		{"control characters and a dot in a label", "\x04\x1b[.\xff\x00\x00\x01\x00\x01", `Standard query A \x1b[\.\xff`},
		{"the root", "\x00\x00\x02\x00\x01", "Standard query NS ."},
	} {
		p := decode(withDNS([]byte(header + x.qname)))
		if got := string(p.AppendInfo(nil)); got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

func TestHTTPOrNot(t *testing.T) {
	for _, x := range []struct{ payload, proto, info string }{
		{"GET / HTTP/1.0\r\n\r\n", "HTTP", "GET / HTTP/1.0"},
		{"GET / HTTP/1.0\n\n", "HTTP", "GET / HTTP/1.0"},
		{"PROPFIND /dav HTTP/1.1\r\nhost:x\r\n", "HTTP", "PROPFIND /dav HTTP/1.1"},
		{"GET /a b HTTP/1.1\r\n", "HTTP", "GET /a b HTTP/1.1"},
		{"GET /" + strings.Repeat("x", 300), "HTTP", "GET /" + strings.Repeat("x", 255) + "…"},
		{"GET /\x1b[2J HTTP/1.1\r\n", "HTTP", `GET /\x1b[2J HTTP/1.1`},
		{"HTTP/1.1 200\r\n", "HTTP", "HTTP/1.1 200"},
		{"HTTP/1.1 2x0 OK\r\n", "TCP", ""},
		{"HTTP/2 200 OK\r\n", "TCP", ""},
		{"EHLO mail.example.org\r\n", "TCP", ""},
		{"GET /\r\n", "TCP", ""},
		{"GET  HTTP/1.1\r\n", "TCP", ""},
		{"LOOKS like a line that goes on", "TCP", ""},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "TCP", ""},
	} {
		p := decode(withTCP(x.payload))
		if p.Protocol() != x.proto {
			t.Errorf("%q: %s, want %s", x.payload, p.Protocol(), x.proto)
		}
		if got := string(p.AppendInfo(nil)); x.info != "" && got != x.info {
			t.Errorf("%q: info %q, want %q", x.payload, got, x.info)
		}
	}
	p := decode(withTCP("GET / HTTP/1.1\r\nX-Host: no\r\nHOST:\t yes:8080 \r\n\r\nHost: body\r\n"))
	if got := string(p.Bytes(p.HTTP.Host)); got != "yes:8080" {
		t.Errorf("Host = %q", got)
	}
}

// TestTruncated cuts every fixture at every length: nothing may be read beyond,
// and a cut within what the headers claim must be marked.
func TestTruncated(t *testing.T) {
	for _, x := range fixtures {
		whole := decode(x.frame)
		claimed := len(x.frame)
		if whole.ip.End > 0 {
			claimed = whole.ip.End // what follows is padding
		}
		for n := range x.frame {
			p := decode(x.frame[:n:n])
			check(t, p)
			if n < claimed && !p.Truncated {
				t.Errorf("%s cut to %d of %d bytes is not marked", x.name, n, claimed)
			}
			if p.Malformed != 0 {
				t.Errorf("%s cut to %d bytes is called malformed (%#x)", x.name, n, p.Malformed)
			}
		}
	}
}

// TestRealClientHello reads what crypto/tls sends, in a segment of the common
// size, which it does not fit since it offers post-quantum key exchange.
func TestRealClientHello(t *testing.T) {
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- tls.Client(theirs, &tls.Config{ServerName: "real.example.org", NextProtos: []string{"h2"}}).Handshake()
	}()
	b := make([]byte, 1<<14)
	n, err := ours.Read(b)
	ours.Close()
	if err != nil || <-done == nil {
		t.Fatal("no handshake was tried:", err)
	}
	for _, cut := range []int{n, min(n, 1460)} {
		p := decode(withTCP(string(b[:cut])))
		check(t, p)
		got := fmt.Sprintf("%s %s %#x", p.Bytes(p.TLS.ServerName), p.Bytes(p.TLS.ALPN), p.TLS.MaxVersion)
		if cut == n && got != "real.example.org h2 0x304" || !strings.HasPrefix(got, "real.example.org ") || p.TLS.HelloComplete != (cut == n) {
			t.Errorf("of %d bytes %d: %s, complete %v", n, cut, got, p.TLS.HelloComplete)
		}
	}
}

// TestDNSOverTCP: a segment that continues a message is not taken for one, and
// one message is not taken for all of a segment.
func TestDNSOverTCP(t *testing.T) {
	payload := dnsTCP[54:]
	inDNS := func(payload string) *Parsed {
		f := withTCP(payload)
		f[35] = portDNS // source port 80 becomes 53
		return decode(f)
	}
	if p := inDNS(string(payload[20:])); p.Protocol() != "TCP" {
		t.Errorf("a continuation is called %s: %s", p.Protocol(), p.AppendInfo(nil))
	}
	p := inDNS(string(payload) + string(payload))
	check(t, p)
	if p.Protocol() != "DNS" || p.DNS.Message.Len() != len(payload)-2 {
		t.Errorf("two messages: %s, the first of %d bytes", p.Protocol(), p.DNS.Message.Len())
	}
}

func TestPartialHello(t *testing.T) {
	// A segment that ends behind the server name still has it.
	p := decode(tlsHello[:len(tlsHello)-12])
	if got := string(p.Bytes(p.TLS.ServerName)); got != "secure.example.org" || p.TLS.HelloComplete {
		t.Errorf("SNI = %q, complete %v", got, p.TLS.HelloComplete)
	}
}

func TestMalformed(t *testing.T) {
	set := func(f []byte, at int, v ...byte) []byte {
		f = append([]byte(nil), f...)
		copy(f[at:], v)
		return f
	}
	for _, x := range []struct {
		name  string
		frame []byte
		want  Set
	}{
		{"IPv4 of another version", set(ping, 14, 0x55), IPv4},
		{"IPv4 header too short", set(ping, 14, 0x44), IPv4},
		{"IPv4 total below its header", set(ping, 16, 0, 19), IPv4},
		{"TCP header too short", set(tcpSYN, 46, 0x40), TCP},
		{"TCP header beyond the packet", set(tcpRST, 46, 0xf0), TCP},
		{"TCP option of length 0", set(tcpSYN, 55, 0), TCP},
		{"TCP option beyond the header", set(tcpSYN, 55, 60), TCP},
		{"UDP length below its header", set(dnsQuery, 38, 0, 7), UDP},
		{"UDP length beyond the packet", set(dnsQuery, 38, 1, 0), UDP},
		{"IPv6 of another version", set(ping6, 14, 0x40), IPv6},
		{"IPv6 extension header beyond the packet", set(ipv6Ext, 55, 0xff), IPv6},
		{"ARP for another network", set(arpRequest, 15, 6), ARP},
		{"DHCP without its cookie", set(dhcpACK, 42+236, 0), DHCP},
	} {
		p := decode(x.frame)
		check(t, p)
		if p.Malformed != x.want {
			t.Errorf("%s: Malformed = %#x, want %#x", x.name, p.Malformed, x.want)
		}
		if !strings.HasSuffix(string(p.AppendInfo(nil)), "[malformed]") {
			t.Errorf("%s: info does not say so: %q", x.name, p.AppendInfo(nil))
		}
	}
}

// TestExtensionChain feeds an endless chain of IPv6 extension headers.
func TestExtensionChain(t *testing.T) {
	f := append([]byte(nil), ipv6Ext[:54]...)
	chain := strings.Repeat("\x3c\x00\x01\x04\x00\x00\x00\x00", 8000)
	f[18], f[19] = byte(len(chain)>>8), byte(len(chain))
	p := decode(append(f, chain...))
	check(t, p)
	if !p.Malformed.Has(IPv6) {
		t.Error("not marked malformed")
	}
}

// TestNoAllocs holds the promise of the hot path for every fixture.
func TestNoAllocs(t *testing.T) {
	buf := make([]byte, 0, 1024)
	var p Parsed
	for _, x := range fixtures {
		n := testing.AllocsPerRun(100, func() {
			p.Decode(x.frame)
			_ = p.Protocol()
			buf = p.AppendInfo(buf[:0])
			for it := p.DNSRecords(); it.Next(); {
				buf = it.AppendName(buf, it.Record().Name)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", x.name, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, x := range fixtures {
		switch x.name {
		case "tcpACK", "dnsAnswer", "tlsHello", "httpRequest":
		default:
			continue
		}
		b.Run(x.name, func(b *testing.B) {
			var p Parsed
			b.ReportAllocs()
			for b.Loop() {
				p.Decode(x.frame)
			}
		})
	}
	b.Run("mixed", func(b *testing.B) {
		var p Parsed
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			p.Decode(fixtures[i].frame)
			if i++; i == len(fixtures) {
				i = 0
			}
		}
	})
	b.Run("mixedInfo", func(b *testing.B) {
		var p Parsed
		buf := make([]byte, 0, 1024)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			p.Decode(fixtures[i].frame)
			buf = p.AppendInfo(buf[:0])
			if i++; i == len(fixtures) {
				i = 0
			}
		}
	})
}
