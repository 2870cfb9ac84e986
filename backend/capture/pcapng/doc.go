// Package pcapng writes and reads capture files in the pcapng format
// (draft-ietf-opsawg-pcapng), the part of it that a capture of one Ethernet
// interface needs: section header, interface description, enhanced packet, name
// resolution and interface statistics blocks.
//
// The writer makes one section with one interface, nanosecond times and the
// direction of each packet. The reader takes files of either byte order with any
// number of sections and interfaces, passes over blocks it does not know as the
// format asks, and refuses, with an error and without allocating more than
// MaxBlock, what contradicts itself.
package pcapng

// Block types (§4 and §11.1 of the draft).
const (
	typeInterface  = 1
	typeNames      = 4
	typeStatistics = 5
	typePacket     = 6
	typeSection    = 0x0a0d0d0a
)

const (
	byteOrderMagic = 0x1a2b3c4d
	// LinkEthernet is LINKTYPE_ETHERNET.
	LinkEthernet = 1

	// MaxBlock is the longest block the reader accepts: a packet of the
	// greatest length with generous options.
	MaxBlock = 1 << 20
)

// Option codes: those of every block, then of each kind.
const (
	optEnd     = 0
	optComment = 1

	shbHardware = 2
	shbOS       = 3
	shbUserAppl = 4

	ifName        = 2
	ifDescription = 3
	ifTSResol     = 9
	ifTSOffset    = 14

	epbFlags     = 2
	epbDropCount = 4

	isbStartTime = 2
	isbEndTime   = 3
	isbIfRecv    = 4
	isbIfDrop    = 5
	isbUsrDeliv  = 8
)

// Name resolution record types.
const (
	nrbEnd  = 0
	nrbIPv4 = 1
	nrbIPv6 = 2
)

// Direction is that of a packet, seen from the interface.
type Direction uint8

// The directions; their values are those of the epb_flags option.
const (
	Unknown  Direction = 0
	Inbound  Direction = 1
	Outbound Direction = 2
)
