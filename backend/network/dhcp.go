package network

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// answerDHCP sends the server's answer to one message, if it has one. The
// answer is framed here, not by the netstack, because it goes to a client that
// cannot answer ARP yet: its hardware address is in the message.
func (n *Network) answerDHCP(request []byte) {
	reply, ok := n.dhcp.Handle(request)
	if !ok || len(reply.Message) > MinMTU-ipv4Len-udpLen {
		return
	}
	n.link.send(udpFrame(mac(reply.MAC), netip.AddrPortFrom(n.cfg.Gateway, portDHCP),
		netip.AddrPortFrom(reply.Addr, portDHCP+1), reply.Message))
}

// udpFrame builds the frame of one UDP datagram from the gateway.
func udpFrame(to mac, src, dst netip.AddrPort, payload []byte) []byte {
	frame := make([]byte, etherLen+ipv4Len+udpLen+len(payload))
	header.Ethernet(frame).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(gatewayMAC[:]),
		DstAddr: tcpip.LinkAddress(to[:]),
		Type:    header.IPv4ProtocolNumber,
	})
	ip := header.IPv4(frame[etherLen:])
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(frame) - etherLen),
		TTL:         64,
		Protocol:    protoUDP,
		SrcAddr:     toTCPIP(src.Addr()),
		DstAddr:     toTCPIP(dst.Addr()),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	length := uint16(udpLen + len(payload))
	udp := header.UDP(frame[etherLen+ipv4Len:])
	udp.Encode(&header.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: length})
	copy(udp.Payload(), payload)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, toTCPIP(src.Addr()), toTCPIP(dst.Addr()), length)
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum)))
	return frame
}
