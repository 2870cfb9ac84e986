package pcapng

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// flushAt is how much a Writer gathers before it writes.
const flushAt = 64 << 10

// Header describes a section and its interface.
type Header struct {
	Hardware, OS, Application string
	Comment                   string
	Interface                 string // its name
	Description               string
	Snaplen                   int // 0: no limit
}

// Packet is a packet to write, or one read.
type Packet struct {
	Time      time.Time
	Direction Direction
	Length    int    // on the wire
	Data      []byte // what was kept of it, at most Length
	Comment   string
	Dropped   uint64 // packets lost between the one before and this; written if not 0
}

// Statistics are the counters of the interface.
type Statistics struct {
	Start, End time.Time
	Received   uint64 // packets the interface saw
	Dropped    uint64 // of those, lost for want of room
	Delivered  uint64 // of those, written
	Comment    string
}

// Writer writes one section. Blocks are gathered; Flush writes them out, always
// whole blocks. Its first error stays.
type Writer struct {
	w     io.Writer
	buf   []byte
	start int // of the block being made
	err   error
}

// NewWriter returns a Writer that begins with h. Nothing is written yet.
func NewWriter(w io.Writer, h Header) *Writer {
	x := &Writer{w: w}
	x.begin(typeSection)
	x.u32(byteOrderMagic)
	x.u16(1) // version 1.0
	x.u16(0)
	x.u64(^uint64(0)) // section length: unknown, read to the end
	x.text(optComment, h.Comment)
	x.text(shbHardware, h.Hardware)
	x.text(shbOS, h.OS)
	x.text(shbUserAppl, h.Application)
	x.end(true)

	x.begin(typeInterface)
	x.u16(LinkEthernet)
	x.u16(0)
	x.u32(uint32(h.Snaplen))
	x.text(ifName, h.Interface)
	x.text(ifDescription, h.Description)
	x.option(ifTSResol, []byte{9}) // 10^-9 s
	x.end(true)
	return x
}

// Packet writes an enhanced packet block. Times before 1970 are written as 0.
func (x *Writer) Packet(p *Packet) error {
	x.begin(typePacket)
	x.u32(0) // interface
	x.time(p.Time)
	x.u32(uint32(len(p.Data)))
	x.u32(uint32(p.Length))
	x.buf = append(x.buf, p.Data...)
	x.pad()
	options := p.Direction != Unknown || p.Comment != "" || p.Dropped > 0
	x.text(optComment, p.Comment)
	if p.Direction != Unknown {
		x.option(epbFlags, binary.LittleEndian.AppendUint32(nil, uint32(p.Direction)))
	}
	if p.Dropped > 0 {
		x.option(epbDropCount, binary.LittleEndian.AppendUint64(nil, p.Dropped))
	}
	x.end(options)
	return x.flushAt(flushAt)
}

// Name writes a name resolution block for one address. Readers apply it to the
// whole section, most of them only to what follows.
func (x *Writer) Name(a netip.Addr, names ...string) error {
	x.begin(typeNames)
	typ, raw := uint16(nrbIPv4), a.AsSlice()
	if a.Is6() {
		typ = nrbIPv6
	}
	n := len(raw)
	for _, s := range names {
		n += len(s) + 1
	}
	x.u16(typ)
	x.u16(uint16(n))
	x.buf = append(x.buf, raw...)
	for _, s := range names {
		x.buf = append(append(x.buf, s...), 0)
	}
	x.pad()
	x.u32(nrbEnd)
	x.end(false)
	return x.flushAt(flushAt)
}

// Statistics writes an interface statistics block.
func (x *Writer) Statistics(s Statistics) error {
	x.begin(typeStatistics)
	x.u32(0) // interface
	x.time(s.End)
	x.text(optComment, s.Comment)
	x.option(isbStartTime, timestamp(s.Start))
	x.option(isbEndTime, timestamp(s.End))
	x.option(isbIfRecv, binary.LittleEndian.AppendUint64(nil, s.Received))
	x.option(isbIfDrop, binary.LittleEndian.AppendUint64(nil, s.Dropped))
	x.option(isbUsrDeliv, binary.LittleEndian.AppendUint64(nil, s.Delivered))
	x.end(true)
	return x.flushAt(flushAt)
}

// Flush writes out what has been gathered.
func (x *Writer) Flush() error { return x.flushAt(1) }

func (x *Writer) flushAt(n int) error {
	if x.err != nil || len(x.buf) < n {
		return x.err
	}
	if _, err := x.w.Write(x.buf); err != nil {
		x.err = fmt.Errorf("write capture: %w", err)
	}
	x.buf = x.buf[:0]
	return x.err
}

// begin starts a block; end closes it, with an end-of-options if it has options.
func (x *Writer) begin(typ uint32) {
	x.start = len(x.buf)
	x.u32(typ)
	x.u32(0) // length: end fills it in
}

func (x *Writer) end(options bool) {
	if options {
		x.u32(optEnd)
	}
	n := uint32(len(x.buf) - x.start + 4)
	x.u32(n)
	binary.LittleEndian.PutUint32(x.buf[x.start+4:], n)
}

func (x *Writer) u16(v uint16) { x.buf = binary.LittleEndian.AppendUint16(x.buf, v) }
func (x *Writer) u32(v uint32) { x.buf = binary.LittleEndian.AppendUint32(x.buf, v) }
func (x *Writer) u64(v uint64) { x.buf = binary.LittleEndian.AppendUint64(x.buf, v) }

func (x *Writer) pad() {
	for (len(x.buf)-x.start)%4 != 0 {
		x.buf = append(x.buf, 0)
	}
}

// text writes a text option, unless s is empty; its length is 16 bits.
func (x *Writer) text(code uint16, s string) {
	if s != "" {
		x.option(code, []byte(s[:min(len(s), 0xffff)]))
	}
}

func (x *Writer) option(code uint16, v []byte) {
	x.u16(code)
	x.u16(uint16(len(v)))
	x.buf = append(x.buf, v...)
	x.pad()
}

// time writes a timestamp: the high half first, whatever the byte order.
func (x *Writer) time(t time.Time) { x.buf = append(x.buf, timestamp(t)...) }

func timestamp(t time.Time) []byte {
	ns := uint64(max(t.UnixNano(), 0))
	b := binary.LittleEndian.AppendUint32(nil, uint32(ns>>32))
	return binary.LittleEndian.AppendUint32(b, uint32(ns))
}
