package resolver

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// localTTL is how long a guest may keep a built-in answer, in seconds. It is
// short because a setting may change it.
const localTTL = 10

// local answers a question about a built-in name, or about the address of
// one. A built-in name exists whatever the record type asked for: a type that
// it has no record of is answered with success and no records, since "no such
// name" would make a client that asks for AAAA first give up on A.
func (r *Resolver) local(query []byte, q question) ([]byte, bool) {
	if q.class != classIN {
		return nil, false
	}
	if addr, ok := r.names[q.name]; ok {
		switch {
		case q.qtype == typeA && addr.Is4(), q.qtype == typeAAA && addr.Is6():
			return positive(query, q, addr.AsSlice()), true
		}
		return positive(query, q, nil), true
	}
	if q.qtype == typePTR {
		if name, ok := r.reverse[q.name]; ok {
			return positive(query, q, encodeName(name)), true
		}
	}
	return nil, false
}

// positive answers query with one record of the type asked for, or with none
// if data is nil.
func positive(query []byte, q question, data []byte) []byte {
	out := failure(query, rcodeNoError)
	out[2] |= 0x04 // authoritative
	if data == nil {
		return out
	}
	out[7] = 1
	out = append(out, 0xc0, headerLen) // the question's name
	out = binary.BigEndian.AppendUint16(out, q.qtype)
	out = binary.BigEndian.AppendUint16(out, classIN)
	out = binary.BigEndian.AppendUint32(out, localTTL)
	out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
	return append(out, data...)
}

func encodeName(name string) []byte {
	var out []byte
	for label := range strings.SplitSeq(name, ".") {
		out = append(out, byte(len(label)))
		out = append(out, label...)
	}
	return append(out, 0)
}

// validName says whether a name can be encoded (RFC 1035 section 2.3.4).
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}

// reverseName returns the name under in-addr.arpa of an IPv4 address.
func reverseName(a netip.Addr) string {
	b := a.As4()
	var s strings.Builder
	for i := range b {
		s.WriteString(strconv.Itoa(int(b[3-i])))
		s.WriteByte('.')
	}
	return s.String() + "in-addr.arpa"
}
