// Package network gives a virtual machine a network without privileges on the
// host: it takes the machine's Ethernet frames apart with a TCP/IP stack of
// its own (gVisor's netstack) and turns them into the host's ordinary socket
// calls, and the other way round. It is a kit: it knows nothing of containers,
// of the hypervisor, or of the rest of the product.
//
// What it guarantees:
//
//   - Every frame passes Config.Observer, once.
//   - A connection that the guest opens is accepted only after the host's own
//     connection succeeded, and fails the way that one failed. Half-closed
//     connections stay half open. A live connection is never cut for being
//     idle.
//   - Addresses behind the guest are routed, not hidden: the guest is the
//     router to its containers. Frames show container addresses, and
//     connections to a published port come from the gateway's address.
//   - Nothing listens on the host but published ports, and these only on the
//     loopback interface unless Config says otherwise.
//   - Whatever the guest sends, memory and host sockets stay within
//     Config.Limits; what is turned away is counted in Stats.
//   - When Run has returned, every goroutine, socket and flow is gone.
//
// A frame from the guest takes this way:
//
//	link.Conn → Observer → inspector → DHCP server
//	                                 → netstack → DNS forwarder (gateway:53)
//	                                            → TCP, UDP, ICMP forwarders → host sockets
//
// The host address (host.docker.internal) leads to the host's 127.0.0.1. The
// gateway answers ARP, DHCP, DNS and pings, nothing else.
//
// Pings to the outside need an unprivileged ICMP socket (on Linux, a group in
// net.ipv4.ping_group_range; macOS always has it) or the right to open a raw
// one. Where the host grants neither, as on Windows, such pings stay
// unanswered: there is no made-up reply. IPv6 is not carried yet.
package network
