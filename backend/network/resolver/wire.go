package resolver

import (
	"encoding/binary"
	"errors"
	"time"
)

// The forwarder passes messages on as bytes and must not lose what it does
// not understand, so it reads of a message only what follows: the header, the
// one question, and where each record's time to live is (RFC 1035 section 4,
// RFC 6891 for OPT).

const (
	headerLen = 12

	flagResponse  = 0x80 // byte 2
	flagTruncated = 0x02 // byte 2
	flagAvailable = 0x80 // byte 3
	opcodeMask    = 0x78 // byte 2
	rcodeMask     = 0x0f // byte 3

	rcodeNoError  = 0
	rcodeFormErr  = 1
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeNotImp   = 4

	typeA   = 1
	typeSOA = 6
	typePTR = 12
	typeAAA = 28
	typeOPT = 41

	classIN = 1

	maxUDPPlain = 512  // without EDNS, RFC 1035 section 2.3.4
	maxUDP      = 4096 // with it, whatever the client says: what is longer is better off over TCP
)

var errWire = errors.New("malformed DNS message")

// skipName returns the offset behind the name at off. Compression pointers
// are stepped over, never followed.
func skipName(msg []byte, off int) (int, error) {
	for off < len(msg) {
		switch n := int(msg[off]); {
		case n == 0:
			return off + 1, nil
		case n&0xc0 == 0xc0:
			if off+2 > len(msg) {
				return 0, errWire
			}
			return off + 2, nil
		case n&0xc0 != 0:
			return 0, errWire
		default:
			off += 1 + n
		}
	}
	return 0, errWire
}

// question is the one question of a query.
type question struct {
	name  string // lower case, no final dot; "" is the root
	qtype uint16
	class uint16
	end   int // offset behind it
}

// parseQuestion reads the question of a query that has exactly one.
func parseQuestion(msg []byte) (question, error) {
	if len(msg) < headerLen || binary.BigEndian.Uint16(msg[4:]) != 1 {
		return question{}, errWire
	}
	var name []byte
	off := headerLen
	for {
		if off >= len(msg) {
			return question{}, errWire
		}
		n := int(msg[off])
		off++
		if n == 0 {
			break
		}
		if n > 63 || off+n > len(msg) || len(name)+n > 255 {
			return question{}, errWire
		}
		if len(name) > 0 {
			name = append(name, '.')
		}
		for _, c := range msg[off : off+n] {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			name = append(name, c)
		}
		off += n
	}
	if off+4 > len(msg) {
		return question{}, errWire
	}
	return question{
		name:  string(name),
		qtype: binary.BigEndian.Uint16(msg[off:]),
		class: binary.BigEndian.Uint16(msg[off+2:]),
		end:   off + 4,
	}, nil
}

// record is one resource record's place in a message.
type record struct {
	section int // 0 answer, 1 authority, 2 additional
	rtype   uint16
	class   uint16
	ttl     int // offset of the time to live
	data    int // offset of the data
	dataLen int
}

// walk calls f for each record after the questions, in order.
func walk(msg []byte, f func(record)) error {
	if len(msg) < headerLen {
		return errWire
	}
	off := headerLen
	var err error
	for range binary.BigEndian.Uint16(msg[4:]) {
		if off, err = skipName(msg, off); err != nil {
			return err
		}
		off += 4
	}
	for section := range 3 {
		for range binary.BigEndian.Uint16(msg[6+2*section:]) {
			if off, err = skipName(msg, off); err != nil {
				return err
			}
			if off+10 > len(msg) {
				return errWire
			}
			r := record{
				section: section,
				rtype:   binary.BigEndian.Uint16(msg[off:]),
				class:   binary.BigEndian.Uint16(msg[off+2:]),
				ttl:     off + 4,
				data:    off + 10,
				dataLen: int(binary.BigEndian.Uint16(msg[off+8:])),
			}
			if off = r.data + r.dataLen; off > len(msg) {
				return errWire
			}
			f(r)
		}
	}
	return nil
}

// udpLimit returns the longest answer that the sender of query takes over
// UDP: its EDNS size, or 512.
func udpLimit(query []byte) int {
	limit := maxUDPPlain
	_ = walk(query, func(r record) { // a query that does not parse has asked for nothing larger
		if r.rtype == typeOPT && int(r.class) > limit {
			limit = int(r.class)
		}
	})
	return min(limit, maxUDP)
}

// truncate shortens an answer to its header and question, and sets TC, so
// that the client asks again over TCP.
func truncate(answer []byte) []byte {
	q, err := parseQuestion(answer)
	if err != nil {
		return failure(answer, rcodeServFail)
	}
	out := append([]byte(nil), answer[:q.end]...)
	out[2] |= flagTruncated
	clear(out[6:headerLen])
	return out
}

// failure answers a query with a code and no records. The query must hold at
// least a header.
func failure(query []byte, rcode byte) []byte {
	end := headerLen
	if q, err := parseQuestion(query); err == nil {
		end = q.end
	}
	out := append([]byte(nil), query[:end]...)
	out[2] = out[2]&^flagTruncated | flagResponse
	out[3] = flagAvailable | rcode
	clear(out[4:headerLen])
	if end > headerLen {
		out[5] = 1
	}
	return out
}

// lifetime returns for how long an answer may be kept: the least time to live
// of its records; for "no such name" and "no such record" that of the SOA
// record which must come with it (RFC 2308 section 5). Zero means not at all.
func lifetime(answer []byte) time.Duration {
	rcode := answer[3] & rcodeMask
	if answer[2]&flagTruncated != 0 || rcode != rcodeNoError && rcode != rcodeNXDomain {
		return 0
	}
	least, answers, soa := uint32(1<<31), 0, false
	err := walk(answer, func(r record) {
		if r.rtype == typeOPT {
			return
		}
		least = min(least, binary.BigEndian.Uint32(answer[r.ttl:]))
		switch {
		case r.section == 0:
			answers++
		case r.section == 1 && r.rtype == typeSOA && r.dataLen >= 20:
			soa = true
			least = min(least, binary.BigEndian.Uint32(answer[r.data+r.dataLen-4:]))
		}
	})
	if err != nil || least == 1<<31 || (answers == 0 || rcode == rcodeNXDomain) && !soa {
		return 0
	}
	return time.Duration(least) * time.Second
}

// age takes the seconds that passed off every time to live.
func age(answer []byte, passed time.Duration) {
	gone := uint32(passed / time.Second)
	_ = walk(answer, func(r record) { // lifetime walked it already, before it was kept
		if r.rtype == typeOPT {
			return
		}
		ttl := binary.BigEndian.Uint32(answer[r.ttl:])
		binary.BigEndian.PutUint32(answer[r.ttl:], ttl-min(ttl, gone))
	})
}
