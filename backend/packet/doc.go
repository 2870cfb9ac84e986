// Package packet reads Ethernet frames: what the packet list shows of each
// (Parsed, in place, without allocating) and what the detail view shows of one
// (Layers, a tree of fields with the bytes each came from).
//
// It does no I/O and keeps no state between frames. Every byte it reads was
// chosen by a container or by somebody on the Internet, so the guarantees are:
//
//   - no input panics, and no offset it returns lies outside the frame;
//   - time is linear in the frame's length: DNS compression pointers must go
//     backwards, lists are walked by bytes that exist, trees are capped;
//   - text copied from a frame into Info or a field is printable ASCII, with
//     everything else escaped, so that a window or a terminal may show it.
//
// A frame shorter than its headers claim is decoded as far as it goes and
// marked Truncated; one that contradicts itself is marked Malformed. Neither
// is an error: a packet list must show such frames too.
//
// Fields carry the names Wireshark gives them (tcp.dstport), because those are
// the names people already filter by.
package packet
