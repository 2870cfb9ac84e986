package packet

import "net/netip"

const (
	ethernetLen = 14
	vlanLen     = 4
	arpLen      = 28 // IPv4 over Ethernet

	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806
	etherTypeVLAN = 0x8100 // IEEE 802.1Q
	etherTypeIPv6 = 0x86dd
	etherTypeQinQ = 0x88a8 // IEEE 802.1ad
)

func isVLAN(etherType uint16) bool {
	return etherType == etherTypeVLAN || etherType == etherTypeQinQ
}

// decodeARP reads an ARP packet (RFC 826). Hardware other than Ethernet or
// protocols other than IPv4 do not occur on this link; they are marked
// malformed and shown as bytes.
func (p *Parsed) decodeARP(off int) {
	p.Set |= ARP
	b := p.Frame[off:]
	if len(b) < arpLen {
		p.Truncated = true
		p.setPayload(off, len(b))
		return
	}
	if be16(b) != 1 || be16(b[2:]) != etherTypeIPv4 || b[4] != 6 || b[5] != 4 {
		p.Malformed |= ARP
		p.setPayload(off, len(b))
		return
	}
	p.ARP.Op = be16(b[6:])
	copy(p.ARP.SenderMAC[:], b[8:14])
	p.ARP.Sender = netip.AddrFrom4([4]byte(b[14:18]))
	copy(p.ARP.TargetMAC[:], b[18:24])
	p.ARP.Target = netip.AddrFrom4([4]byte(b[24:28]))
}

func etherTypeName(t uint16) string {
	switch t {
	case etherTypeIPv4:
		return "IPv4"
	case etherTypeARP:
		return "ARP"
	case etherTypeVLAN:
		return "802.1Q Virtual LAN"
	case etherTypeQinQ:
		return "802.1ad Provider Bridge"
	case etherTypeIPv6:
		return "IPv6"
	case 0x88cc:
		return "LLDP"
	case 0x888e:
		return "802.1X"
	}
	return ""
}
