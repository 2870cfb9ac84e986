package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// maxInterfaces bounds the interfaces of a section.
const maxInterfaces = 1024

// Block is one of *Header, *Packet, *Name and *Statistics.
type Block any

// Name is one name resolution record.
type Name struct {
	Addr  netip.Addr
	Names []string
}

// Reader reads a file block by block.
type Reader struct {
	r       io.Reader
	order   binary.ByteOrder // nil before the first section
	ifaces  []iface
	section Header  // of the current section, without an interface
	queue   []Block // made from the last block, not returned yet
	buf     []byte
}

// iface is what is needed to read an interface's packets.
type iface struct {
	link   uint16
	perSec uint64 // timestamp units in a second
	offset int64  // seconds to add
}

// NewReader returns a Reader of r, which it reads in small pieces: buffer it.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// errShort is what a block that ends too early is told apart by.
var errShort = errors.New("a block ends before what it holds")

// Next returns the next block, and io.EOF at the end of the file. A *Header is
// returned for each interface; blocks of other kinds are passed over. What is
// returned stays valid.
func (r *Reader) Next() (Block, error) {
	for len(r.queue) == 0 {
		typ, body, err := r.block()
		if err == io.EOF {
			return nil, io.EOF
		}
		if err == nil {
			err = r.parse(typ, body)
		}
		if err != nil {
			return nil, fmt.Errorf("read capture: %w", err)
		}
	}
	b := r.queue[0]
	r.queue = r.queue[1:]
	return b, nil
}

// block reads one block and returns its type and body.
func (r *Reader) block() (typ uint32, body []byte, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r.r, head[:8]); err != nil {
		return 0, nil, err // io.EOF only if there is nothing at all
	}
	at := 8
	if binary.LittleEndian.Uint32(head[:]) == typeSection {
		// The same in both byte orders; the magic behind the length tells them.
		if _, err := io.ReadFull(r.r, head[8:]); err != nil {
			return 0, nil, unexpected(err)
		}
		at = 12
		switch uint32(byteOrderMagic) {
		case binary.LittleEndian.Uint32(head[8:]):
			r.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]):
			r.order = binary.BigEndian
		default:
			return 0, nil, errors.New("a section has no byte order")
		}
	}
	if r.order == nil {
		return 0, nil, errors.New("this is no pcapng file")
	}
	typ, n := r.order.Uint32(head[:]), r.order.Uint32(head[4:])
	if n < uint32(at)+4 || n%4 != 0 || n > MaxBlock {
		return 0, nil, fmt.Errorf("a block has length %d", n)
	}
	if uint32(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	copy(b, head[:at])
	if _, err := io.ReadFull(r.r, b[at:]); err != nil {
		return 0, nil, unexpected(err)
	}
	if r.order.Uint32(b[n-4:]) != n {
		return 0, nil, errors.New("a block's two lengths differ")
	}
	return typ, b[8 : n-4], nil
}

// unexpected makes an end of file within a block an error.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *Reader) parse(typ uint32, b []byte) error {
	switch typ {
	case typeSection:
		return r.parseSection(b)
	case typeInterface:
		return r.parseInterface(b)
	case typePacket:
		return r.parsePacket(b)
	case typeNames:
		return r.parseNames(b)
	case typeStatistics:
		return r.parseStatistics(b)
	}
	return nil
}

func (r *Reader) parseSection(b []byte) error {
	if len(b) < 16 {
		return errShort
	}
	if major := r.order.Uint16(b[4:]); major != 1 {
		return fmt.Errorf("a section has version %d", major)
	}
	r.ifaces = nil
	r.section = Header{}
	return r.options(b[16:], func(code uint16, v []byte) error {
		switch code {
		case optComment:
			r.section.Comment = string(v)
		case shbHardware:
			r.section.Hardware = string(v)
		case shbOS:
			r.section.OS = string(v)
		case shbUserAppl:
			r.section.Application = string(v)
		}
		return nil
	})
}

func (r *Reader) parseInterface(b []byte) error {
	if len(b) < 8 {
		return errShort
	}
	if len(r.ifaces) == maxInterfaces {
		return errors.New("a section has too many interfaces")
	}
	h := r.section
	h.Snaplen = int(r.order.Uint32(b[4:]))
	i := iface{link: r.order.Uint16(b), perSec: 1_000_000}
	err := r.options(b[8:], func(code uint16, v []byte) (err error) {
		switch code {
		case ifName:
			h.Interface = string(v)
		case ifDescription:
			h.Description = string(v)
		case ifTSResol:
			i.perSec, err = resolution(v)
		case ifTSOffset:
			if len(v) != 8 {
				return errShort
			}
			i.offset = int64(r.order.Uint64(v))
		}
		return err
	})
	if err != nil {
		return err
	}
	r.ifaces = append(r.ifaces, i)
	r.queue = append(r.queue, &h)
	return nil
}

// resolution is the units in a second of an if_tsresol option.
func resolution(v []byte) (uint64, error) {
	if len(v) != 1 {
		return 0, errShort
	}
	exp := v[0] & 0x7f
	switch {
	case v[0]&0x80 != 0 && exp < 63:
		return 1 << exp, nil
	case v[0]&0x80 == 0 && exp < 19:
		n := uint64(1)
		for range exp {
			n *= 10
		}
		return n, nil
	}
	return 0, fmt.Errorf("an interface has time resolution %d", v[0])
}

// time reads a timestamp of an interface.
func (r *Reader) time(b []byte, i iface) time.Time {
	units := uint64(r.order.Uint32(b))<<32 | uint64(r.order.Uint32(b[4:]))
	sec, frac := units/i.perSec, units%i.perSec
	// In floating point, because units of less than a nanosecond would not fit
	// the product; for those of a nanosecond or more it is exact below 2^53.
	ns := float64(frac) * (1e9 / float64(i.perSec))
	return time.Unix(int64(sec)+i.offset, int64(ns+0.5))
}

func (r *Reader) iface(n uint32) (iface, error) {
	if n >= uint32(len(r.ifaces)) {
		return iface{}, fmt.Errorf("there is no interface %d", n)
	}
	return r.ifaces[n], nil
}

func (r *Reader) parsePacket(b []byte) error {
	if len(b) < 20 {
		return errShort
	}
	i, err := r.iface(r.order.Uint32(b))
	if err != nil {
		return err
	}
	n := r.order.Uint32(b[12:])
	if uint64(n)+20 > uint64(len(b)) {
		return errShort
	}
	p := &Packet{
		Time: r.time(b[4:], i), Length: int(r.order.Uint32(b[16:])), Data: bytes.Clone(b[20 : 20+n]),
	}
	err = r.options(b[min(20+padded(int(n)), len(b)):], func(code uint16, v []byte) error {
		switch {
		case code == optComment:
			p.Comment = string(v)
		case code == epbFlags && len(v) == 4:
			p.Direction = Direction(r.order.Uint32(v) & 3)
		case code == epbDropCount && len(v) == 8:
			p.Dropped = r.order.Uint64(v)
		}
		return nil
	})
	if err == nil && i.link == LinkEthernet {
		r.queue = append(r.queue, p)
	}
	return err
}

func (r *Reader) parseNames(b []byte) error {
	for len(b) >= 4 {
		typ, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if typ == nrbEnd {
			return nil
		}
		if 4+n > len(b) {
			return errShort
		}
		v := b[4 : 4+n]
		size := map[uint16]int{nrbIPv4: 4, nrbIPv6: 16}[typ]
		if size > 0 {
			if n < size {
				return errShort
			}
			a, _ := netip.AddrFromSlice(v[:size])
			name := &Name{Addr: a}
			for s := range bytes.SplitSeq(bytes.TrimSuffix(v[size:], []byte{0}), []byte{0}) {
				name.Names = append(name.Names, string(s))
			}
			r.queue = append(r.queue, name)
		}
		b = b[min(4+padded(n), len(b)):]
	}
	return errShort
}

func (r *Reader) parseStatistics(b []byte) error {
	if len(b) < 12 {
		return errShort
	}
	i, err := r.iface(r.order.Uint32(b))
	if err != nil {
		return err
	}
	s := &Statistics{}
	err = r.options(b[12:], func(code uint16, v []byte) error {
		if code == optComment {
			s.Comment = string(v)
			return nil
		}
		if len(v) != 8 {
			return nil
		}
		switch code {
		case isbStartTime:
			s.Start = r.time(v, i)
		case isbEndTime:
			s.End = r.time(v, i)
		case isbIfRecv:
			s.Received = r.order.Uint64(v)
		case isbIfDrop:
			s.Dropped = r.order.Uint64(v)
		case isbUsrDeliv:
			s.Delivered = r.order.Uint64(v)
		}
		return nil
	})
	if err == nil {
		r.queue = append(r.queue, s)
	}
	return err
}

// options calls each with every option in b.
func (r *Reader) options(b []byte, each func(code uint16, v []byte) error) error {
	for len(b) >= 4 {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if code == optEnd {
			return nil
		}
		if 4+n > len(b) {
			return errShort
		}
		if err := each(code, b[4:4+n]); err != nil {
			return err
		}
		b = b[min(4+padded(n), len(b)):]
	}
	if len(b) > 0 {
		return errShort
	}
	return nil
}

func padded(n int) int { return (n + 3) &^ 3 }
