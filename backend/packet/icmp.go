package packet

import "net/netip"

func icmpTypeName(v6 bool, typ uint8) string {
	if v6 {
		switch typ {
		case icmp6Unreachable:
			return "Destination unreachable"
		case icmp6TooBig:
			return "Packet too big"
		case icmp6TimeExceeded:
			return "Time exceeded"
		case 4:
			return "Parameter problem"
		case icmp6EchoRequest:
			return "Echo request"
		case icmp6EchoReply:
			return "Echo reply"
		case 130:
			return "Multicast listener query"
		case 131:
			return "Multicast listener report"
		case icmp6RouterSol:
			return "Router solicitation"
		case icmp6RouterAdv:
			return "Router advertisement"
		case icmp6NeighborSol:
			return "Neighbor solicitation"
		case icmp6NeighborAdv:
			return "Neighbor advertisement"
		case 137:
			return "Redirect"
		case icmp6MLDv2Report:
			return "Multicast listener report v2"
		}
		return ""
	}
	switch typ {
	case icmpEchoReply:
		return "Echo reply"
	case icmpUnreachable:
		return "Destination unreachable"
	case icmpRedirect:
		return "Redirect"
	case icmpEchoRequest:
		return "Echo request"
	case icmpTimeExceeded:
		return "Time exceeded"
	case 12:
		return "Parameter problem"
	}
	return ""
}

// unreachableReason says why, for the two unreachable messages.
func (p *Parsed) unreachableReason() string {
	var names []string
	switch {
	case p.Set.Has(ICMPv4) && p.ICMP.Type == icmpUnreachable:
		names = unreachable4[:]
	case p.Set.Has(ICMPv6) && p.ICMP.Type == icmp6Unreachable:
		names = unreachable6[:]
	}
	if int(p.ICMP.Code) < len(names) {
		return names[p.ICMP.Code]
	}
	return ""
}

// RFC 792 and RFC 1812 §5.2.7.1; RFC 4443 §3.1.
var (
	unreachable4 = [...]string{
		"network", "host", "protocol", "port", "fragmentation needed", "source route failed",
		"network unknown", "host unknown", "", "network prohibited", "host prohibited",
		"", "", "communication prohibited",
	}
	unreachable6 = [...]string{
		"no route", "prohibited", "beyond scope", "address", "port", "source address failed policy",
		"rejected route",
	}
)

// ndTarget is the address a neighbor solicitation or advertisement is about
// (RFC 4861 §4.3 and §4.4).
func (p *Parsed) ndTarget() (netip.Addr, bool) {
	if !p.Set.Has(ICMPv6) || p.ICMP.Type != icmp6NeighborSol && p.ICMP.Type != icmp6NeighborAdv ||
		p.Payload.Len() < 16 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(p.Frame[p.Payload.Start:])), true
}
