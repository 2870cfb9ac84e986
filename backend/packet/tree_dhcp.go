package packet

import (
	"fmt"
	"time"
)

func (t *tree) dhcp() {
	p := t.p
	off := p.Payload.Start
	f := t.fields(p.Payload.End)
	f.num("dhcp.type", "Message type", off, 1, map[byte]string{1: "Boot request", 2: "Boot reply"}[f.b[off]])
	f.hex("dhcp.hw.type", "Hardware type", off+1, 1, "")
	f.num("dhcp.hw.len", "Hardware address length", off+2, 1, "")
	f.num("dhcp.hops", "Hops", off+3, 1, "")
	f.hex("dhcp.id", "Transaction ID", off+4, 4, "")
	f.num("dhcp.secs", "Seconds elapsed", off+8, 2, "")
	f.hex("dhcp.flags", "Flags", off+10, 2, "")
	f.ip4("dhcp.ip.client", "Client address", off+12)
	f.ip4("dhcp.ip.your", "Your address", off+16)
	f.ip4("dhcp.ip.server", "Next server address", off+20)
	f.ip4("dhcp.ip.relay", "Relay agent address", off+24)
	f.mac("dhcp.hw.mac_addr", "Client MAC address", off+28)
	f.hex("dhcp.cookie", "Magic cookie", off+dhcpFixedLen, 4, "")
	f.dhcpOptions(off + dhcpFixedLen + 4)
	t.add("dhcp", "Dynamic Host Configuration Protocol ("+dhcpTypeName(p.DHCP.Type)+")", off, p.Payload.End, f)
}

func (f *fields) dhcpOptions(off int) {
	for i := 0; ; i++ {
		code, v, next := dhcpOption(f.b, off)
		if next == 0 {
			return
		}
		if i == maxItems {
			f.more(off)
			return
		}
		start := v.Start - 2 // padding before it is not part of the option
		s := f.sub()
		s.num("dhcp.option.length", "Length", start+1, 1, "")
		label := s.dhcpValue(code, v.Start, v.Len())
		f.add("dhcp.option.type", "Option", fmt.Sprintf("%s (%d)", label, code), start, next-start, s.list...)
		off = next
	}
}

// dhcpValue adds the value of an option (RFC 2132) and returns its name.
func (f *fields) dhcpValue(code byte, off, n int) (label string) {
	addresses := func(name, label string) string {
		for i := 0; i+4 <= n; i += 4 {
			f.ip4(name, "Address", off+i)
		}
		return label
	}
	text := func(name, label string) string {
		f.text(name, label, off, n)
		return label
	}
	switch {
	case code == 1:
		return addresses("dhcp.option.subnet_mask", "Subnet mask")
	case code == 3:
		return addresses("dhcp.option.router", "Router")
	case code == 6:
		return addresses("dhcp.option.domain_name_server", "Domain name server")
	case code == 12:
		return text("dhcp.option.hostname", "Host name")
	case code == 15:
		return text("dhcp.option.domain_name", "Domain name")
	case code == 26 && n == 2:
		f.num("dhcp.option.interface_mtu", "Interface MTU", off, 2, "")
		return "Interface MTU"
	case code == 28:
		return addresses("dhcp.option.broadcast_address", "Broadcast address")
	case code == 42:
		return addresses("dhcp.option.ntp_server", "NTP server")
	case code == 50:
		return addresses("dhcp.option.requested_ip_address", "Requested address")
	case code == 51 && n == 4:
		lease := time.Duration(f.uint(off, 4)) * time.Second
		f.num("dhcp.option.ip_address_lease_time", "Lease time", off, 4, lease.String())
		return "Lease time"
	case code == 53 && n == 1:
		f.num("dhcp.option.dhcp", "Message type", off, 1, dhcpTypeName(f.b[off]))
		return "Message type"
	case code == 54:
		return addresses("dhcp.option.dhcp_server_id", "Server identifier")
	case code == 55:
		for i := range n {
			f.num("dhcp.option.request_list_item", "Requests option", off+i, 1, "")
		}
		return "Parameter request list"
	case code == 57 && n == 2:
		f.num("dhcp.option.dhcp_max_message_size", "Maximum message size", off, 2, "")
		return "Maximum message size"
	case code == 60:
		return text("dhcp.option.vendor_class_id", "Vendor class")
	case code == 61:
		f.raw("dhcp.client_id", "Client identifier", off, n)
		return "Client identifier"
	}
	f.raw("dhcp.option.value", "Value", off, n)
	return "Option"
}
