package packet

import (
	"encoding/hex"
	"strings"
)

// frame puts a frame together from parts, each hexadecimal digits with spaces
// between groups, or the result of text.
func frame(parts ...string) (b []byte) {
	for _, part := range parts {
		d, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			panic(err)
		}
		b = append(b, d...)
	}
	return b
}

// text is a part that is easier to read as itself.
func text(s string) string { return hex.EncodeToString([]byte(s)) }

// The guest is 192.168.65.2 (fd00::2), its gateway 192.168.65.1 (fd00::1).

// arpRequest asks for the gateway.
var arpRequest = frame(
	"ffff ffff ffff 5254 0000 0001 0806", // Ethernet
	"0001 0800 0604 0001",                // ARP, Ethernet, IPv4, request
	"5254 0000 0001 c0a8 4102",           // sender
	"0000 0000 0000 c0a8 4101",           // target
)

// arpReply answers.
var arpReply = frame(
	"5254 0000 0001 5254 0000 0002 0806", // Ethernet
	"0001 0800 0604 0002",                // ARP, Ethernet, IPv4, reply
	"5254 0000 0002 c0a8 4101",           // sender
	"5254 0000 0001 c0a8 4102",           // target
)

// ping is an echo request.
var ping = frame(
	"5254 0000 0002 5254 0000 0001 0800",                // Ethernet
	"4500 0024 1234 4000 4001 2551 c0a8 4102 c0a8 4101", // IPv4, ICMP
	"0800 6197 04d2 0001",                               // ICMP echo request, id 0x04d2, seq 1
	text("abcdefgh"),                                    // data
)

// pong is its reply.
var pong = frame(
	"5254 0000 0001 5254 0000 0002 0800",                // Ethernet
	"4500 0024 1234 4000 4001 2551 c0a8 4101 c0a8 4102", // IPv4, ICMP
	"0000 6997 04d2 0001",                               // ICMP echo reply, id 0x04d2, seq 1
	text("abcdefgh"),                                    // data
)

// portUnreachable refuses a datagram.
var portUnreachable = frame(
	"5254 0000 0001 5254 0000 0002 0800",                // Ethernet
	"4500 0038 1234 4000 4001 253d c0a8 4101 c0a8 4102", // IPv4, ICMP
	"0303 c645 0000 0000",                               // ICMP port unreachable
	"4500 001c 1234 4000 4011 f117 c0a8 4102 5db8 d822", // IPv4 of the refused
	"0fa0 270f 0008 0000",                               // UDP of the refused
)

// ping6 is an ICMPv6 echo request.
var ping6 = frame(
	"5254 0000 0002 5254 0000 0001 86dd",                                              // Ethernet
	"6001 2345 0010 3a40 fd00 0000 0000 0000 0000 0000 0000 0002 fd00 0000 0000 0000", // IPv6, ICMPv6
	"0000 0000 0000 0001",
	"8000 ef41 04d2 0007", // ICMPv6 echo request, id 0x04d2, seq 7
	text("abcdefgh"),      // data
)

// neighborSolicit asks for the gateway.
var neighborSolicit = frame(
	"3333 ff00 0001 5254 0000 0001 86dd",                                              // Ethernet
	"6001 2345 0020 3a40 fd00 0000 0000 0000 0000 0000 0000 0002 ff02 0000 0000 0000", // IPv6, ICMPv6
	"0000 0001 ff00 0001",
	"8700 2d44 0000 0000",                     // ICMPv6 neighbor solicitation
	"fd00 0000 0000 0000 0000 0000 0000 0001", // target fd00::1
	"0101 5254 0000 0001",                     // source link-layer address
)

// dnsQuery asks for an address.
var dnsQuery = frame(
	"5254 0000 0002 5254 0000 0001 0800",                // Ethernet
	"4500 0039 1234 4000 4011 252c c0a8 4102 c0a8 4101", // IPv4 192.168.65.2 > 192.168.65.1, UDP
	"9c40 0035 0025 ce76",                               // UDP 40000 > 53
	"beef 0100 0001 0000 0000 0000",                     // DNS query, 1 question
	"0765 7861 6d70 6c65 036f 7267 0000 0100 01",        // example.org, A, IN
)

// dnsAnswer gives an alias and two addresses, names compressed.
var dnsAnswer = frame(
	"5254 0000 0001 5254 0000 0002 0800",                   // Ethernet
	"4500 007b 1234 4000 4011 24ea c0a8 4101 c0a8 4102",    // IPv4 192.168.65.1 > 192.168.65.2, UDP
	"0035 9c40 0067 1a44",                                  // UDP 53 > 40000
	"beef 8180 0001 0003 0000 0001",                        // DNS answer, 1 question, 3 answers, 1 additional
	"0377 7777 0765 7861 6d70 6c65 036f 7267 0000 0100 01", // www.example.org, A, IN
	"c00c 0005 0001 0000 012c 0007 0465 6467 65c0 10",      // CNAME edge.example.org
	"c02d 0001 0001 0000 003c 0004 5db8 d822",              // edge.example.org A 93.184.216.34
	"c02d 0001 0001 0000 003c 0004 5db8 d823",              // edge.example.org A 93.184.216.35
	"0000 2904 d000 0000 0000 00",                          // OPT
)

// dnsNoName says there is no such name.
var dnsNoName = frame(
	"5254 0000 0001 5254 0000 0002 0800",                // Ethernet
	"4500 003a 1234 4000 4011 252b c0a8 4101 c0a8 4102", // IPv4 192.168.65.1 > 192.168.65.2, UDP
	"0035 9c40 0026 efbd",                               // UDP 53 > 40000
	"bee0 8183 0001 0000 0000 0000",                     // DNS answer, no such name
	"076e 6f77 6865 7265 0474 6573 7400 001c 0001",      // nowhere.test, AAAA, IN
)

// dnsTCP is an answer over TCP.
var dnsTCP = frame(
	"5254 0000 0001 5254 0000 0002 0800",                // Ethernet
	"4500 0063 1234 4000 4006 250d c0a8 4101 c0a8 4102", // IPv4 192.168.65.1 > 192.168.65.2, TCP
	"0035 9c41 0000 03e8 0000 07d0 5018 01f6 36f8 0000", // TCP 53 > 40001
	"0039",                          // length
	"bee1 8180 0001 0001 0000 0000", // DNS answer, 1 question, 1 answer
	"0765 7861 6d70 6c65 036f 7267 0000 1c00 01",                            // example.org, AAAA, IN
	"c00c 001c 0001 0000 003c 0010 2606 2800 0220 0001 0000 0000 0000 0001", // AAAA 2606:2800:220:1::1
)

// dhcpDiscover looks for a server.
var dhcpDiscover = frame(
	"ffff ffff ffff 5254 0000 0001 0800",                                              // Ethernet
	"4500 011f 1234 4000 4011 279b 0000 0000 ffff ffff",                               // IPv4 0.0.0.0 > 255.255.255.255, UDP
	"0044 0043 010b 07ef",                                                             // UDP 68 > 67
	"0101 0600 3903 f326 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",           // DHCP, request
	"5254 0000 0001 0000 0000 0000 0000 0000",                                         // client MAC
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000", // server name and file
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"6382 5363",              // cookie
	"3501 01",                // message type: discover
	"0c07 736c 6970 7761 79", // host name
	"3704 0103 061a",         // requests mask, router, DNS, MTU
	"ff",                     // end
)

// dhcpACK assigns an address.
var dhcpACK = frame(
	"5254 0000 0001 5254 0000 0002 0800",                                              // Ethernet
	"4500 0132 1234 4000 4011 2433 c0a8 4101 c0a8 4102",                               // IPv4 192.168.65.1 > 192.168.65.2, UDP
	"0043 0044 011e 6926",                                                             // UDP 67 > 68
	"0201 0600 3903 f326 0000 0000 0000 0000 c0a8 4102 0000 0000 0000 0000",           // DHCP, reply
	"5254 0000 0001 0000 0000 0000 0000 0000",                                         // client MAC
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000", // server name and file
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000",
	"6382 5363",      // cookie
	"3501 05",        // message type: ACK
	"3604 c0a8 4101", // server
	"3304 0000 0e10", // lease 1 h
	"0104 ffff ff00", // mask
	"0304 c0a8 4101", // router
	"0604 c0a8 4101", // DNS
	"1a02 fff0",      // MTU
	"ff",             // end
)

// tcpSYN opens a connection.
var tcpSYN = frame(
	"5254 0000 0002 5254 0000 0001 0800",                                              // Ethernet
	"4500 003c 1234 4000 4006 f102 c0a8 4102 5db8 d822",                               // IPv4 192.168.65.2 > 93.184.216.34, TCP
	"d431 0050 0000 03e8 0000 0000 a002 faf0 3cbc 0000 0204 05b4 0402 080a 0000 0064", // TCP 54321 > 80
	"0000 0000 0103 0307",
)

// tcpSYNACK accepts it.
var tcpSYNACK = frame(
	"5254 0000 0001 5254 0000 0002 0800",                                              // Ethernet
	"4500 003c 1234 4000 4006 f102 5db8 d822 c0a8 4102",                               // IPv4 93.184.216.34 > 192.168.65.2, TCP
	"0050 d431 0000 1388 0000 03e9 a012 fe88 24c3 0000 0204 05b4 0402 080a 0000 00c8", // TCP 80 > 54321
	"0000 0064 0103 0307",
)

// tcpRST refuses it.
var tcpRST = frame(
	"5254 0000 0001 5254 0000 0002 0800",                // Ethernet
	"4500 0028 1234 4000 4006 f116 5db8 d822 c0a8 4102", // IPv4 93.184.216.34 > 192.168.65.2, TCP
	"0050 d431 0000 0000 0000 03e9 5014 0000 9fe0 0000", // TCP 80 > 54321
)

// tcpACK acknowledges, with a gap, in a padded frame.
var tcpACK = frame(
	"5254 0000 0002 5254 0000 0001 0800",                                              // Ethernet
	"4500 0034 1234 4000 4006 f10a c0a8 4102 5db8 d822",                               // IPv4 192.168.65.2 > 93.184.216.34, TCP
	"d431 0050 0000 03e9 0000 1389 8010 01f6 2186 0000 0101 050a 0000 1770 0000 1b58", // TCP 54321 > 80
	"0000", // padding
)

// httpRequest asks for a page.
var httpRequest = frame(
	"5254 0000 0002 5254 0000 0001 0800",                                              // Ethernet
	"4500 0086 1234 4000 4006 f0b8 c0a8 4102 5db8 d822",                               // IPv4 192.168.65.2 > 93.184.216.34, TCP
	"d431 0050 0000 03e9 0000 1389 8018 01f6 4dac 0000 0101 080a 0000 0065 0000 00c8", // TCP 54321 > 80
	text("GET /path?q=1 HTTP/1.1\r\n"),                                                // request line
	text("Host: example.org\r\n"),
	text("User-Agent: curl/8.5.0\r\n"),
	text("Accept: */*\r\n"),
	text("\r\n"), // end of headers
)

// httpResponse gives it.
var httpResponse = frame(
	"5254 0000 0001 5254 0000 0002 0800",                // Ethernet
	"4500 0074 1234 4000 4006 f0ca 5db8 d822 c0a8 4102", // IPv4 93.184.216.34 > 192.168.65.2, TCP
	"0050 d431 0000 1389 0000 0438 5018 01f6 07f5 0000", // TCP 80 > 54321
	text("HTTP/1.1 404 Not Found\r\n"),                  // status line
	text("Content-Type: text/plain\r\n"),
	text("Content-Length: 5\r\n"),
	text("\r\n"),   // end of headers
	text("gone\n"), // body
)

// tlsHello is a ClientHello.
var tlsHello = frame(
	"5254 0000 0002 5254 0000 0001 0800",                // Ethernet
	"4500 0096 1234 4000 4006 f0a8 c0a8 4102 5db8 d822", // IPv4 192.168.65.2 > 93.184.216.34, TCP
	"d432 01bb 0000 0001 0000 0001 5018 01f6 564e 0000", // TCP 54322 > 443
	"1603 0100 69", // record: handshake, TLS 1.0
	"0100 0065",    // ClientHello
	"0303",         // version TLS 1.2
	"0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 1011 1213 1415 1617 1819 1a1b 1c1d 1e1f", // random
	"0000 0413 0113 02", // no session, 2 cipher suites
	"0100",              // no compression
	"0038",              // extensions
	"0000 0017 0015 0000 1273 6563 7572 652e 6578 616d 706c 652e 6f72 67", // server_name secure.example.org
	"0010 000e 000c 0268 3208 6874 7470 2f31 2e31",                        // ALPN h2, http/1.1
	"002b 0007 065a 5a03 0403 03",                                         // supported_versions GREASE, 1.3, 1.2
)

// tlsData is two records.
var tlsData = frame(
	"5254 0000 0001 5254 0000 0002 0800",                // Ethernet
	"4500 003b 1234 4000 4006 f103 5db8 d822 c0a8 4102", // IPv4 93.184.216.34 > 192.168.65.2, TCP
	"01bb d432 0000 0001 0000 0001 5018 01f6 bb9c 0000", // TCP 443 > 54322
	"1403 0300 0101",                   // change cipher spec
	"1703 0300 08aa aaaa aaaa aaaa aa", // application data
)

// vlanUDP is a datagram in VLAN 42.
var vlanUDP = frame(
	"5254 0000 0002 5254 0000 0001 8100", // Ethernet
	"602a 0800",                          // VLAN 42, priority 3
	"4500 0021 1234 4000 4011 f112 c0a8 4102 5db8 d822", // IPv4, UDP
	"0fa0 270f 000d 4dcd",                               // UDP 4000 > 9999
	text("hello"),                                       // data
)

// ipOptions carries a router alert.
var ipOptions = frame(
	"5254 0000 0002 5254 0000 0001 0800",                                    // Ethernet
	"4700 0029 1234 4000 4011 5a06 c0a8 4102 5db8 d822 9404 0000 0100 0000", // IPv4 with options, UDP
	"0fa0 270f 000d 4dcd",                                                   // UDP 4000 > 9999
	text("hello"),                                                           // data
)

// fragmentFirst is the first part of a datagram.
var fragmentFirst = frame(
	"5254 0000 0002 5254 0000 0001 0800",                // Ethernet
	"4500 002c abcd 2000 4011 776e c0a8 4102 5db8 d822", // IPv4, more fragments, UDP
	"0fa0 270f 0020 0000",                               // UDP 4000 > 9999, 24 bytes
	text("AAAAAAAAAAAAAAAA"),                            // first 16
)

// fragmentLast is the rest of it.
var fragmentLast = frame(
	"5254 0000 0002 5254 0000 0001 0800",                // Ethernet
	"4500 001c abcd 0003 4011 977b c0a8 4102 5db8 d822", // IPv4, offset 24, UDP
	text("BBBBBBBB"), // last 8
)

// ipv6Ext is the first fragment behind two more extension headers.
var ipv6Ext = frame(
	"5254 0000 0002 5254 0000 0001 86dd",                                              // Ethernet
	"6001 2345 0028 0040 fd00 0000 0000 0000 0000 0000 0000 0002 fd00 0000 0000 0000", // IPv6, hop-by-hop
	"0000 0000 0000 0001",
	"3c00 0104 0000 0000", // hop-by-hop options, then destination options
	"2c00 0104 0000 0000", // destination options, then fragment
	"1100 0001 dead beef", // fragment 0, more, then UDP
	"0fa0 270f 0030 1234", // UDP 4000 > 9999
	text("hello..."),      // first 8
)
