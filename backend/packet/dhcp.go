package packet

import "net/netip"

const (
	portDHCPServer = 67
	portDHCPClient = 68

	dhcpFixedLen = 236 // RFC 2131 §2, without the cookie
	dhcpCookie   = 0x63825363
)

// DHCPFields are what tells one DHCP message from another (RFC 2131).
type DHCPFields struct {
	Type      uint8 // option 53; 0: none, plain BOOTP
	XID       uint32
	ClientMAC [6]byte
	YourIP    netip.Addr // what the server assigns; valid but zero in requests
	Requested netip.Addr // option 50; invalid: none
}

func isDHCPPort(port uint16) bool { return port == portDHCPServer || port == portDHCPClient }

func (p *Parsed) decodeDHCP() {
	b := p.Bytes(p.Payload)
	if len(b) < dhcpFixedLen+4 || be32(b[dhcpFixedLen:]) != dhcpCookie {
		if !p.Truncated {
			p.Malformed |= DHCP
		}
		return
	}
	p.Set |= DHCP
	d := &p.DHCP
	d.XID = be32(b[4:])
	d.YourIP = netip.AddrFrom4([4]byte(b[16:20]))
	copy(d.ClientMAC[:], b[28:34])
	for off := dhcpFixedLen + 4; ; {
		code, v, next := dhcpOption(b, off)
		if next == 0 {
			return
		}
		data := b[v.Start:v.End]
		switch {
		case code == 53 && len(data) == 1:
			d.Type = data[0]
		case code == 50 && len(data) == 4:
			d.Requested = netip.AddrFrom4([4]byte(data))
		}
		off = next
	}
}

// dhcpOption reads the option at off of b (RFC 2132 §2): its code, where its
// value is, and where the next begins; next is 0 at the end.
func dhcpOption(b []byte, off int) (code uint8, value Span, next int) {
	for off < len(b) && b[off] == 0 {
		off++
	}
	if off+2 > len(b) || b[off] == 255 {
		return 0, Span{}, 0
	}
	end := off + 2 + int(b[off+1])
	if end > len(b) {
		return 0, Span{}, 0
	}
	return b[off], Span{off + 2, end}, end
}

func dhcpTypeName(t uint8) string {
	names := [...]string{
		"BOOTP", "Discover", "Offer", "Request", "Decline", "ACK", "NAK",
		"Release", "Inform",
	}
	if int(t) < len(names) {
		return names[t]
	}
	return "Unknown"
}
