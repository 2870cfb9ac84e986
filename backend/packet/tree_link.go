package packet

import "fmt"

// link adds Ethernet and its tags, and returns where they end.
func (t *tree) link() int {
	p := t.p
	f := t.fields(ethernetLen)
	f.mac("eth.dst", "Destination", 0)
	f.mac("eth.src", "Source", 6)
	f.hex("eth.type", "Type", 12, 2, etherTypeName(be16(p.Frame[12:])))
	t.add("eth", fmt.Sprintf("Ethernet II, Src: %s, Dst: %s", MAC(p.EthSrc), MAC(p.EthDst)), 0, ethernetLen, f)
	off := ethernetLen
	for typ := be16(p.Frame[12:]); isVLAN(typ) && off+vlanLen <= len(p.Frame); off += vlanLen {
		tci := be16(p.Frame[off:])
		typ = be16(p.Frame[off+2:])
		if len(t.layers) > maxItems {
			continue
		}
		f := t.fields(off + vlanLen)
		f.add("vlan.priority", "Priority", fmt.Sprint(tci>>13), off, 2)
		f.bit("vlan.dei", "Drop eligible", off, 2, 0x1000)
		f.add("vlan.id", "ID", fmt.Sprint(tci&0xfff), off, 2)
		f.hex("vlan.etype", "Type", off+2, 2, etherTypeName(typ))
		t.add("vlan", fmt.Sprintf("802.1Q Virtual LAN, ID: %d", tci&0xfff), off, off+vlanLen, f)
	}
	return off
}

func (t *tree) arp(off int) {
	p := t.p
	if !p.ARP.Sender.IsValid() {
		return // shown as data
	}
	f := t.fields(off + arpLen)
	f.num("arp.hw.type", "Hardware type", off, 2, "Ethernet")
	f.hex("arp.proto.type", "Protocol type", off+2, 2, "IPv4")
	f.num("arp.hw.size", "Hardware size", off+4, 1, "")
	f.num("arp.proto.size", "Protocol size", off+5, 1, "")
	what := map[uint16]string{1: "request", 2: "reply"}[p.ARP.Op]
	f.num("arp.opcode", "Opcode", off+6, 2, what)
	f.mac("arp.src.hw_mac", "Sender MAC address", off+8)
	f.ip4("arp.src.proto_ipv4", "Sender IP address", off+14)
	f.mac("arp.dst.hw_mac", "Target MAC address", off+18)
	f.ip4("arp.dst.proto_ipv4", "Target IP address", off+24)
	t.add("arp", "Address Resolution Protocol: "+string(p.arpInfo(nil)), off, off+arpLen, f)
}
